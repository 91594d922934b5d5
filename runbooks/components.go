package runbooks

// Component is a part of Nines that may be in trouble by itself.
type Component struct {
	Name    string
	Runbook string
	Jobs    []string // the periodic work that it does
}

// Components returns the parts of Nines, each with the runbook for when it is in trouble.
func Components() []Component {
	return []Component{
		{"supervisor, engine and PostgreSQL", "part-supervisor", []string{"watch-engine"}},
		{"backups", "part-backups", nil},
		{"definitions", "part-definitions", nil},
		{"intake", "part-intake", []string{"end-lapsed-alerts", "end-undefined-heartbeats", "watch-heartbeats", "forget-old-alerts"}},
		{"silences, inhibition and maintenance", "part-judging", []string{"judge-alerts-again", "read-corrections"}},
		{"storms", "part-storm", nil},
		{"pager, outbox and escalation", "part-pager", []string{"escalate-incidents", "audit-escalations"}},
		{"on-call", "part-oncall", []string{"watch-oncall", "look-for-gaps"}},
		{"Slack, Teams and Google Chat", "part-chats", nil},
		{"SMS and calls", "part-telephones", nil},
		{"push", "part-push", nil},
		{"paging services and webhooks", "part-paging-services", []string{"tell-changes"}},
		{"mail", "part-mail", nil},
		{"letters, status updates and reminders", "part-letters", []string{"send-letters", "chase-postmortems", "count-overdue-postmortems"}},
		{"trackers", "tracker-behind", []string{"sync-trackers", "count-tracker-lag"}},
		{"evidence and diagnostics", "part-evidence", []string{"keep-evidence", "run-diagnostics", "link-changes"}},
		{"ledger and SLA reports", "part-reports", []string{"copy-ledger", "update-budgets"}},
		{"cost budgets", "cost-budget", []string{"watch-cost-budgets"}},
		{"gate for changes", "part-gate", nil},
		{"pages and API", "part-web", []string{"forget-sessions"}},
		{"live updates", "part-streams", nil},
		{"logs, traces and metrics", "part-telemetry", nil},
	}
}

// AlertNames returns the alerts about Nines itself in the order of their file, and the runbook of each. Both are empty where
// the file cannot be read; Alerts says why.
func AlertNames() (names []string, runbookOf map[string]string) {
	file, err := readAlerts()
	runbookOf = map[string]string{}
	if err != nil {
		return nil, runbookOf
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			names = append(names, r.Alert)
			runbookOf[r.Alert] = r.Annotations["runbook"]
		}
	}
	return names, runbookOf
}
