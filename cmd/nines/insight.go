package main

import (
	"net/url"

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
	return group("capacity", "Where load is going and what it needs", a.capacityForecast(), a.capacityForecasts(), a.capacityAnomalies(), a.capacityRecommend(), a.capacitySimulate())
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
