package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
)

// runbooksOf are the world's, of which there is one.
type runbooksOf struct{ w *world }

func (r runbooksOf) Pages() []runbooks.Page {
	return []runbooks.Page{{Name: "error-budget-burn", Title: "The budget burns", Alerts: []string{"ShopAvailabilityBurn"}, Owner: "team-shop", Steps: []runbooks.Step{
		{Name: "ratio", Title: "Is it real?", Language: runbooks.PromQL},
		{Name: "drain", Title: "Drain the region", Language: runbooks.HTTP, Changes: true},
		{Name: "flush", Title: "Flush the cache", Language: runbooks.HTTP, Changes: true, Alone: true}}}}
}

func (r runbooksOf) RunbookOf(i incidents.Incident) (runbooks.Page, bool) {
	return r.Pages()[0], i.Number == 42 && !r.w.empty
}

func (r runbooksOf) RunStep(_ context.Context, who access.Principal, runbook, step, incident string) (runbooks.Run, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.together.did = append(r.w.together.did, fmt.Sprintf("%s runs %s of %s for %s", who.Name, step, runbook, incident))
	switch step {
	case "drain":
		return runbooks.Run{Outcome: runbooks.Waiting}, nil
	case "shell":
		return runbooks.Run{}, fault.New(fault.Forbidden, "the command is not allowed here")
	}
	return runbooks.Run{Outcome: runbooks.OK}, nil
}

func (r runbooksOf) Runs(_ context.Context, _ access.Principal, _, _ string, _ int) ([]runbooks.Run, error) {
	if r.w.empty {
		return nil, nil
	}
	soon, now := r.w.now.Add(9*time.Minute), r.w.now
	return []runbooks.Run{
		{ID: "r3", Runbook: "error-budget-burn", Step: "drain", Outcome: runbooks.Waiting, By: "user:other", ByName: "linus@example.com", Asked: "POST /drain/eu-west", BeganAt: now, ExpiresAt: &soon},
		{ID: "r2", Runbook: "error-budget-burn", Step: "flush", Outcome: runbooks.Failed, By: ada.ID, ByName: ada.Name, Error: "the data source answered 503", BeganAt: now.Add(-time.Minute), Took: time.Second},
		{ID: "r1", Runbook: "error-budget-burn", Step: "ratio", Outcome: runbooks.OK, By: "system:diagnostics", Output: "<script>alert(1)</script> 0.0142", Truncated: true, BeganAt: now.Add(-2 * time.Minute)},
	}, r.w.failing
}

func (r runbooksOf) Approve(_ context.Context, who access.Principal, id string) (runbooks.Run, error) {
	if id == "r9" {
		return runbooks.Run{}, fault.New(fault.Conflict, "linus@example.com has approved it already")
	}
	return runbooks.Run{ID: id, Outcome: runbooks.OK, ApprovedName: who.Name}, nil
}

func (r runbooksOf) Deny(_ context.Context, _ access.Principal, id, _ string) (runbooks.Run, error) {
	return runbooks.Run{ID: id, Outcome: runbooks.Denied}, nil
}

func TestAnIncidentsPageRunsItsRunbook(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app, id := w.app(as(ada)), w.incidents[0].ID
	a := get(t, app, "/incidents/"+id)
	for _, want := range []string{
		"Is it real?", "Ask for approval", "Confirm and run", "POST /drain/eu-west", `id="approve-r3"`, "the data source answered 503", "by itself",
		"&lt;script&gt;alert(1)&lt;/script&gt; 0.0142", "There was more than is kept.", `href="/runbooks/error-budget-burn"`,
	} {
		if !a.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, c := range []struct {
		path, word string
		form       url.Values
	}{
		{"steps", "ran", url.Values{"runbook": {"error-budget-burn"}, "step": {"ratio"}}},
		{"steps", "asked", url.Values{"runbook": {"error-budget-burn"}, "step": {"drain"}}},
		{"steps", "not-run", url.Values{"runbook": {"error-budget-burn"}, "step": {"shell"}}},
		{"runs/r3/approve", "ran", nil}, {"runs/r9/approve", "conflict", nil}, {"runs/r3/deny", "denied", nil},
	} {
		a := post(t, app, "/incidents/"+id+"/"+c.path, c.form)
		if cookie := a.Header.Get("Set-Cookie"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(cookie, flashCookie+"="+c.word+";") {
			t.Errorf("%s with %v: %d with %s", c.path, c.form, a.StatusCode, cookie)
		}
		for _, who := range []access.Principal{vic, acme} {
			if a := post(t, w.app(as(who)), "/incidents/"+id+"/"+c.path, c.form); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s of %q may: %s %d", who.Role, who.Tenant, c.path, a.StatusCode)
			}
		}
	}
	if !slices.Contains(w.together.did, "ada@example.com runs ratio of error-budget-burn for "+id) {
		t.Errorf("did %q", w.together.did)
	}
	if a := get(t, w.app(as(acme)), "/incidents/"+id); a.has("Is it real?") || a.has("0.0142") {
		t.Error("a tenant's person sees what steps found")
	}
	if a := get(t, w.app(as(vic)), "/incidents/"+id); !a.has("Is it real?") || a.has(`id="approve-r3"`) || a.has(`id="step-ratio"`) {
		t.Error("a viewer sees less, or may run something")
	}
	if a := get(t, app, "/runbooks"); !a.has("The budget burns") || !a.has("ShopAvailabilityBurn") || !a.has("steps</span>") || !a.has("waiting") {
		t.Errorf("the list: %s", a.body)
	}
}
