package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// assignerOf gives the world's incidents to others.
type assignerOf struct{ w *world }

func (a assignerOf) Reassign(_ context.Context, who access.Principal, id string, to incidents.Assignment) (incidents.Incident, error) {
	return a.w.change(id, func(i *incidents.Incident) (incidents.Event, error) {
		switch {
		case to.Policy == "" && len(to.Users) == 0:
			return incidents.Event{}, fault.New(fault.Invalid, "policy, users: write one of the two")
		case to.Turn != nil && *to.Turn != i.Turn:
			return incidents.Event{}, fault.New(fault.Conflict, "assigned by somebody else")
		}
		i.Turn, i.State, i.AssignedBy = i.Turn+1, incidents.Triggered, who.Name
		return incidents.Event{Kind: incidents.EventReassigned, Actor: who.ID, Name: who.Name, Text: "Assigned to " + to.Policy + strings.Join(to.Users, " and ") + "."}, nil
	})
}

func (a assignerOf) Snooze(_ context.Context, who access.Principal, id string, until time.Time) (incidents.Incident, error) {
	return a.w.change(id, func(i *incidents.Incident) (incidents.Event, error) {
		if !until.After(a.w.now) {
			return incidents.Event{}, fault.New(fault.Invalid, "until: is over")
		}
		i.State, i.AcknowledgedBy, i.AcknowledgedAt, i.ReturnAt, i.Snoozed = incidents.Acknowledged, who.Name, at(a.w.now), &until, true
		return incidents.Event{Kind: incidents.EventSnoozed, Actor: who.ID, Name: who.Name, Text: "Snoozed."}, nil
	})
}

func (a assignerOf) Pages(_ context.Context, _ access.Scope, id string) ([]incidents.Page, error) {
	if a.w.failing != nil || a.w.empty || id != a.w.incidents[0].ID {
		return nil, a.w.failing
	}
	opened := a.w.incidents[0].OpenedAt
	sms := incidents.Target{SMS: &incidents.TwilioTarget{To: "+4915112345678"}}
	page := func(state incidents.PageState, after time.Duration, method string, t incidents.Target) incidents.Page {
		return incidents.Page{Incident: id, State: state, NextAt: opened.Add(after), Person: "ana@example.com", Method: method, Target: t, Number: 1}
	}
	return []incidents.Page{
		page(incidents.PageSent, 0, "app", incidents.Target{Ntfy: &incidents.NtfyTarget{URL: "https://ntfy.example.com/ana"}}),
		page(incidents.PagePending, 5*time.Minute, "phone", sms),
		{Incident: id, State: incidents.PageCanceled, NextAt: opened, Turn: 7, Person: "of-another-turn@example.com"},
	}, nil
}

func (a assignerOf) Policies() []string { return []string{"database", "shop"} }

func TestTheIncidentsPageSaysWhoIsCalledByWhichMethodAndWhatComesNext(t *testing.T) {
	t.Parallel()
	w := newWorld()
	i := &w.incidents[0]
	i.AutoResolveAt, i.Step = at(w.now.Add(4*time.Hour)), 1
	i.Policy.Steps = append(i.Policy.Steps, incidents.Step{Targets: []incidents.Target{{Schedule: "payments-secondary"}}})
	a := get(t, w.app(as(ada)), "/incidents/"+i.ID)
	for _, want := range []string{
		"ana@example.com", "phone: SMS to &#43;4915112345678", "will be sent", "accepted", "Its policy has it resolved",
		"whoever is on call for payments-secondary", `<option>database</option>`, `id="snooze"`,
	} {
		if !a.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if a.has("of-another-turn") {
		t.Error("the page shows who was called before paging began anew")
	}
}

func TestHandingOverAndSnoozingAnswerWithTheirOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app := w.app(as(ada))
	id := w.incidents[0].ID
	for _, c := range []struct {
		path, word string
		form       url.Values
	}{
		{"reassign", "unassigned", url.Values{}},
		{"reassign", "reassigned", url.Values{"users": {"ana@example.com, bo@example.com"}, "policy": {"shop"}, "turn": {"0"}}},
		{"reassign", "conflict", url.Values{"policy": {"shop"}, "turn": {"0"}}},
		{"snooze", "unsnoozed", url.Values{"minutes": {"-5"}}},
		{"snooze", "unsnoozed", url.Values{"minutes": {"soon"}}},
		{"snooze", "snoozed", url.Values{"minutes": {"60"}}},
	} {
		a := post(t, app, "/incidents/"+id+"/"+c.path, c.form)
		if cookie := a.Header.Get("Set-Cookie"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(cookie, flashCookie+"="+c.word+";") {
			t.Errorf("%s with %v: %d with %s", c.path, c.form, a.StatusCode, cookie)
		}
	}
	if n := len(w.events[id]); n == 0 || w.incidents[0].AssignedBy != ada.Name {
		t.Errorf("%d entries, assigned by %s", n, w.incidents[0].AssignedBy)
	}
	for _, who := range []access.Principal{{ID: "user:v", Role: access.Viewer}, {ID: "user:t", Role: access.Admin, Tenant: "acme"}} {
		app := w.app(as(who))
		if a := get(t, app, "/incidents/"+id); a.has("/reassign") || a.has("/snooze") {
			t.Errorf("%s of %q is offered to hand over", who.Role, who.Tenant)
		}
		if a := post(t, app, "/incidents/"+id+"/reassign", url.Values{"policy": {"shop"}}); a.StatusCode == http.StatusSeeOther {
			t.Errorf("%s of %q may hand over", who.Role, who.Tenant)
		}
	}
}
