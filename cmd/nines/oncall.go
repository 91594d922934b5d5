package main

import (
	"net/url"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/spf13/cobra"
)

// onCallNow is who is on call for one schedule, as the API shows it.
type onCallNow struct {
	Schedule    string        `json:"schedule"`
	Description string        `json:"description,omitempty"`
	Zone        string        `json:"zone"`
	People      []string      `json:"people"`
	Until       *time.Time    `json:"until"`
	Next        *oncall.Shift `json:"next"`
}

type onCallBody struct {
	At        time.Time   `json:"at"`
	Schedules []onCallNow `json:"schedules"`
}

type scheduleBody struct {
	Name   string         `json:"name"`
	Zone   string         `json:"zone"`
	From   time.Time      `json:"from"`
	To     time.Time      `json:"to"`
	People []string       `json:"people"`
	Shifts []oncall.Shift `json:"shifts"`
	Gaps   []oncall.Span  `json:"gaps"`
}

func (a *cli) onCallCommand() *cobra.Command {
	var person string
	c := &cobra.Command{
		Use: "oncall", Short: "Say who is on call, and change that", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.whoIsOnCall(c, person, "") },
	}
	c.Flags().StringVar(&person, "person", "", "only the schedules that this person is on call for")
	c.AddCommand(a.onCallNext(), a.onCallShow(), a.onCallGaps(), a.onCallFair(), a.onCallOverride(), a.onCallEnd(), a.onCallSwap(), a.onCallICal())
	return c
}

func (a *cli) whoIsOnCall(c *cobra.Command, person, schedule string) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var answer onCallBody
	query := url.Values{}
	if person != "" {
		query.Set("person", person)
	}
	if err := api.get(c.Context(), "/oncall", query, &answer); err != nil {
		return err
	}
	if schedule != "" {
		kept := []onCallNow{}
		for _, s := range answer.Schedules {
			if s.Schedule == schedule {
				kept = append(kept, s)
			}
		}
		if answer.Schedules = kept; len(kept) == 0 {
			return fault.New(fault.NotFound, "there is no schedule %q", schedule)
		}
	}
	return a.show(answer, func() { a.printOnCall(answer) })
}

func (a *cli) printOnCall(answer onCallBody) {
	if len(answer.Schedules) == 0 {
		a.printf("No schedule. Apply a document of the kind Schedule.\n")
		return
	}
	var rows [][]string
	for _, s := range answer.Schedules {
		until, next := missing, missing
		if s.Until != nil {
			until = inZone(*s.Until, s.Zone)
		}
		if s.Next != nil {
			next = s.Next.Person + " from " + inZone(s.Next.From, s.Zone)
		}
		people := strings.Join(s.People, ", ")
		if people == "" {
			people = "NOBODY"
		}
		rows = append(rows, []string{s.Schedule, people, until, next})
	}
	a.table([]string{"schedule", "on call", "until", "next"}, rows)
}

// inZone shows a time by the clock that people of a schedule read.
func inZone(t time.Time, zone string) string {
	where, err := time.LoadLocation(zone)
	if err != nil {
		where = time.UTC
	}
	return t.In(where).Format("Mon 2006-01-02 15:04 MST")
}

func (a *cli) onCallNext() *cobra.Command {
	return &cobra.Command{
		Use: "next SCHEDULE", Short: "Say who is on call next, and when", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) error { return a.whoIsOnCall(c, "", names[0]) },
	}
}

// spanFlags are the times that a command is about.
type spanFlags struct{ from, to, length string }

func (f *spanFlags) add(c *cobra.Command, usual string) {
	c.Flags().StringVar(&f.from, "from", "", "start in RFC 3339; now unless given")
	c.Flags().StringVar(&f.to, "to", "", "end in RFC 3339, in place of --for")
	c.Flags().StringVar(&f.length, "for", usual, "how long, such as 4h, 7d or 30d")
}

// span returns both times; back lets the span end now unless a start is given.
func (f *spanFlags) span(back bool) (from, to time.Time, err error) {
	now := time.Now().UTC().Truncate(time.Second)
	read := func(flag, text string, at *time.Time) {
		if text != "" && err == nil {
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				err = fault.New(fault.Invalid, "--%s: %q is not a time such as 2026-11-23T22:00:00Z", flag, text)
			}
		}
	}
	read("from", f.from, &from)
	read("to", f.to, &to)
	var length manifest.Duration
	if e := length.UnmarshalText([]byte(f.length)); err == nil && (e != nil || length <= 0) {
		err = fault.New(fault.Invalid, "--for: %q is not a time such as 4h or 7d", f.length)
	}
	switch {
	case err != nil:
		return from, to, err
	case f.from == "" && back && f.to == "":
		from = now.Add(-length.Std())
	case f.from == "":
		from = now
	}
	if f.to == "" {
		to = from.Add(length.Std())
	}
	if !to.After(from) {
		err = fault.New(fault.Invalid, "--to: must be after --from")
	}
	return from, to, err
}

func spanQuery(from, to time.Time) url.Values {
	return url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}}
}

func schedulePath(name string) string { return "/schedules/" + url.PathEscape(name) }

func (a *cli) onCallShow() *cobra.Command {
	var f spanFlags
	c := &cobra.Command{
		Use: "show SCHEDULE", Short: "List the shifts of a schedule and its gaps", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) error {
			from, to, err := f.span(false)
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			var s scheduleBody
			if err := api.get(c.Context(), schedulePath(names[0]), spanQuery(from, to), &s); err != nil {
				return err
			}
			return a.show(s, func() { a.printShifts(s) })
		},
	}
	f.add(c, "14d")
	return c
}

func (a *cli) printShifts(s scheduleBody) {
	var rows [][]string
	for _, shift := range s.Shifts {
		why := shift.Layer
		switch {
		case shift.Override != "":
			why = "override " + shift.Override
		case shift.Temporary != "":
			why = "temporary " + shift.Temporary
		}
		rows = append(rows, []string{shift.Person, inZone(shift.From, s.Zone), inZone(shift.To, s.Zone), why})
	}
	a.table([]string{"person", "from", "to", "by"}, rows)
	for _, g := range s.Gaps {
		a.printf("NOBODY from %s to %s\n", inZone(g.From, s.Zone), inZone(g.To, s.Zone))
	}
}
