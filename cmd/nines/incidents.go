package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

// incident is an incident as the API shows it.
type incident struct {
	incidents.Incident
	PolicyName string `json:"policyName"`
}

type incidentsBody struct {
	Incidents  []incident `json:"incidents"`
	NextCursor string     `json:"nextCursor,omitempty"`
}

func (a *cli) incidentsCommand() *cobra.Command {
	c := group("incidents", "What is wrong, who is on it, and what was done",
		a.incidentsList(), a.incidentsShow(), a.incidentsAck(), a.incidentsEscalate(), a.incidentsResolve(), a.incidentsNote(), a.incidentsPostmortem(),
		a.incidentsReassign(), a.incidentsSnooze(), a.incidentsCalls(),
		a.incidentsDeclare(), a.incidentsRate(), a.incidentsRole(), a.incidentsMerge(), a.incidentsSplit(), a.incidentsReopen(),
		a.incidentsTasks(), a.incidentsUpdate(), a.incidentsUpdates(), a.incidentsSubscribe(), a.incidentsSubscribers(), a.incidentsUnsubscribe(),
		a.incidentsEvidence())
	c.Aliases = []string{"incident"}
	return c
}

func (a *cli) incidentsList() *cobra.Command {
	var all bool
	var service, sloID, cursor string
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List open incidents, the newest first", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if !all {
				query["state"] = []string{"triggered,acknowledged"}
			}
			for name, value := range map[string]string{"service": service, "slo": sloID, "cursor": cursor} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var answer incidentsBody
			if err := api.get(c.Context(), "/incidents", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printIncidents(answer, all) })
		},
	}
	f := c.Flags()
	f.BoolVar(&all, "all", false, "resolved ones too")
	f.StringVar(&service, "service", "", "only of this service")
	f.StringVar(&sloID, "slo", "", "only of this SLO")
	f.StringVar(&cursor, "cursor", "", "go on where an earlier list ended")
	f.IntVar(&limit, "limit", 50, "at most this many")
	return c
}

func (a *cli) printIncidents(answer incidentsBody, all bool) {
	if len(answer.Incidents) == 0 {
		if all {
			a.printf("No incident yet.\n")
			return
		}
		a.printf("No open incident. All of them: nines incidents list --all\n")
		return
	}
	var rows [][]string
	for _, i := range answer.Incidents {
		rows = append(rows, []string{"#" + fmt.Sprint(i.Number), orMissing(i.Level.String()), string(i.Severity), string(i.State), ago(i.OpenedAt), orMissing(i.Tenant), whoIsOn(i), i.Title})
	}
	a.table([]string{"no", "level", "severity", "state", "opened", "tenant", "who", "what"}, rows)
	if answer.NextCursor != "" {
		a.printf("More: --cursor %s\n", answer.NextCursor)
	}
}

func whoIsOn(i incident) string {
	switch {
	case i.State == incidents.Resolved:
		return orMissing(i.ResolvedBy)
	case i.AcknowledgedBy != "":
		return i.AcknowledgedBy
	case i.Held != "":
		return "held: " + i.Held
	case i.NextEscalationAt != nil:
		return "paging " + i.PolicyName
	default:
		return "nobody"
	}
}

func orMissing(s string) string {
	if s == "" {
		return missing
	}
	return s
}

func (a *cli) incidentsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one incident with its timeline", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var i incident
			if err := api.get(c.Context(), incidentPath(ids[0]), nil, &i); err != nil {
				return err
			}
			var timeline struct {
				Events []incidents.Event `json:"events"`
			}
			if err := api.get(c.Context(), incidentPath(ids[0])+"/timeline", nil, &timeline); err != nil {
				return err
			}
			var before precedingBody
			if err := api.get(c.Context(), incidentPath(ids[0])+"/changes", nil, &before); err != nil && !fault.Is(err, fault.Forbidden) { // not for tenants
				return err
			}
			return a.show(map[string]any{"incident": i, "timeline": timeline.Events, "changes": before.Changes}, func() {
				a.printIncident(i, timeline.Events)
				a.printPreceding(before.Changes)
			})
		},
	}
}

func (a *cli) printIncident(i incident, timeline []incidents.Event) {
	a.printf("#%d  %s\n", i.Number, printable(i.Title))
	if i.Summary != "" {
		a.printf("%s\n", printable(i.Summary))
	}
	a.printf("\n")
	budget := missing
	if i.BudgetSpent != nil {
		budget = percent(*i.BudgetSpent) + " of the window's error budget"
	}
	for _, row := range [][2]string{
		{"state", string(i.State)}, {"severity", string(i.Severity)}, {"who", whoIsOn(i)}, {"tenant", orMissing(i.Tenant)},
		{"service", orMissing(i.Service)}, {"slo", orMissing(i.SLO)}, {"budget spent", budget},
		{"opened", clock(i.OpenedAt) + " (" + ago(i.OpenedAt) + ")"}, {"runbook", orMissing(i.RunbookURL)},
	} {
		a.printf("  %-14s %s\n", row[0], printable(row[1]))
	}
	for _, row := range roomRows(i) {
		a.printf("  %-14s %s\n", row[0], printable(row[1]))
	}
	if r := i.PostmortemRequired; r != nil {
		a.printf("  %-14s %s\n", "postmortem", "required: "+printable(r.Reason))
	}
	a.printf("\n")
	for _, e := range timeline {
		a.printf("  %s  %s\n", e.At.UTC().Format("01-02 15:04:05"), printable(e.Text))
	}
}

func incidentPath(id string) string {
	return "/incidents/" + url.PathEscape(strings.TrimPrefix(id, "#"))
}

func (a *cli) incidentsAck() *cobra.Command {
	return &cobra.Command{
		Use: "ack ID...", Short: "Say that you have it: escalation stops", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error { return a.change(c, ids, "acknowledge", struct{}{}) },
	}
}

func (a *cli) incidentsEscalate() *cobra.Command {
	return &cobra.Command{
		Use: "escalate ID...", Short: "Page the next step of the policy at once", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error { return a.change(c, ids, "escalate", struct{}{}) },
	}
}

func (a *cli) incidentsResolve() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "resolve ID...", Short: "Say that it is over", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.change(c, ids, "resolve", map[string]string{"reason": reason})
		},
	}
	c.Flags().StringVarP(&reason, "reason", "m", "", "what ended it; it goes onto the timeline")
	return c
}

func (a *cli) incidentsNote() *cobra.Command {
	return &cobra.Command{
		Use: "note ID TEXT", Short: "Write a note onto the timeline", Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, words []string) error {
			return a.change(c, words[:1], "notes", map[string]string{"text": words[1]})
		},
	}
}

func (a *cli) change(c *cobra.Command, ids []string, what string, body any) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var changed []incident
	for _, id := range ids {
		var i incident
		if err := api.post(c.Context(), incidentPath(id)+"/"+what, body, &i); err != nil {
			return err
		}
		changed = append(changed, i)
	}
	return a.show(changed, func() {
		for _, i := range changed {
			a.printf("#%d is %s (%s): %s\n", i.Number, i.State, printable(whoIsOn(i)), printable(i.Title))
		}
	})
}

func (a *cli) incidentsPostmortem() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "postmortem ID", Short: "Draft a postmortem in Markdown from the timeline and the ledger", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var draft []byte
			if err := api.get(c.Context(), incidentPath(ids[0])+"/postmortem", nil, &draft); err != nil {
				return err
			}
			if output == "" {
				return a.show(map[string]string{"markdown": string(draft)}, func() { a.printf("%s", draft) })
			}
			if err := os.WriteFile(output, draft, 0o644); err != nil {
				return fault.Wrap(fault.Invalid, err, "write the draft")
			}
			a.printf("wrote %s\n", output)
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "file to write to")
	return c
}
