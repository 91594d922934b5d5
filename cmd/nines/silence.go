package main

import (
	"net/url"
	"strings"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/spf13/cobra"
)

// silence is a silence as the API shows it.
type silence struct {
	alerting.Silence
	State alerting.SilenceState `json:"state"`
}

type silencesBody struct {
	Silences []silence `json:"silences"`
}

func (a *cli) silenceCommand() *cobra.Command {
	c := group("silence", "Keep alerts from paging for a while",
		a.silenceAdd(), a.silenceList(), a.silenceShow(), a.silenceExpire(), a.silencePreview())
	c.Aliases = []string{"silences"}
	return c
}

// wish is a silence as it is asked for.
type wish struct {
	ID       string   `json:"id,omitempty"`
	Tenant   string   `json:"tenant,omitempty"`
	Matchers []string `json:"matchers"`
	StartsAt string   `json:"startsAt,omitempty"`
	EndsAt   string   `json:"endsAt,omitempty"`
	Duration string   `json:"duration,omitempty"`
	Comment  string   `json:"comment,omitempty"`
}

func (a *cli) silenceAdd() *cobra.Command {
	var w wish
	var length string
	c := &cobra.Command{
		Use: "add MATCHER...", Short: "Silence the alerts that all matchers match", Args: args(cobra.MinimumNArgs(1)),
		Example: "  nines silence add service=shop 'alertname=~\"Disk.*\"' --for 2h --comment 'new disks'",
		RunE: func(c *cobra.Command, matchers []string) error {
			w.Matchers = matchers
			if err := w.lasts(length); err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			var made silence
			if err := api.post(c.Context(), "/silences", w, &made); err != nil {
				return err
			}
			return a.show(made, func() { a.printf("%s  %s until %s\n", made.ID, made.State, clock(made.EndsAt)) })
		},
	}
	f := c.Flags()
	f.StringVar(&length, "for", "", "how long, such as 30m, 2h or 1d; 1h unless --until is given")
	f.StringVar(&w.EndsAt, "until", "", "end in RFC 3339, in place of --for")
	f.StringVar(&w.StartsAt, "from", "", "start in RFC 3339; now unless given")
	f.StringVarP(&w.Comment, "comment", "m", "", "why; everybody who sees the alert sees it")
	f.StringVar(&w.Tenant, "tenant", "", "only for this tenant's alerts")
	f.StringVar(&w.ID, "id", "", "of a silence to change")
	return c
}

// lasts sets the duration, and refuses what is no time before anything is asked.
func (w *wish) lasts(length string) error {
	if w.EndsAt == "" && length == "" {
		length = "1h"
	}
	w.Duration = length
	if length != "" {
		var d manifest.Duration
		if err := d.UnmarshalText([]byte(length)); err != nil {
			return fault.New(fault.Invalid, "--for: %q is not a time such as 30m, 2h or 1d", length)
		}
	}
	for flag, text := range map[string]string{"until": w.EndsAt, "from": w.StartsAt} {
		if _, err := time.Parse(time.RFC3339, text); text != "" && err != nil {
			return fault.New(fault.Invalid, "--%s: %q is not a time such as 2026-11-23T22:00:00Z", flag, text)
		}
	}
	return nil
}

func (a *cli) silenceList() *cobra.Command {
	var expired bool
	c := &cobra.Command{
		Use: "list [MATCHER...]", Short: "List silences, those in force first",
		RunE: func(c *cobra.Command, matchers []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"filter": matchers}
			if expired {
				query.Set("expired", "true")
			}
			var answer silencesBody
			if err := api.get(c.Context(), "/silences", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printSilences(answer.Silences) })
		},
	}
	c.Flags().BoolVar(&expired, "expired", false, "also those that expired in the last five days")
	return c
}

func (a *cli) printSilences(all []silence) {
	if len(all) == 0 {
		a.printf("No silence. Make one: nines silence add service=shop --for 2h --comment 'new disks'\n")
		return
	}
	var rows [][]string
	for _, s := range all {
		rows = append(rows, []string{
			s.ID, string(s.State), untilWords(s), orMissing(s.Tenant), orMissing(s.CreatedBy), matcherWords(s.Matchers), s.Comment,
		})
	}
	a.table([]string{"id", "state", "time", "tenant", "by", "matchers", "comment"}, rows)
}

func untilWords(s silence) string {
	switch s.State {
	case alerting.SilencePending:
		return "in " + short(time.Until(s.StartsAt))
	case alerting.SilenceActive:
		return short(time.Until(s.EndsAt)) + " left"
	}
	return ago(s.EndsAt)
}

func matcherWords(matchers []alerting.Matcher) string {
	words := make([]string, 0, len(matchers))
	for _, m := range matchers {
		words = append(words, m.String())
	}
	return strings.Join(words, " ")
}

func silencePath(id string) string { return "/silences/" + url.PathEscape(id) }

func (a *cli) silenceShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one silence", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var s silence
			if err := api.get(c.Context(), silencePath(ids[0]), nil, &s); err != nil {
				return err
			}
			return a.show(s, func() { a.printSilence(s) })
		},
	}
}

func (a *cli) printSilence(s silence) {
	for _, row := range [][2]string{
		{"id", s.ID}, {"state", string(s.State)}, {"matchers", matcherWords(s.Matchers)},
		{"from", clock(s.StartsAt)}, {"until", clock(s.EndsAt)},
		{"tenant", orMissing(s.Tenant)}, {"by", orMissing(s.CreatedBy)}, {"comment", orMissing(s.Comment)},
	} {
		a.printf("  %-9s %s\n", row[0], printable(row[1]))
	}
}

func (a *cli) silenceExpire() *cobra.Command {
	return &cobra.Command{
		Use: "expire ID...", Short: "End silences now; what still fires pages", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			ended := []silence{}
			for _, id := range ids {
				var s silence
				if err := api.post(c.Context(), silencePath(id)+"/expire", struct{}{}, &s); err != nil {
					return err
				}
				ended = append(ended, s)
			}
			return a.show(ended, func() {
				for _, s := range ended {
					a.printf("%s  %s\n", s.ID, s.State)
				}
			})
		},
	}
}

func (a *cli) silencePreview() *cobra.Command {
	return &cobra.Command{
		Use: "preview MATCHER...", Short: "Show which alerts that fire now a silence would match", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, matchers []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer alertsBody
			if err := api.post(c.Context(), "/silences/preview", wish{Matchers: matchers}, &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				if len(answer.Alerts) == 0 {
					a.printf("It would match no alert that fires now.\n")
					return
				}
				a.printAlerts(answer.Alerts)
			})
		},
	}
}
