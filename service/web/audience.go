package web

import (
	"slices"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// requireOperator returns nil for the people who run the services, in at least the role; a tenant's own people see
// what happened to their service, and change nothing about it.
func requireOperator(who access.Principal, role access.Role) error {
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "this is for the people who run the service")
	}
	return who.Require(role)
}

// forAudience leaves out of an incident what is no business of a tenant: who was paged and who did what.
func forAudience(i incidents.Incident, v viewer) incidents.Incident {
	if v.Operator {
		return i
	}
	i.Policy, i.Step, i.Loop, i.NextEscalationAt, i.RunbookURL, i.Trace = incidents.Policy{}, 0, 0, nil, "", ""
	i.AcknowledgedBy, i.ResolvedBy, i.PostmortemRequired = "", "", nil
	i.Roles, i.RatedBy, i.DeclaredBy, i.Impact, i.Phase, i.UpdateDue = nil, "", "", "", "", nil
	return i
}

// tenantKinds are the timeline's entries that tell a customer about its service.
var tenantKinds = []incidents.EventKind{
	incidents.EventOpened, incidents.EventAlertJoined, incidents.EventAlertEnded, incidents.EventSeverity,
	incidents.EventAcknowledged, incidents.EventResolved, incidents.EventMerged, incidents.EventSplit, incidents.EventReopened,
}

// eventsFor leaves out whom the operator paged, and what its people wrote and are called.
func eventsFor(events []incidents.Event, v viewer) []incidents.Event {
	if v.Operator {
		return events
	}
	var shown []incidents.Event
	for _, e := range events {
		if e.Kind == incidents.EventStatus && e.Detail["public"] == true { // written for them
			e.Actor, e.Name = "operator", ""
			shown = append(shown, e)
			continue
		}
		if !slices.Contains(tenantKinds, e.Kind) {
			continue
		}
		if !strings.HasPrefix(e.Actor, "system:") {
			e.Actor, e.Name, e.Text = "operator", "", plainWords[e.Kind]
		}
		shown = append(shown, e)
	}
	return shown
}

// plainWords say what people did without saying who or why.
var plainWords = map[incidents.EventKind]string{
	incidents.EventAcknowledged: "Acknowledged: we are working on it.", incidents.EventResolved: "Resolved.",
	incidents.EventOpened: "Opened.", incidents.EventSeverity: "Severity raised.", incidents.EventMerged: "Joined with another incident.",
	incidents.EventSplit: "A part of it goes on as an incident of its own.", incidents.EventReopened: "Opened again as a new incident.",
}
