package main

import (
	"strings"

	"github.com/nines-sre/nines/service/httpapi"
	"github.com/spf13/cobra"
)

func (a *cli) incidentsEvidence() *cobra.Command {
	var lines bool
	c := &cobra.Command{
		Use: "evidence ID", Short: "Show what was kept with it: promises, budgets, log lines, traces", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer httpapi.ExhibitList
			if err := api.get(c.Context(), incidentPath(ids[0])+"/evidence", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printExhibits(answer, lines) })
		},
	}
	c.Flags().BoolVar(&lines, "lines", true, "print the lines and traces, not only how many there are")
	return c
}

func (a *cli) printExhibits(answer httpapi.ExhibitList, lines bool) {
	if len(answer.Evidence)+len(answer.Pending) == 0 {
		a.printf("Nothing is kept with this incident.\n")
	}
	for _, e := range answer.Evidence {
		what := e.Kind
		if e.Subject != "" {
			what += " " + e.Subject
		}
		a.printf("%s, when it was %s: %s\n  %s\n", printable(what), e.Moment, e.Outcome, printable(e.Says))
		if e.Budget != nil {
			a.printf("  budget left %.1f %%  %s\n", *e.Budget*100, e.Sparkline)
		}
		if !lines {
			continue
		}
		for _, l := range e.Lines {
			a.printf("  %s  %s\n", clock(l.At), printable(strings.TrimRight(l.Text, "\r\n")))
		}
		for _, t := range e.Traces {
			a.printf("  %s  %s  %s\n", clock(t.At), t.ID, printable(strings.TrimSpace(t.Service+" "+t.Name+" "+t.URL)))
		}
	}
	for _, p := range answer.Pending {
		a.printf("%s, when it was %s: still to be gathered, next try %s\n", p.Kind, p.Moment, clock(p.NextAt))
	}
}
