package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/nines-sre/nines/slo"
	"github.com/spf13/cobra"
)

func (a *cli) reportCommand() *cobra.Command {
	return group("report", "Figures for customers, from the ledger", a.reportSLA())
}

func (a *cli) reportSLA() *cobra.Command {
	var tenant, month string
	c := &cobra.Command{
		Use: "sla --tenant NAME --month YYYY-MM", Short: "What a customer was given against what was promised", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var report slo.Report
			if err := api.get(c.Context(), "/reports/sla", url.Values{"tenant": {tenant}, "month": {month}}, &report); err != nil {
				return err
			}
			return a.show(report, func() { a.printReport(report) })
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "the customer")
	c.Flags().StringVar(&month, "month", time.Now().UTC().Format("2006-01"), "calendar month, in the contract's time zone")
	needs(c, "tenant")
	return c
}

func (a *cli) printReport(r slo.Report) {
	a.printf("SLA report for %s, %s (%s)\n", printable(r.Name), r.Month, r.Zone)
	a.printf("Contract version %d.", r.ContractVersion)
	if r.Provisional {
		a.printf(" Provisional: %s.", r.Why)
	}
	a.printf("\n\n")
	var rows [][]string
	for _, p := range r.Promises {
		rows = append(rows, []string{
			p.SLO, p.Objective.String() + " %", measured(p), verdict(p), credit(p), count(p.Counts.Good) + " of " + count(p.Counts.Total),
			percent(p.Coverage), fmt.Sprint(p.SLOVersion), fmt.Sprintf("%.0f", p.BadMinutes), clock(p.ClosedUntil),
		})
	}
	a.table([]string{"promise", "objective", "measured", "met", "credit", "good requests", "coverage", "version", "bad min", "final up to"}, rows)
	for _, p := range r.Promises {
		for _, region := range p.Regions {
			if region.Region != "" {
				a.printf("  %s in %s: %s (%s of %s)\n", p.SLO, region.Region, orMissing(region.Precise), count(region.Counts.Good), count(region.Counts.Total))
			}
		}
		if p.MissingHours > 0.01 {
			a.printf("  %s: %.1f hours of the month were not seen; they count neither as good nor as bad.\n", p.SLO, p.MissingHours)
		}
	}
	a.printf("\n%s\nDigest %s\n", r.Method, r.Digest)
}

func measured(p slo.PromiseReport) string {
	if p.Displayed == "" {
		return missing
	}
	return p.Precise + " %"
}

func verdict(p slo.PromiseReport) string {
	switch {
	case p.Met == nil:
		return missing
	case *p.Met:
		return "yes"
	default:
		return "no"
	}
}

func credit(p slo.PromiseReport) string {
	if p.Met == nil {
		return missing
	}
	return fmt.Sprintf("%g %%", p.Credit)
}
