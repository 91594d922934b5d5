package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/spf13/cobra"
)

func (a *cli) postureCommand() *cobra.Command {
	return &cobra.Command{
		Use: "posture", Short: "Which promises are at risk now, why, and who is on it", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var p httpapi.Posture
			if err := api.get(c.Context(), "/intelligence/posture", nil, &p); err != nil {
				return err
			}
			return a.show(p, func() { a.printPosture(p) })
		},
	}
}

func (a *cli) printPosture(p httpapi.Posture) {
	a.printf("%s\n", printable(p.Headline))
	for _, m := range p.Missing {
		a.printf("! %s\n", printable(m))
	}
	for _, r := range p.AtRisk {
		a.printf("\n%s for %s\n  %s\n", r.SLO, labelText(r.Labels), printable(r.Why))
		for _, i := range r.Incidents {
			who := i.Who
			if who == "" {
				who = "nobody has acknowledged it"
			}
			a.printf("  #%d %s, %s: %s\n", i.Number, i.Severity, i.State, printable(who))
		}
	}
}

func (a *cli) capacityCommand() *cobra.Command {
	return group("capacity", "Where load is going and what it needs", a.capacityForecast(), a.capacityRecommend())
}

func (a *cli) capacityForecast() *cobra.Command {
	var horizon, step, history, limit string
	var level float64
	c := &cobra.Command{
		Use: "forecast QUERY", Short: "Forecast any PromQL with an interval and the time a limit is reached", Args: args(cobra.ExactArgs(1)),
		Example: "  nines capacity forecast 'sum(rate(http_requests_total{job=\"shop\"}[5m]))' --horizon 1h --history 6h --step 1m --limit 200",
		RunE: func(c *cobra.Command, queries []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"query": {queries[0]}, "horizon": {horizon}, "step": {step}, "history": {history},
				"level": {strconv.FormatFloat(level, 'g', -1, 64)}}
			if limit != "" {
				query.Set("limit", limit)
			}
			var answer httpapi.ForecastAnswer
			if err := api.get(c.Context(), "/capacity/forecast", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printForecast(answer, limit) })
		},
	}
	f := c.Flags()
	f.StringVar(&horizon, "horizon", "1d", "how far ahead")
	f.StringVar(&step, "step", "15m", "distance of two points")
	f.StringVar(&history, "history", "14d", "how far back to look")
	f.StringVar(&limit, "limit", "", "value whose reaching is predicted")
	f.Float64Var(&level, "level", 0.9, "of the interval: 0.9 means that nine in ten values should fall into it")
	return c
}

// mostRows keeps a printed forecast on one screen.
const mostRows = 12

func (a *cli) printForecast(answer httpapi.ForecastAnswer, limit string) {
	for _, s := range answer.Series {
		a.printf("%s\n", orMissing(labelText(s.Labels)))
		season := s.Season
		if season == "" {
			season = "none"
		}
		a.printf("method %s, season %s, from %d points covering %s of the history\n\n", s.Method, season, s.History, percent(s.Coverage))
		var rows [][]string
		every := max(1, (len(s.Points)+mostRows-1)/mostRows)
		for i := every - 1; i < len(s.Points); i += every {
			p := s.Points[i]
			rows = append(rows, []string{clock(p.At), fmt.Sprintf("%.4g", p.Lower), fmt.Sprintf("%.4g", p.Mean), fmt.Sprintf("%.4g", p.Upper)})
		}
		a.table([]string{"at", fmt.Sprintf("lower %g %%", answer.Level*100), "expected", fmt.Sprintf("upper %g %%", answer.Level*100)}, rows)
		if limit != "" {
			a.printf("\n%s\n", reached(limit, s))
		}
	}
}

// reached says when the limit is met: expected, and by the interval's bounds.
func reached(limit string, s httpapi.ForecastSeries) string {
	if s.Mean == nil && s.Earliest == nil && s.Latest == nil {
		return limit + " is not reached within the horizon."
	}
	return fmt.Sprintf("%s is reached %s; at the earliest %s, at the latest %s.", limit, when(s.Mean), when(s.Earliest), when(s.Latest))
}

func when(t *time.Time) string {
	if t == nil {
		return "not within the horizon"
	}
	return clock(*t)
}

func (a *cli) capacityRecommend() *cobra.Command {
	return &cobra.Command{
		Use: "recommend WORKLOAD", Short: "Recommend replicas for a workload; a dry run, recorded with its reason", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var d autoscale.Decision
			if err := api.post(c.Context(), "/capacity/recommendations/"+url.PathEscape(names[0]), struct{}{}, &d); err != nil {
				return err
			}
			return a.show(d, func() {
				a.printf("%s: %d replicas now, %d recommended (%s, dry run)\n%s\n", d.Workload, d.Current, d.Desired, d.Action, printable(d.Reason))
			})
		},
	}
}
