package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

type alertsBody struct {
	Alerts []alerting.Alert `json:"alerts"`
}

type alertEventsBody struct {
	Events     []alerting.Event `json:"events"`
	NextCursor string           `json:"nextCursor,omitempty"`
}

func (a *cli) alertCommand() *cobra.Command {
	c := group("alert", "What fires, what keeps it from paging, and why",
		a.alertList(), a.alertShow(), a.alertHistory(), a.alertExplain())
	c.Aliases = []string{"alerts"}
	return c
}

func (a *cli) alertList() *cobra.Command {
	var all bool
	var state string
	c := &cobra.Command{
		Use: "list [MATCHER...]", Short: "List the alerts that fire now",
		Example: "  nines alert list service=shop 'alertname=~\"Disk.*\"' --state suppressed",
		RunE: func(c *cobra.Command, matchers []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"filter": matchers}
			if all {
				query.Set("all", "true")
			}
			if state != "" {
				query.Set("state", state)
			}
			var answer alertsBody
			if err := api.get(c.Context(), "/alerts", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				if len(answer.Alerts) == 0 {
					a.printf("No alert here.\n")
					return
				}
				a.printAlerts(answer.Alerts)
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also those that have ended")
	c.Flags().StringVar(&state, "state", "", "active: only those that may page; suppressed: only those that something holds")
	return c
}

func (a *cli) printAlerts(alerts []alerting.Alert) {
	now := time.Now()
	var rows [][]string
	for _, al := range alerts {
		rows = append(rows, []string{
			al.Fingerprint, alertState(al, now), ago(al.StartsAt), orMissing(al.Tenant), al.Labels["alertname"], otherLabels(al.Labels),
		})
	}
	a.table([]string{"fingerprint", "state", "since", "tenant", "alert", "labels"}, rows)
}

// alertState says in a word or two how the alert stands.
func alertState(al alerting.Alert, now time.Time) string {
	switch {
	case !al.Firing(now):
		return "ended"
	case al.Verdict == nil || !al.Verdict.Suppressed():
		return "active"
	case len(al.Verdict.SilencedBy) > 0:
		return "silenced"
	case len(al.Verdict.MutedBy) > 0:
		return "maintenance"
	}
	return "inhibited"
}

func otherLabels(labels map[string]string) string {
	var words []string
	for _, name := range sortedKeys(labels) {
		if name != "alertname" && name != "tenant" {
			words = append(words, name+"="+labels[name])
		}
	}
	return strings.Join(words, " ")
}

func (a *cli) alertShow() *cobra.Command {
	return &cobra.Command{
		Use: "show FINGERPRINT", Short: "Show one alert: its labels, what holds it, and what happened to it",
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var events alertEventsBody
			path := "/alerts/" + url.PathEscape(ids[0]) + "/history"
			if err := api.get(c.Context(), path, url.Values{"limit": {"20"}}, &events); err != nil {
				return err
			}
			var firing alertsBody
			if err := api.get(c.Context(), "/alerts", nil, &firing); err != nil {
				return err
			}
			i := slices.IndexFunc(firing.Alerts, func(al alerting.Alert) bool { return al.Fingerprint == ids[0] })
			switch {
			case i >= 0:
				return a.showAlert(firing.Alerts[i], events)
			case len(events.Events) == 0:
				return fault.New(fault.NotFound, "there is no alert %q; nines alert list shows those that fire", ids[0])
			}
			last := events.Events[0]
			return a.showAlert(alerting.Alert{
				Fingerprint: last.Fingerprint, Tenant: last.Tenant, Labels: last.Labels, StartsAt: last.StartsAt, EndsAt: last.EndsAt,
				Incident: last.Incident,
			}, events)
		},
	}
}

func (a *cli) showAlert(al alerting.Alert, events alertEventsBody) error {
	return a.show(map[string]any{"alert": al, "events": events.Events}, func() { a.printAlert(al, events) })
}

func (a *cli) printAlert(al alerting.Alert, events alertEventsBody) {
	a.printf("%s  %s\n\n", al.Fingerprint, printable(al.Labels["alertname"]))
	rows := [][2]string{{"state", alertState(al, time.Now())}, {"since", clock(al.StartsAt) + " (" + ago(al.StartsAt) + ")"}}
	if al.Verdict != nil {
		rows = append(rows, [2]string{"held by", heldBy(*al.Verdict)})
	}
	rows = append(rows, [2]string{"incident", orMissing(al.Incident)})
	for _, pairs := range []map[string]string{al.Labels, al.Annotations} {
		for _, name := range sortedKeys(pairs) {
			rows = append(rows, [2]string{name, pairs[name]})
		}
	}
	for _, row := range rows {
		a.printf("  %-13s %s\n", printable(row[0]), printable(row[1]))
	}
	a.printf("\n")
	a.printAlertEvents(events, false)
}

func heldBy(v alerting.Verdict) string {
	var words []string
	for _, by := range []struct {
		what string
		who  []string
	}{{"silence", v.SilencedBy}, {"alert", v.InhibitedBy}, {"maintenance window", v.MutedBy}} {
		for _, who := range by.who {
			words = append(words, by.what+" "+who)
		}
	}
	return strings.Join(words, ", ")
}

func (a *cli) alertHistory() *cobra.Command {
	var filter, kinds []string
	var since time.Duration
	var limit int
	var cursor string
	c := &cobra.Command{
		Use: "history [FINGERPRINT]", Short: "Show what happened to alerts, the newest first", Args: args(cobra.MaximumNArgs(1)),
		Example: "  nines alert history --filter service=shop --kind fired --since 24h",
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"filter": filter, "limit": {strconv.Itoa(limit)}}
			if len(kinds) > 0 {
				query.Set("kind", strings.Join(kinds, ","))
			}
			if cursor != "" {
				query.Set("cursor", cursor)
			}
			if since > 0 {
				query.Set("from", time.Now().Add(-since).UTC().Format(time.RFC3339))
			}
			path := "/alerts/history"
			if len(ids) == 1 {
				path = "/alerts/" + url.PathEscape(ids[0]) + "/history"
			}
			var answer alertEventsBody
			if err := api.get(c.Context(), path, query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printAlertEvents(answer, true) })
		},
	}
	f := c.Flags()
	f.StringArrayVar(&filter, "filter", nil, "only of alerts with these labels, in Alertmanager's syntax; may be given again")
	f.StringSliceVar(&kinds, "kind", nil, "only these: fired, restarted, ended, suppressed, released")
	f.DurationVar(&since, "since", 0, "only of so long ago, such as 24h")
	f.IntVar(&limit, "limit", 100, "at most this many")
	f.StringVar(&cursor, "cursor", "", "go on where an earlier page ended")
	return c
}

func (a *cli) printAlertEvents(answer alertEventsBody, whose bool) {
	if len(answer.Events) == 0 && answer.NextCursor == "" {
		a.printf("Nothing has happened here.\n")
		return
	}
	header := []string{"time", "what"}
	if whose {
		header = append(header, "fingerprint", "tenant", "alert")
	}
	var rows [][]string
	for _, e := range answer.Events {
		cells := []string{e.At.UTC().Format("01-02 15:04:05"), string(e.Kind)}
		if whose {
			cells = append(cells, e.Fingerprint, orMissing(e.Tenant), e.Labels["alertname"])
		}
		why := ""
		if e.Verdict != nil {
			why = heldBy(*e.Verdict)
		}
		rows = append(rows, append(cells, why))
	}
	a.table(append(header, "by"), rows)
	if answer.NextCursor != "" {
		a.printf("More: --cursor %s\n", answer.NextCursor)
	}
}

// readLabels reads words such as severity=critical; the first may be the alert's name alone.
func readLabels(words []string) (map[string]string, error) {
	labels := map[string]string{}
	for i, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok && i == 0 {
			name, value, ok = "alertname", word, true
		}
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("%q is not a label such as severity=critical", word)}
		}
		if _, twice := labels[name]; twice {
			return nil, usageError{fmt.Errorf("label %s is given twice", name)}
		}
		labels[name] = value
	}
	return labels, nil
}

func mergeInto(into, from map[string]string) map[string]string {
	if into == nil {
		into = map[string]string{}
	}
	maps.Copy(into, from)
	return into
}
