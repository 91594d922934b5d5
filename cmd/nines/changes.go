package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/slo"
	"github.com/spf13/cobra"
)

type changesBody struct {
	Changes    []httpapi.Change `json:"changes"`
	NextCursor string           `json:"nextCursor,omitempty"`
}

func (a *cli) changesCommand() *cobra.Command {
	return group("changes", "Changes that were asked for at the gate, and what followed",
		a.changesList(), a.changesShow(), a.changesApprove(), a.changesFinish())
}

func (a *cli) changesList() *cobra.Command {
	var service, cursor string
	var since time.Duration
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List changes, the newest first", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{"service": service, "cursor": cursor} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if since > 0 {
				query.Set("since", time.Now().Add(-since).UTC().Format(time.RFC3339))
			}
			var answer changesBody
			if err := api.get(c.Context(), "/changes", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printChanges(answer) })
		},
	}
	f := c.Flags()
	f.StringVar(&service, "service", "", "only of this service, and of all services")
	f.DurationVar(&since, "since", 0, "only of so long ago, such as 24h")
	f.StringVar(&cursor, "cursor", "", "go on where an earlier list ended")
	f.IntVar(&limit, "limit", 50, "at most this many")
	return c
}

func (a *cli) printChanges(answer changesBody) {
	if len(answer.Changes) == 0 {
		a.printf("No change yet. Pipelines ask with: nines gate --service S --change C\n")
		return
	}
	var rows [][]string
	for _, c := range answer.Changes {
		rows = append(rows, []string{fmt.Sprint(c.Number), ago(c.At), c.Service, c.Kind, whereIs(c), c.Author, c.Ref})
	}
	a.table([]string{"no", "asked", "service", "kind", "state", "by", "change"}, rows)
	if answer.NextCursor != "" {
		a.printf("More: --cursor %s\n", answer.NextCursor)
	}
}

// whereIs says in a word or two where a change is.
func whereIs(c httpapi.Change) string {
	switch {
	case c.Outcome != "":
		return c.Outcome
	case c.Standing == slo.Allow && c.ApprovedAt != nil:
		return "approved"
	case c.Standing == slo.Allow:
		return "allowed"
	case c.Standing == slo.Approve:
		return "needs approval"
	}
	return "frozen"
}

func changePath(id string) string { return "/changes/" + url.PathEscape(strings.TrimPrefix(id, "#")) }

func (a *cli) changesShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a change: its verdict, and the incidents that followed", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var found httpapi.Change
			if err := api.get(c.Context(), changePath(ids[0]), nil, &found); err != nil {
				return err
			}
			return a.show(found, func() { a.printChange(found) })
		},
	}
}

func (a *cli) printChange(c httpapi.Change) {
	a.printf("%d  %s %s\n", c.Number, printable(c.Kind), printable(c.Ref))
	if c.Description != "" {
		a.printf("%s\n", printable(c.Description))
	}
	a.printf("\n")
	approved := missing
	if c.ApprovedAt != nil {
		approved = clock(*c.ApprovedAt) + " by " + c.ApprovedByName
		if c.ApprovalNote != "" {
			approved += ": " + c.ApprovalNote
		}
	}
	for _, row := range [][2]string{
		{"state", whereIs(c)}, {"service", c.Service}, {"environment", orMissing(c.Environment)}, {"author", orMissing(c.Author)},
		{"asked", clock(c.At) + " by " + orMissing(c.AskedByName)}, {"verdict", c.Verdict.Headline}, {"approved", approved},
		{"began", clockOr(c.BeganAt)}, {"finished", clockOr(c.FinishedAt)},
	} {
		a.printf("  %-12s %s\n", row[0], printable(row[1]))
	}
	a.printf("\n")
	for _, r := range c.Verdict.Reasons {
		a.printf("- %s: %s\n", r.Action, printable(r.Text))
	}
	if len(c.Incidents) == 0 {
		a.printf("No incident followed.\n")
		return
	}
	var rows [][]string
	for _, i := range c.Incidents {
		rows = append(rows, []string{"#" + fmt.Sprint(i.Number), short(time.Duration(i.AfterSeconds * float64(time.Second))), i.Severity, i.State, i.Title})
	}
	a.table([]string{"incident", "after", "severity", "state", "what"}, rows)
}

func clockOr(t *time.Time) string {
	if t == nil {
		return missing
	}
	return clock(*t)
}

func (a *cli) changesApprove() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "approve ID", Short: "Agree to a change as a second person; an admin may lift a freeze with a reason", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.alterChange(c, ids[0], "approve", map[string]string{"reason": reason})
		},
	}
	c.Flags().StringVarP(&reason, "reason", "m", "", "why; needed to lift a freeze")
	return c
}

func (a *cli) changesFinish() *cobra.Command {
	return &cobra.Command{
		Use: "finish ID OUTCOME", Short: "Say how a change went: " + strings.Join(slo.Outcomes, ", "), Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, words []string) error {
			return a.alterChange(c, words[0], "finish", map[string]string{"outcome": words[1]})
		},
	}
}

func (a *cli) alterChange(c *cobra.Command, id, what string, body any) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var after httpapi.Change
	if err := api.post(c.Context(), changePath(id)+"/"+what, body, &after); err != nil {
		return err
	}
	return a.show(after, func() {
		a.printf("Change %d is %s: %s %s\n", after.Number, whereIs(after), printable(after.Kind), printable(after.Ref))
	})
}

type precedingBody struct {
	Changes []httpapi.Preceding `json:"changes"`
}

// printPreceding shows the changes that began shortly before an incident.
func (a *cli) printPreceding(before []httpapi.Preceding) {
	if len(before) == 0 {
		return
	}
	a.printf("\n")
	var rows [][]string
	for _, c := range before {
		rows = append(rows, []string{fmt.Sprint(c.Number), short(time.Duration(c.BeforeSeconds*float64(time.Second))) + " before", c.Kind, whereIs(c.Change), c.Author, c.Ref})
	}
	a.table([]string{"change", "began", "kind", "state", "by", "what"}, rows)
}
