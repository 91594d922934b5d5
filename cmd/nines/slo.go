package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
	"github.com/spf13/cobra"
)

type statusesBody struct {
	Statuses []slo.Status `json:"statuses"`
	Warnings []string     `json:"warnings,omitempty"`
}

func (a *cli) sloCommand() *cobra.Command {
	return group("slo", "Promises: their state, and rules for any Prometheus",
		a.sloStatus(), a.sloGenerate(), a.sloConvert(), a.sloInit(), a.sloBacktest(),
		a.sloCorrections(), a.sloMaintenance(), a.sloBudget(), a.sloBurndown(), a.sloTest(),
	)
}

func (a *cli) sloStatus() *cobra.Command {
	var id, tenant string
	c := &cobra.Command{
		Use: "status", Short: "Budget left, burn and predicted exhaustion of every promise", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{}
			for name, value := range map[string]string{"slo": id, "tenant": tenant} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var answer statusesBody
			if err := api.get(c.Context(), "/slos", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printStatuses(answer) })
		},
	}
	c.Flags().StringVar(&id, "slo", "", "only this SLO")
	c.Flags().StringVar(&tenant, "tenant", "", "only this tenant")
	return c
}

func (a *cli) printStatuses(answer statusesBody) {
	for _, w := range answer.Warnings {
		a.printf("! %s\n", printable(w))
	}
	if len(answer.Statuses) == 0 {
		a.printf("No promise has been seen yet. Apply some: nines apply -f examples/quickstart\n")
		return
	}
	var rows [][]string
	for _, s := range answer.Statuses {
		rows = append(rows, []string{s.SLO, labelText(s.Labels), s.Objective.String() + " %", sli(s), left(s), burn(s), goneBy(s, time.Now(), width(a.out)), percent(s.Coverage)})
	}
	a.table([]string{"promise", "for", "objective", "measured", "budget left", "burn", "gone by", "coverage"}, rows)
	a.printf("\nMeasured over each promise's window up to now; coverage is the share of it that was seen since the first data.\n")
	a.printf("Gone by: predicted from the history, with how likely that is; a date and hour alone is at the present burn.\n")
	a.printAdjusted(answer.Statuses)
}

func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range sortedKeys(labels) {
		if labels[name] != "" {
			parts = append(parts, labels[name])
		}
	}
	return orMissing(strings.Join(parts, " "))
}

func sli(s slo.Status) string {
	if !s.Traffic {
		return "no traffic"
	}
	return figure(s.SLI)
}

func left(s slo.Status) string {
	switch {
	case !s.Traffic:
		return missing
	case s.Remaining <= -9: // a young promise that fails has little budget yet, and spends it many times over
		return fmt.Sprintf("spent %.0f times", 1-s.Remaining)
	default:
		return percent(s.Remaining)
	}
}

func burn(s slo.Status) string {
	if !s.Traffic {
		return missing
	}
	return fmt.Sprintf("%.1f×", s.Burn)
}

func exhausted(s slo.Status) string {
	switch {
	case !s.Traffic || s.Exhausted.IsZero():
		return missing
	case s.Remaining <= 0:
		return "spent"
	default:
		return clock(s.Exhausted)
	}
}
