package account

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	api "github.com/PagerDuty/go-pagerduty"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
)

// maxTitle is the longest title that is taken over, in characters.
const maxTitle = 300

// past are the incidents that are over, ready to be taken over. When somebody acknowledged is not in PagerDuty's list of
// incidents, so it stays unknown.
func (w *writer) past() []any {
	var out []any
	for _, i := range w.account.Incidents {
		what := fmt.Sprintf("incident %d", i.IncidentNumber)
		opened, err := time.Parse(time.RFC3339, i.CreatedAt)
		resolved, ended := time.Parse(time.RFC3339, cmp.Or(i.ResolvedAt, i.LastStatusChangeAt))
		switch {
		case i.Status != "resolved":
			w.lose(what, "is %s in PagerDuty, and is not among the past ones before it is resolved", notify.Line(i.Status, 40))
		case err != nil || ended != nil || resolved.Before(opened):
			w.lose(what, "does not say when it was opened and resolved")
		default:
			out = append(out, incidents.Past{
				Source: "pagerduty", ID: i.ID, URL: notify.Link(i.HTMLURL, 2000), Service: w.serviceNames[i.Service.ID],
				Title:   cmp.Or(notify.Line(cmp.Or(i.Title, i.Description, i.Summary), maxTitle), "Incident "+i.ID),
				Summary: notify.Cut(strings.TrimSpace(i.Body.Details), 10_000), Severity: severityOf(i),
				OpenedAt: opened.UTC(), ResolvedAt: resolved.UTC(), ResolvedBy: notify.Line(i.LastStatusChangeBy.Summary, 200),
			})
		}
	}
	return out
}

// severityOf is by the priority, which people chose, else by whether it woke somebody.
func severityOf(i api.Incident) incidents.Severity {
	if i.Priority != nil {
		switch name := strings.ToUpper(i.Priority.Summary + i.Priority.Name); {
		case strings.Contains(name, "1"):
			return incidents.Critical
		case strings.Contains(name, "2"):
			return incidents.Error
		case strings.Contains(name, "3"):
			return incidents.Warning
		case strings.ContainsAny(name, "45"):
			return incidents.Info
		}
	}
	if i.Urgency == "low" {
		return incidents.Warning
	}
	return incidents.Error
}
