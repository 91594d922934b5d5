package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// The world's incidents as a room: who asks for what is kept in it.

func (w *world) Declare(ctx context.Context, who access.Principal, want incidents.DeclareWish) (incidents.Incident, error) {
	if _, err := want.Declaration.Check(incidents.Matrix{}); err != nil {
		return incidents.Incident{}, err
	}
	w.mu.Lock()
	w.declared = append(w.declared, want)
	w.mu.Unlock()
	i, err := w.Incident(ctx, access.Operator(), "2")
	i.DeclaredBy, i.Roles = who.Name, map[incidents.Role]string{incidents.Commander: "ada@example.com"}
	return i, err
}

func (w *world) Rate(ctx context.Context, who access.Principal, id string, want incidents.Rating) (incidents.Incident, error) {
	i, err := w.Incident(ctx, access.Operator(), id)
	i.Level, i.RatedBy = want.Level, who.Name
	return i, err
}

func (w *world) Cast(ctx context.Context, _ access.Principal, id string, want incidents.Casting) (incidents.Incident, error) {
	if want.From == "ben@example.com" {
		return incidents.Incident{}, fault.New(fault.Conflict, "cy@example.com is commander of incident 2 already; to take over, say that it is from them")
	}
	i, err := w.Incident(ctx, access.Operator(), id)
	i.Roles = map[incidents.Role]string{want.Role: want.Person}
	return i, err
}

func (w *world) Merge(ctx context.Context, _ access.Principal, _, into, _ string) (incidents.Incident, error) {
	return w.Incident(ctx, access.Operator(), into)
}

func (w *world) Split(ctx context.Context, _ access.Principal, id string, _ []string, _, _ string) (incidents.Incident, error) {
	return w.Incident(ctx, access.Operator(), id)
}

func (w *world) Reopen(ctx context.Context, _ access.Principal, id, _ string) (incidents.Incident, error) {
	return w.Incident(ctx, access.Operator(), id)
}

func (w *world) Related(ctx context.Context, _ access.Scope, _ string) ([]incidents.Related, error) {
	return []incidents.Related{{Relation: incidents.RelationMerged, ID: "m", Number: 1, Title: "Cache", State: incidents.Resolved}}, w.gate(ctx)
}

func (w *world) AlertsOf(ctx context.Context, _ access.Scope, _ string) ([]alerting.Alert, error) {
	return []alerting.Alert{{Fingerprint: "25c2cdb12d31dc50", Labels: map[string]string{"alertname": "Down"}, Annotations: map[string]string{}}}, w.gate(ctx)
}

func (w *world) Tasks(ctx context.Context, _ access.Scope, _ string) ([]incidents.Task, error) {
	return []incidents.Task{{Number: 1, Text: "fail over", State: incidents.TaskOpen, Revision: 1}}, w.gate(ctx)
}

func (w *world) AddTask(ctx context.Context, who access.Principal, _ string, e incidents.TaskEdit) (incidents.Task, error) {
	return incidents.Task{Number: 1, Text: *e.Text, State: incidents.TaskOpen, CreatedBy: who.Name, Revision: 1}, w.gate(ctx)
}

func (w *world) EditTask(ctx context.Context, _ access.Principal, _ string, number int, e incidents.TaskEdit) (incidents.Task, error) {
	t := incidents.Task{Number: number, Text: "fail over", State: incidents.TaskOpen, Revision: 2}
	if e.State != nil {
		t.State = *e.State
	}
	return t, w.gate(ctx)
}

func (w *world) Updates(ctx context.Context, _ access.Scope, _ string) ([]incidents.StatusUpdate, error) {
	return []incidents.StatusUpdate{{Number: 1, Phase: incidents.Identified, Text: "we know", Public: true, Actor: "user:ada", Name: "ada@example.com"}}, w.gate(ctx)
}

func (w *world) Tell(ctx context.Context, who access.Principal, _ string, s incidents.Statement) (incidents.StatusUpdate, error) {
	next := time.Unix(0, 0).Add(s.NextIn)
	return incidents.StatusUpdate{Number: 2, Phase: s.Phase, Text: s.Text, Public: s.Public, NextAt: &next, Name: who.Name}, w.gate(ctx)
}

func (w *world) Subscribers(ctx context.Context, who access.Principal, id string) ([]incidents.Subscriber, error) {
	return []incidents.Subscriber{{ID: "s", Address: who.Name, Incident: id}}, w.gate(ctx)
}

func (w *world) Subscribe(ctx context.Context, who access.Principal, want incidents.Subscriber) (incidents.Subscriber, error) {
	want.ID, want.Tenant = "s", who.Tenant
	return want, w.gate(ctx)
}

func (w *world) Unsubscribe(ctx context.Context, _ access.Principal, _ string) error {
	return w.gate(ctx)
}

func (w *world) Trackers(ctx context.Context, _ access.Principal) ([]TrackerState, error) {
	return []TrackerState{{Name: "ops", Vendor: "jira", Place: "Jira example.atlassian.net, project OPS", Items: 2, Open: 1}}, w.gate(ctx)
}

func (w *world) TestTracker(ctx context.Context, _ access.Principal, _ string) (string, error) {
	return "project OPS (Operations)", w.gate(ctx)
}

func (w *world) SyncNow(ctx context.Context, _ access.Principal, _ string) (incidents.ActionItem, error) {
	return incidents.ActionItem{Number: 2, Tracker: "ops", Kind: incidents.Prevent, State: incidents.ActionOpen}, w.gate(ctx)
}
