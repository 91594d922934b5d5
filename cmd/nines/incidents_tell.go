package main

import (
	"net/url"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/spf13/cobra"
)

func (a *cli) incidentsUpdate() *cobra.Command {
	var phase string
	var public bool
	var next time.Duration
	c := &cobra.Command{
		Use: "update ID TEXT", Short: "Publish a status update: to the timeline, threads and subscribers", Args: args(cobra.ExactArgs(2)),
		Example: "nines incidents update 42 \"We are rolling back release 118.\" --phase identified --public --next 30m",
		RunE: func(c *cobra.Command, words []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			body := map[string]any{"phase": phase, "text": words[1], "public": public}
			if next > 0 {
				body["nextMinutes"] = int(next.Minutes())
			}
			var u incidents.StatusUpdate
			if err := api.post(c.Context(), incidentPath(words[0])+"/updates", body, &u); err != nil {
				return err
			}
			return a.show(u, func() { a.printUpdates([]incidents.StatusUpdate{u}) })
		},
	}
	c.Flags().StringVar(&phase, "phase", string(incidents.Investigating), "investigating, identified, monitoring, or once it is over resolved")
	c.Flags().BoolVar(&public, "public", false, "customers may read it")
	c.Flags().DurationVar(&next, "next", 0, "promise the next update in this time, such as 30m")
	return c
}

func (a *cli) incidentsUpdates() *cobra.Command {
	return &cobra.Command{
		Use: "updates ID", Short: "List the status updates of an incident, the newest first", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Updates []incidents.StatusUpdate `json:"updates"`
			}
			if err := api.get(c.Context(), incidentPath(ids[0])+"/updates", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printUpdates(answer.Updates) })
		},
	}
}

func (a *cli) printUpdates(updates []incidents.StatusUpdate) {
	if len(updates) == 0 {
		a.printf("Nobody has told how it stands.\n")
		return
	}
	for _, u := range updates {
		who := "internal"
		if u.Public {
			who = "public"
		}
		next := ""
		if u.NextAt != nil {
			next = ", next by " + clock(*u.NextAt)
		}
		a.printf("%d  %s  %s, %s, by %s%s\n   %s\n", u.Number, clock(u.At), u.Phase, who, printable(u.Name), next, printable(u.Text))
	}
}

func (a *cli) incidentsSubscribe() *cobra.Command {
	var address, service, level, of string
	var public bool
	c := &cobra.Command{
		Use: "subscribe", Short: "Be told of status updates by e-mail, or have somebody told", Args: args(cobra.NoArgs),
		Example: "nines incidents subscribe --level SEV2\nnines incidents subscribe --incident 42 --address cto@example.com",
		RunE: func(c *cobra.Command, _ []string) error {
			mildest, err := levelFlag(level)
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			body := map[string]any{"publicOnly": public}
			for name, value := range map[string]string{"address": address, "service": service, "incident": strings.TrimPrefix(of, "#")} {
				if value != "" {
					body[name] = value
				}
			}
			if mildest != 0 {
				body["level"] = mildest
			}
			var s incidents.Subscriber
			if err := api.post(c.Context(), "/subscribers", body, &s); err != nil {
				return err
			}
			return a.show(s, func() { a.printf("%s is told of %s\n", s.Address, printable(subscribedTo(s))) })
		},
	}
	f := c.Flags()
	f.StringVar(&address, "address", "", "e-mail address; yours unless set")
	f.StringVar(&of, "incident", "", "number of the only incident it is about")
	f.StringVar(&service, "service", "", "the only service it is about")
	f.StringVar(&level, "level", "", "the mildest level it is about, such as SEV2 for SEV1 and SEV2")
	f.BoolVar(&public, "public-only", false, "only what customers may read")
	return c
}

func subscribedTo(s incidents.Subscriber) string {
	what := "every incident"
	switch {
	case s.Incident != "":
		what = "one incident"
	case s.Level.Valid():
		what = "incidents up to " + s.Level.String()
	}
	if s.Service != "" {
		what += " of " + s.Service
	}
	if s.PublicOnly {
		what += ", what is public"
	}
	return what
}

func (a *cli) incidentsSubscribers() *cobra.Command {
	var of string
	c := &cobra.Command{
		Use: "subscribers", Short: "List who is told of status updates", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{}
			if of != "" {
				query.Set("incident", strings.TrimPrefix(of, "#"))
			}
			var answer struct {
				Subscribers []incidents.Subscriber `json:"subscribers"`
			}
			if err := api.get(c.Context(), "/subscribers", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				if len(answer.Subscribers) == 0 {
					a.printf("Nobody.\n")
					return
				}
				var rows [][]string
				for _, s := range answer.Subscribers {
					rows = append(rows, []string{s.ID, s.Address, subscribedTo(s)})
				}
				a.table([]string{"id", "address", "about"}, rows)
			})
		},
	}
	c.Flags().StringVar(&of, "incident", "", "those of one incident, by its number, instead of those who are told of all")
	return c
}

func (a *cli) incidentsUnsubscribe() *cobra.Command {
	return &cobra.Command{
		Use: "unsubscribe ID", Short: "End a subscription", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer map[string]any
			if err := api.post(c.Context(), "/subscribers/"+url.PathEscape(ids[0])+"/end", struct{}{}, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printf("ended\n") })
		},
	}
}
