package main

import (
	"fmt"
	"net/url"

	"github.com/nines-sre/nines/service/httpapi"
	"github.com/spf13/cobra"
)

func (a *cli) sloBudget() *cobra.Command {
	var id, tenant, by string
	c := &cobra.Command{
		Use: "budget --slo ID [--by incident|tenant]", Short: "Where a promise's spent budget went, by incident or by tenant", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if by != "incident" && by != "tenant" {
				return usageError{fmt.Errorf("--by %q is neither incident nor tenant", by)}
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"by": {by}}
			if tenant != "" {
				query.Set("tenant", tenant)
			}
			var split httpapi.BudgetSplit
			if err := api.get(c.Context(), "/slos/"+url.PathEscape(id)+"/budget", query, &split); err != nil {
				return err
			}
			return a.show(split, func() { a.printSplit(split) })
		},
	}
	f := c.Flags()
	f.StringVar(&id, "slo", "", "the SLO")
	f.StringVar(&tenant, "tenant", "", "only this tenant's part")
	f.StringVar(&by, "by", "incident", "incident or tenant")
	needs(c, "slo")
	return c
}

func (a *cli) printSplit(s httpapi.BudgetSplit) {
	for _, m := range s.Missing {
		a.printf("! %s\n", printable(m))
	}
	whose := ""
	if s.Tenant != "" {
		whose = " for " + s.Tenant
	}
	a.printf("%s%s: %s of the error budget is spent since %s: %s errors, %s allowed in %s events.\n\n", printable(s.SLO), printable(whose),
		percent(s.Spent), clock(s.From), count(s.Errors), allowedText(s.Allowed), count(s.Total))
	var rows [][]string
	for _, p := range s.Parts {
		rows = append(rows, []string{splitName(p), count(p.Errors), percent(p.Share), percent(p.OfSpent), spanText(p), orMissing(p.Title)})
	}
	rows = append(rows, []string{"all", count(s.Errors), percent(s.Spent), wholeOf(s), "", ""})
	a.table([]string{s.By, "errors", "of the budget", "of what is spent", "span", "what"}, rows)
}

// allowedText keeps a decimal where a young promise allows only a few errors.
func allowedText(n float64) string {
	if n < 100 {
		return fmt.Sprintf("%.1f", n)
	}
	return count(n)
}

func splitName(p httpapi.BudgetPart) string {
	if p.Kind == "tenant" && p.Name == "" {
		return "without tenant"
	}
	return p.Name
}

func spanText(p httpapi.BudgetPart) string {
	if p.From == nil || p.To == nil {
		return missing
	}
	return clock(*p.From) + ", " + short(p.To.Sub(*p.From))
}

func wholeOf(s httpapi.BudgetSplit) string {
	if s.Errors == 0 {
		return missing
	}
	return percent(1)
}
