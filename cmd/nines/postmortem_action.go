package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

// actionItem is an action item as the API shows it.
type actionItem struct {
	incidents.ActionItem
	Overdue bool `json:"overdue"`
}

func (a *cli) actionCommand() *cobra.Command {
	return group("action", "What was agreed on after incidents, and whether it is done",
		a.actionList(), a.actionAdd(), a.actionEdit(), a.actionDone(), a.actionDrop(), a.actionSync())
}

func (a *cli) actionList() *cobra.Command {
	var owner, service, state, postmortem string
	var overdue bool
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List action items, open ones first, by when they are due", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := queryOf(map[string]string{"owner": owner, "service": service, "state": state, "postmortem": postmortem, "limit": strconv.Itoa(limit)})
			if overdue {
				query.Set("overdue", "true")
			}
			var answer struct {
				Items []actionItem `json:"items"`
			}
			if err := api.get(c.Context(), "/action-items", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printActions(answer.Items) })
		},
	}
	f := c.Flags()
	f.StringVar(&owner, "owner", "", "only this person's")
	f.StringVar(&service, "service", "", "only of this service")
	f.StringVar(&state, "state", "", "open, done or dropped")
	f.StringVar(&postmortem, "postmortem", "", "only of this postmortem")
	f.BoolVar(&overdue, "overdue", false, "only open ones whose day has passed")
	f.IntVar(&limit, "limit", 100, "at most this many")
	return c
}

func (a *cli) printActions(items []actionItem) {
	if len(items) == 0 {
		a.printf("No action items.\n")
		return
	}
	var rows [][]string
	for _, i := range items {
		state := string(i.State)
		if i.SyncError != "" {
			state += ", not synced: " + i.SyncError
		}
		rows = append(rows, []string{fmt.Sprint(i.Number), state, dueText(i.DueAt, !i.Overdue), orMissing(i.Owner), string(i.Kind), orMissing(i.TrackerKey), i.Title})
	}
	a.table([]string{"no", "state", "due", "owner", "kind", "ticket", "title"}, rows)
}

// actionFlags is an action item as the command line says it.
type actionFlags struct {
	kind, owner, due, tracker, title string
}

func (f *actionFlags) on(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.kind, "kind", "", "prevent, detect, mitigate or process")
	flags.StringVar(&f.owner, "owner", "", "e-mail of who does it")
	flags.StringVar(&f.due, "due", "", "day, 2026-12-01, or a time")
	flags.StringVar(&f.tracker, "tracker", "", "name of the tracker that keeps it as well")
}

// body returns what the API takes: only what was said.
func (f *actionFlags) body(c *cobra.Command) (map[string]any, error) {
	body := map[string]any{}
	for name, value := range map[string]string{"kind": f.kind, "owner": f.owner, "tracker": f.tracker, "title": f.title} {
		if flag := c.Flags().Lookup(name); value != "" || flag != nil && flag.Changed {
			body[name] = value
		}
	}
	if f.due != "" {
		due, err := dayOrTime(f.due)
		if err != nil {
			return nil, err
		}
		body["dueAt"] = due
	}
	return body, nil
}

// dayOrTime reads a time; a day alone is its end in UTC.
func dayOrTime(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Add(24*time.Hour - time.Second), nil
	}
	at, err := parseTime("due", text, time.Now().UTC())
	if err != nil {
		return at, fault.New(fault.Invalid, "--due %q is not a day such as 2026-12-01", text)
	}
	return at, nil
}

func (a *cli) actionAdd() *cobra.Command {
	f := &actionFlags{}
	c := &cobra.Command{
		Use: "add POSTMORTEM TITLE", Short: "Add something to be done", Args: args(cobra.ExactArgs(2)),
		Example: "  nines action add 7 \"Test the restore every week\" --owner ada@example.com --due 2026-12-01 --kind detect",
		RunE: func(c *cobra.Command, words []string) error {
			f.title = words[1]
			body, err := f.body(c)
			if err != nil {
				return err
			}
			body["postmortem"] = words[0]
			return a.changeAction(c, http.MethodPost, "/action-items", body)
		},
	}
	f.on(c)
	return c
}

func (a *cli) actionEdit() *cobra.Command {
	f := &actionFlags{}
	c := &cobra.Command{
		Use: "edit ID", Short: "Change an action item; what is not named stays as it is", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			body, err := f.body(c)
			if err != nil {
				return err
			}
			return a.changeAction(c, http.MethodPatch, actionPath(ids[0]), body)
		},
	}
	f.on(c)
	c.Flags().StringVar(&f.title, "title", "", "what is to be done")
	return c
}

func actionPath(id string) string { return "/action-items/" + url.PathEscape(id) }

func (a *cli) actionDone() *cobra.Command {
	return &cobra.Command{
		Use: "done ID", Short: "Say that it is done", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.changeAction(c, http.MethodPatch, actionPath(ids[0]), map[string]string{"state": "done"})
		},
	}
}

func (a *cli) actionSync() *cobra.Command {
	return &cobra.Command{
		Use: "sync ID", Short: "Tell its tracker and ask what became of the ticket, at once", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.changeAction(c, http.MethodPost, actionPath(ids[0])+"/sync", struct{}{})
		},
	}
}

func (a *cli) actionDrop() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "drop ID --reason TEXT", Short: "Say that it will not be done, and why", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.changeAction(c, http.MethodPatch, actionPath(ids[0]), map[string]string{"state": "dropped", "reason": reason})
		},
	}
	c.Flags().StringVarP(&reason, "reason", "m", "", "why it will not be done")
	needs(c, "reason")
	return c
}

func (a *cli) changeAction(c *cobra.Command, method, path string, body any) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var item actionItem
	if err := api.do(c.Context(), method, path, body, &item); err != nil {
		return err
	}
	return a.show(item, func() { a.printf("Action item %d is %s: %s\n", item.Number, item.State, printable(item.Title)) })
}
