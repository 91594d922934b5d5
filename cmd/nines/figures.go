package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/spf13/cobra"
)

func (a *cli) figuresCommand() *cobra.Command {
	query := url.Values{}
	asked := map[string]*string{}
	c := &cobra.Command{
		Use: "figures", Short: "How incidents went: MTTA, MTTR, MTBF, time to engage, pages a shift and noise", Args: args(cobra.NoArgs),
		Example: "  nines figures --by team --from 2026-03-01T00:00:00Z --zone Europe/Berlin",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			for name, value := range asked {
				if *value != "" {
					query.Set(name, *value)
				}
			}
			var answer httpapi.FiguresAnswer
			if err := api.get(c.Context(), "/figures", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printFigures(answer) })
		},
	}
	for name, about := range map[string]string{
		"by": "group by service, team or tenant", "from": "incidents opened since, in RFC 3339; 30 days before the end unless given",
		"to": "incidents opened before, in RFC 3339; now unless given", "service": "only of this service",
		"zone": "IANA zone whose nights count; UTC unless given",
	} {
		asked[name] = c.Flags().String(name, "", about)
	}
	return c
}

func (a *cli) printFigures(answer httpapi.FiguresAnswer) {
	if len(answer.Groups) == 0 {
		a.printf("No incident opened from %s to %s.\n", clock(answer.From), clock(answer.To))
		return
	}
	var rows [][]string
	for _, g := range answer.Groups {
		rows = append(rows, []string{orMissing(g.Key), strconv.Itoa(g.Incidents), spread(g.Acknowledge), spread(g.Resolve), spread(g.Engage),
			spread(g.Between), strconv.Itoa(g.Pages), strconv.Itoa(g.Sleep), pagesAShift(g.Shift), strconv.Itoa(g.Timeouts), strconv.Itoa(g.Noise)})
	}
	a.table([]string{"of", "incidents", "to ack", "to resolve", "to engage", "between", "pages", "at night", "a shift", "timeouts", "noise"}, rows)
	a.printf("Durations, and pages a shift: median / nine in ten / mean (over how many).\n")
}

// spread shows a duration's median, ninth decile and mean, and over how many it is said.
func spread(s incidents.Spread) string {
	if s.Over == 0 {
		return missing
	}
	of := func(seconds *float64) string { return short(time.Duration(*seconds * float64(time.Second))) }
	return of(s.Median) + " / " + of(s.P90) + " / " + of(s.Mean) + " (" + strconv.Itoa(s.Over) + ")"
}

// pagesAShift shows how many pages a shift got, as spread does.
func pagesAShift(s incidents.Spread) string {
	if s.Over == 0 {
		return missing
	}
	return fmt.Sprintf("%.3g / %.3g / %.3g (%d)", *s.Median, *s.P90, *s.Mean, s.Over)
}
