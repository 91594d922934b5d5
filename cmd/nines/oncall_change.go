package main

import (
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/spf13/cobra"
)

type gapsBody struct {
	Schedules []struct {
		Schedule string        `json:"schedule"`
		Gaps     []oncall.Span `json:"gaps"`
	} `json:"schedules"`
}

func (a *cli) onCallGaps() *cobra.Command {
	var f spanFlags
	c := &cobra.Command{
		Use: "gaps", Short: "List when nobody is on call in the time to come", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			from, to, err := f.span(false)
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer gapsBody
			if err := api.get(c.Context(), "/oncall/gaps", spanQuery(from, to), &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				var rows [][]string
				for _, s := range answer.Schedules {
					for _, g := range s.Gaps {
						rows = append(rows, []string{s.Schedule, clock(g.From), clock(g.To), short(g.To.Sub(g.From))})
					}
				}
				if len(rows) == 0 {
					a.printf("Somebody is on call at all times.\n")
					return
				}
				a.table([]string{"schedule", "nobody from", "to", "lasts"}, rows)
			})
		},
	}
	f.add(c, "30d")
	return c
}

func (a *cli) onCallFair() *cobra.Command {
	var f spanFlags
	var schedule string
	c := &cobra.Command{
		Use: "fair", Short: "Show the hours, nights and pages of each person", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			from, to, err := f.span(true)
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				From   time.Time     `json:"from"`
				To     time.Time     `json:"to"`
				People []oncall.Load `json:"people"`
			}
			query := spanQuery(from, to)
			if schedule != "" {
				query.Set("schedule", schedule)
			}
			if err := api.get(c.Context(), "/oncall/fairness", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				var rows [][]string
				for _, l := range answer.People {
					rows = append(rows, []string{
						l.Person, fmt.Sprintf("%.1f", l.Hours), fmt.Sprintf("%.1f", l.NightHours), fmt.Sprintf("%.1f", l.WeekendHours),
						fmt.Sprint(l.Pages), fmt.Sprint(l.NightPages), fmt.Sprintf("%.2f", l.HoursRatio),
					})
				}
				a.table([]string{"person", "hours", "night h", "weekend h", "pages", "at night", "share"}, rows)
			})
		},
	}
	f.add(c, "30d")
	c.Flags().StringVar(&schedule, "schedule", "", "only of this schedule")
	return c
}

func (a *cli) onCallOverride() *cobra.Command {
	var f spanFlags
	var wish struct {
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Add    string    `json:"add,omitempty"`
		Remove string    `json:"remove,omitempty"`
		Reason string    `json:"reason,omitempty"`
		Over   []string  `json:"over,omitempty"`
	}
	c := &cobra.Command{
		Use: "override SCHEDULE", Short: "Put somebody on or off call for a while", Args: args(cobra.ExactArgs(1)),
		Example: "  nines oncall override shop --add bea@example.com --for 4h -m 'dentist'",
		RunE: func(c *cobra.Command, names []string) (err error) {
			if wish.From, wish.To, err = f.span(false); err != nil {
				return err
			}
			var made struct {
				ID   string    `json:"id"`
				From time.Time `json:"from"`
				To   time.Time `json:"to"`
			}
			return a.postOnCall(c, schedulePath(names[0])+"/overrides", wish, &made, func() {
				a.printf("%s  %s to %s\n", made.ID, clock(made.From), clock(made.To))
			})
		},
	}
	f.add(c, "4h")
	c.Flags().StringVar(&wish.Add, "add", "", "who is on call")
	c.Flags().StringVar(&wish.Remove, "remove", "", "who is not: --add stands in for them; everybody unless given")
	c.Flags().StringVarP(&wish.Reason, "reason", "m", "", "why")
	c.Flags().StringSliceVar(&wish.Over, "over", nil, "overrides that this one may stand above")
	return c
}

func (a *cli) postOnCall(c *cobra.Command, path string, wish, answer any, people func()) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	if err := api.post(c.Context(), path, wish, answer); err != nil {
		return err
	}
	return a.show(answer, people)
}

func (a *cli) onCallEnd() *cobra.Command {
	return &cobra.Command{
		Use: "end ID", Short: "Take an override away", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			var done struct {
				ID string `json:"id"`
			}
			return a.postOnCall(c, "/overrides/"+url.PathEscape(ids[0])+"/end", struct{}{}, &done, func() { a.printf("%s  ended\n", done.ID) })
		},
	}
}

func (a *cli) onCallSwap() *cobra.Command {
	c := group("swap", "Ask somebody to take over, and answer", a.swapPropose(), a.swapList())
	for _, verb := range []struct{ use, short string }{
		{"accept", "Take over"}, {"decline", "Answer no"}, {"cancel", "Take a proposal back"},
	} {
		c.AddCommand(&cobra.Command{
			Use: verb.use + " ID", Short: verb.short, Args: args(cobra.ExactArgs(1)),
			RunE: func(c *cobra.Command, ids []string) error {
				var w oncall.Swap
				return a.postOnCall(c, "/swaps/"+url.PathEscape(ids[0])+"/"+verb.use, struct{}{}, &w, func() { a.printf("%s  %s\n", w.ID, w.State) })
			},
		})
	}
	return c
}

func (a *cli) swapPropose() *cobra.Command {
	var f spanFlags
	var wish struct {
		Taker  string      `json:"taker,omitempty"`
		Give   oncall.Span `json:"give"`
		Reason string      `json:"reason,omitempty"`
	}
	c := &cobra.Command{
		Use: "propose SCHEDULE", Short: "Ask somebody, or everybody, to take your shift", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) (err error) {
			if wish.Give.From, wish.Give.To, err = f.span(false); err != nil {
				return err
			}
			var w oncall.Swap
			return a.postOnCall(c, schedulePath(names[0])+"/swaps", wish, &w, func() { a.printf("%s  %s\n", w.ID, w.State) })
		},
	}
	f.add(c, "24h")
	c.Flags().StringVar(&wish.Taker, "to-person", "", "who is asked; everybody unless given")
	c.Flags().StringVarP(&wish.Reason, "reason", "m", "", "why")
	return c
}

func (a *cli) swapList() *cobra.Command {
	var every bool
	c := &cobra.Command{
		Use: "list", Short: "List the proposals that can be answered", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Swaps []oncall.Swap `json:"swaps"`
			}
			query := url.Values{}
			if !every {
				query.Set("open", "true")
			}
			if err := api.get(c.Context(), "/swaps", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				var rows [][]string
				for _, w := range answer.Swaps {
					rows = append(rows, []string{w.ID, w.Schedule, string(w.State), w.Asker, orMissing(w.Taker), clock(w.Give.From), clock(w.Give.To)})
				}
				a.table([]string{"id", "schedule", "state", "from", "asks", "begins", "ends"}, rows)
			})
		},
	}
	c.Flags().BoolVar(&every, "all", false, "also those that are decided")
	return c
}

func (a *cli) onCallICal() *cobra.Command {
	return group("ical", "Subscribe to calendars, and read them", a.icalLink(), a.icalImport())
}

func (a *cli) icalLink() *cobra.Command {
	var wish struct {
		Kind     string `json:"kind"`
		Schedule string `json:"schedule,omitempty"`
		Person   string `json:"person,omitempty"`
	}
	var badge bool
	c := &cobra.Command{
		Use: "link", Short: "Make a secret address of a calendar or badge", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			wish.Kind = "calendar"
			if badge {
				wish.Kind = "badge"
			}
			var made struct {
				ID       string `json:"id"`
				URL      string `json:"url"`
				Markdown string `json:"markdown,omitempty"`
			}
			return a.postOnCall(c, "/oncall/links", wish, &made, func() {
				a.printf("%s\n", made.URL)
				if made.Markdown != "" {
					a.printf("%s\n", made.Markdown)
				}
			})
		},
	}
	c.Flags().StringVar(&wish.Schedule, "schedule", "", "of this schedule")
	c.Flags().StringVar(&wish.Person, "person", "", "or of this person")
	c.Flags().BoolVar(&badge, "badge", false, "a picture that says who is on call, in place of a calendar")
	return c
}

func (a *cli) icalImport() *cobra.Command {
	var f spanFlags
	var wish struct {
		From     time.Time `json:"from"`
		To       time.Time `json:"to"`
		Calendar string    `json:"calendar"`
		Preview  bool      `json:"preview,omitempty"`
	}
	c := &cobra.Command{
		Use: "import SCHEDULE FILE", Short: "Replace the plan for a while by a calendar's shifts", Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, names []string) (err error) {
			if wish.From, wish.To, err = f.span(false); err != nil {
				return err
			}
			text, err := os.ReadFile(names[1])
			if err != nil {
				return err
			}
			wish.Calendar = string(text)
			var s struct {
				Shifts    []oncall.Shift `json:"shifts"`
				Gaps      []oncall.Span  `json:"gaps"`
				Temporary string         `json:"temporary,omitempty"`
			}
			return a.postOnCall(c, schedulePath(names[0])+"/import", wish, &s, func() {
				a.printShifts(scheduleBody{Shifts: s.Shifts, Gaps: s.Gaps, Zone: "UTC"})
				if s.Temporary != "" {
					a.printf("temporary schedule %s\n", s.Temporary)
				}
			})
		},
	}
	f.add(c, "30d")
	c.Flags().BoolVar(&wish.Preview, "preview", false, "change nothing and show what would be")
	return c
}
