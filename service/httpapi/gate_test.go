package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// The world's gate decides by the change's name: freeze, approve, or anything else that may go.

var mayGo = slo.Verdict{Action: slo.Allow, Headline: "It may go."}

func (w *world) Ask(ctx context.Context, who access.Principal, c slo.Change, key string, dryRun bool) (slo.Change, error) {
	if err := w.gate(ctx); err != nil {
		return slo.Change{}, err
	}
	v := slo.Verdict{Action: slo.Allow, Headline: "It may go.", Policies: []string{"default"}, Budgets: []slo.GateBudget{}, Reasons: []slo.GateReason{}}
	if a := slo.Action(c.Ref); a.Valid() && a != slo.Allow {
		v.Action, v.Headline = a, "It must not just go."
		v.Reasons = append(v.Reasons, slo.GateReason{Action: a, Policy: "default", Text: "shop-availability has 12 % left."})
	}
	c = c.WithDefaults(who.Name)
	if dryRun {
		return c.Judged(v, time.Now()), nil
	}
	c.ID, c.Number, c.AskedBy, c.ApprovalNote = "c", 2, who.ID, key
	if c.Description == "approved" {
		now := time.Now()
		c.ApprovedAt, c.ApprovedByName, c.ApprovedFor = &now, "bo@nines.example", slo.Approve
	}
	return c.Judged(v, time.Now()), nil
}
func (w *world) ApproveChange(ctx context.Context, who access.Principal, id, _ string) (slo.Change, error) {
	return w.Change(ctx, who.Scope(), id)
}
func (w *world) FinishChange(ctx context.Context, who access.Principal, id, _ string) (slo.Change, error) {
	return w.Change(ctx, who.Scope(), id)
}
func (w *world) Changes(ctx context.Context, _ access.Scope, f slo.ChangeFilter) ([]slo.Change, error) {
	return []slo.Change{{Number: 9, Service: f.Service, Verdict: mayGo}, {Number: 8, Verdict: mayGo}}[:min(2, f.Limit)], w.gate(ctx)
}
func (w *world) Change(ctx context.Context, _ access.Scope, id string) (slo.Change, error) {
	if id != "2" {
		return slo.Change{}, fault.New(fault.NotFound, "there is no change %q", id)
	}
	return slo.Change{ID: "c", Number: 2, Service: "shop", Verdict: slo.Verdict{Action: slo.Approve}}, w.gate(ctx)
}
func (w *world) ChangesBefore(ctx context.Context, _ access.Scope, _ string) ([]slo.Preceding, error) {
	return []slo.Preceding{{Change: slo.Change{ID: "c", Number: 2, Verdict: mayGo}, Before: 12 * time.Minute}}, w.gate(ctx)
}
func (w *world) IncidentsAfter(ctx context.Context, _ access.Scope, _ string) ([]slo.Follower, error) {
	return []slo.Follower{{Number: 2, Title: "acme burns", Before: 12 * time.Minute}}, w.gate(ctx)
}

func TestTheGateAnswersWhatHolds(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	f := func(content string, status int, want ...string) {
		t.Helper()
		got := ask(t, app, post, "/api/v1/gate", content, bearer("responder"), "Idempotency-Key: job 1")
		for _, part := range want {
			if !strings.Contains(got.text, part) {
				t.Errorf("%s: no %s in %s", content, part, got.text)
			}
		}
		if got.status != status {
			t.Errorf("%s: %d %s", content, got.status, got.text)
		}
	}
	f(`{"service":"shop","change":"r118"}`, 200, `"allowed":true`, `"action":"allow"`, `"kind":"deploy"`, `"author":"responder"`, `"number":2`, `"approvalNote":"job 1"`)
	f(`{"service":"shop","change":"approve"}`, 200, `"allowed":false`, `"action":"approve"`, `"headline":"It must not just go."`, `12 % left`)
	f(`{"service":"shop","change":"approve","description":"approved"}`, 200, `"allowed":true`, `"headline":"Approved by bo@nines.example, so it may go. It must`)
	f(`{"service":"shop","change":"freeze","description":"approved","kind":"config","author":"ada","environment":"eu"}`, 200, `"allowed":false`, `"action":"freeze"`, `"kind":"config"`, `"author":"ada"`, `"environment":"eu"`)
	f(`{"service":"shop","change":"r118","dryRun":true}`, 200, `"dryRun":true`, `"number":0`)
	f(`{"service":"","change":"r118"}`, 400)
	f(`{"service":"shop"}`, 400)
	w.set(func() { w.fail = fault.New(fault.Unavailable, "the metrics engine does not answer") })
	if got := ask(t, app, post, "/api/v1/gate", `{"service":"shop","change":"r118"}`, bearer("responder")); got.status != http.StatusServiceUnavailable {
		t.Errorf("not knowing is answered %d %s", got.status, got.text)
	}
}

func TestAChangeShowsWhatFollowedAndAnIncidentWhatCameBefore(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	f := func(target, token string, status int, want string) {
		t.Helper()
		if got := ask(t, app, get, target, "", bearer(token)); got.status != status || !strings.Contains(got.text, want) {
			t.Errorf("%s: %d %s", target, got.status, got.text)
		}
	}
	f("/api/v1/changes/2", "viewer", 200, `"incidents":[{"id":"","number":2,"title":"acme burns"`)
	f("/api/v1/changes/2", "viewer", 200, `"standing":"approve"`)
	f("/api/v1/changes/3", "viewer", 404, "there is no change")
	f("/api/v1/incidents/2/changes", "viewer", 200, `"beforeSeconds":720`)
	f("/api/v1/incidents/9/changes", "viewer", 404, "there is no incident")
	f("/api/v1/changes?service=shop&since=2026-11-23T00:00:00Z", "viewer", 200, `"service":"shop"`)
	f("/api/v1/changes?sevice=shop", "viewer", 400, "sevice")
	f("/api/v1/changes?limit=2", "viewer", 200, `"nextCursor":"8"`)
	var page struct{ NextCursor string }
	if got := ask(t, app, get, "/api/v1/changes", "", bearer("viewer")); json.Unmarshal([]byte(got.text), &page) != nil || page.NextCursor != "" {
		t.Errorf("the last page leads to %q", page.NextCursor)
	}
}

func TestOnlyAnOutcomeThatIsKnownEndsAChange(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	if got := ask(t, app, post, "/api/v1/changes/2/finish", `{"outcome":"great"}`, bearer("responder")); got.status != http.StatusBadRequest {
		t.Errorf("%d %s", got.status, got.text)
	}
}
