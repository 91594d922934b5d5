package main

import (
	"net/url"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

func (a *cli) incidentsReassign() *cobra.Command {
	var policy string
	var users []string
	c := &cobra.Command{
		Use: "reassign ID...", Short: "Give incidents to another policy, or to people, and page them now", Args: args(cobra.MinimumNArgs(1)),
		Example: "nines incidents reassign 42 --to database\nnines incidents reassign 42 --user ana@example.com --user bo@example.com",
		RunE: func(c *cobra.Command, ids []string) error {
			if (policy == "") == (len(users) == 0) {
				return fault.New(fault.Invalid, "write one of --to, the name of an escalation policy, and --user, a person's e-mail address")
			}
			body := map[string]any{"users": users}
			if policy != "" {
				body = map[string]any{"policy": policy}
			}
			return a.change(c, ids, "reassign", body)
		},
	}
	c.Flags().StringVar(&policy, "to", "", "name of an escalation policy")
	c.Flags().StringSliceVar(&users, "user", nil, "e-mail address of a person; may be repeated")
	return c
}

func (a *cli) incidentsSnooze() *cobra.Command {
	var lasts time.Duration
	c := &cobra.Command{
		Use: "snooze ID...", Short: "Acknowledge incidents for a while; people are paged anew then", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			if lasts < time.Minute {
				return fault.New(fault.Invalid, "--for %s is too short; write one minute to seven days, such as --for 2h", lasts)
			}
			return a.change(c, ids, "snooze", map[string]any{"minutes": int(lasts.Minutes())})
		},
	}
	c.Flags().DurationVar(&lasts, "for", time.Hour, "how long")
	return c
}

// callsBody is the API's list of who is called.
type callsBody struct {
	Pages []struct {
		State    string    `json:"state"`
		DueAt    time.Time `json:"dueAt"`
		Person   string    `json:"person"`
		Method   string    `json:"method"`
		Target   string    `json:"target"`
		Step     int       `json:"step"`
		Loop     int       `json:"loop"`
		Fallback bool      `json:"fallback"`
	} `json:"pages"`
}

func (a *cli) incidentsCalls() *cobra.Command {
	return &cobra.Command{
		Use: "calls ID", Short: "Show who is called about an incident, by which method, and when", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer callsBody
			if err := api.get(c.Context(), incidentPath(ids[0])+"/pages", url.Values{}, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printCalls(answer) })
		},
	}
}

func (a *cli) printCalls(answer callsBody) {
	if len(answer.Pages) == 0 {
		a.printf("Nobody is called about it.\n")
		return
	}
	var rows [][]string
	for _, p := range answer.Pages {
		rows = append(rows, []string{clock(p.DueAt), p.State, orMissing(p.Person), orMissing(p.Method), p.Target})
	}
	a.table([]string{"when", "state", "who", "method", "target"}, rows)
}
