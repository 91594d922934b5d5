package service

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/service/httpapi"
)

const stepsOfShop = "apiVersion: nines/v1\nkind: Runbook\nmetadata: {name: shop}\nspec:\n  alerts: [ShopSlow]\n  text: |\n" +
	"    # Shop\n    ```promql step=ratio on=open\n    up{region=\"{{ labels.region }}\"}\n    ```\n" +
	"    ```http step=restart source=api changes=true approval=self\n    POST /restart\n    ```\n    ```http step=drain source=api changes=true\n    POST /drain/{{ labels.region or \"all\" }}\n    ```\n" +
	"---\napiVersion: nines/v1\nkind: DataSource\nmetadata: {name: api}\nspec: {type: http, url: 'URL', write: true}\n"

func planeOfShop(t *testing.T, url string) *plane {
	t.Helper()
	p, _ := stored(t, strings.Replace(stepsOfShop, "URL", url, 1))
	return p
}

func TestAStepThatChangesSomethingRunsOnlyConfirmedAndAgainstAnAllowedHost(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer api.Close()
	p := planeOfShop(t, api.URL)
	who := access.Principal{ID: "user:re", Name: "rea@nines.example", Role: access.Responder}
	wish := httpapi.RunWish{Runbook: "shop", Step: "restart"}
	if _, err := (runner{p}).Run(t.Context(), who, wish); !fault.Is(err, fault.Conflict) {
		t.Errorf("unconfirmed: %v", err)
	}
	wish.Confirm = true
	run, err := runner{p}.Run(t.Context(), who, wish)
	if err != nil || run.Outcome != runbooks.Failed || asked.Load() != 0 {
		t.Errorf("a host that is not allowed: %+v, %v, asked %d times", run, err, asked.Load())
	}
	p.config.RunbookHosts = api.Listener.Addr().String()
	run, err = runner{p}.Run(t.Context(), who, wish)
	if err != nil || run.Outcome != runbooks.OK || !run.Confirmed || asked.Load() != 1 {
		t.Errorf("%+v, %v, asked %d times", run, err, asked.Load())
	}
	if _, err := (runner{p}).Run(t.Context(), access.Principal{ID: "user:v", Role: access.Viewer}, wish); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a viewer: %v", err)
	}
}

func TestAStepThatLacksAValueIsRecordedOnceAsFailedWithWhy(t *testing.T) {
	t.Parallel()
	p := planeOfShop(t, "http://api.example")
	editor := access.Principal{ID: "user:ed", Name: "Ed", Role: access.Editor}
	now, labels := time.Now().UTC(), map[string]string{"alertname": "ShopSlow", "severity": "critical"}
	a := alerting.Alert{Fingerprint: alerting.Fingerprint(labels), Labels: labels, StartsAt: now, EndsAt: now.Add(time.Hour), UpdatedAt: now}
	if err := p.db.ReceiveAlerts(t.Context(), editor, []alerting.Alert{a}, p.routing()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.diagnose(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := p.db.Runs(t.Context(), access.Operator(), "", "shop", 0)
	if err != nil || len(runs) != 1 || runs[0].Outcome != runbooks.Failed || runs[0].Error == "" || runs[0].By != "system:diagnostics" {
		t.Errorf("%+v, %v", runs, err)
	}
	due, err := p.db.Undiagnosed(t.Context(), diagnoseFor, 0)
	if err != nil || len(due) != 0 {
		t.Errorf("%d are still due, %v", len(due), err)
	}
}

// TestAStepThatChangesSomethingIsApprovedByAnotherOnce lets several approve at once: one does, and the step runs once, exactly as it
// was asked.
func TestAStepThatChangesSomethingIsApprovedByAnotherOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/drain/all" {
			asked.Add(1)
		}
	}))
	defer api.Close()
	p := planeOfShop(t, api.URL)
	p.config.RunbookHosts = api.Listener.Addr().String()
	r := runner{p}
	ana := access.Principal{ID: "user:ana", Name: "ana@nines.example", Role: access.Responder}
	ask := func() runbooks.Run {
		t.Helper()
		run, err := r.Run(t.Context(), ana, httpapi.RunWish{Runbook: "shop", Step: "drain", Confirm: true})
		if err != nil || run.Outcome != runbooks.Waiting || run.ExpiresAt == nil || run.ExpiresAt.Sub(run.BeganAt) != runbooks.ApprovalTime {
			t.Fatalf("asked: %+v, %v", run, err)
		}
		return run
	}
	run := ask()
	if _, err := r.Approve(t.Context(), ana, run.ID); !fault.Is(err, fault.Forbidden) || asked.Load() != 0 {
		t.Errorf("who has asked approves: %v", err)
	}
	var wins, told atomic.Int32
	var all sync.WaitGroup
	for n := range 6 {
		all.Go(func() {
			name := string(rune('b'+n)) + "@nines.example"
			done, err := r.Approve(context.Background(), access.Principal{ID: "user:" + name, Name: name, Role: access.Responder}, run.ID)
			switch {
			case err == nil && done.Outcome == runbooks.OK && done.ApprovedName == name:
				wins.Add(1)
			case fault.Is(err, fault.Conflict) && strings.Contains(err.Error(), "has approved it already"):
				told.Add(1)
			default:
				t.Errorf("%+v, %v", done, err)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 || told.Load() != 5 || asked.Load() != 1 {
		t.Errorf("%d approved it, %d were told, it ran %d times", wins.Load(), told.Load(), asked.Load())
	}
	bo := access.Principal{ID: "user:bo", Name: "bo@nines.example", Role: access.Responder}
	denied := ask()
	if _, err := r.Deny(t.Context(), bo, denied.ID, "not at noon"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Approve(t.Context(), bo, denied.ID); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "has denied it") {
		t.Errorf("denied: %v", err)
	}
	if _, err := r.Deny(t.Context(), ana, ask().ID, ""); err != nil {
		t.Errorf("taken back: %v", err)
	}
	if _, err := r.Approve(t.Context(), access.Principal{ID: "user:v", Role: access.Viewer}, ask().ID); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a viewer: %v", err)
	}
	if _, err := r.Approve(t.Context(), bo, "no-such-run"); !fault.Is(err, fault.NotFound) || asked.Load() != 1 {
		t.Errorf("none: %v", err)
	}
}

// TestWhatIsApprovedIsWhatWasAsked changes the runbook in between.
func TestWhatIsApprovedIsWhatWasAsked(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer api.Close()
	p := planeOfShop(t, api.URL)
	p.config.RunbookHosts = api.Listener.Addr().String()
	run, err := runner{p}.Run(t.Context(), access.Principal{ID: "user:ana", Name: "ana", Role: access.Responder}, httpapi.RunWish{Runbook: "shop", Step: "drain", Confirm: true})
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(strings.Replace(stepsOfShop, "URL", api.URL, 1), "POST /drain/", "POST /delete/")
	editor := access.Principal{ID: "user:ed", Name: "Ed", Role: access.Editor}
	if _, err := p.definitions.Apply(t.Context(), editor, []manifest.File{{Name: "d.yaml", Text: changed}}, false); err != nil {
		t.Fatal(err)
	}
	_, err = runner{p}.Approve(t.Context(), access.Principal{ID: "user:bo", Name: "bo", Role: access.Responder}, run.ID)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "has been changed since") || asked.Load() != 0 {
		t.Errorf("%v, ran %d times", err, asked.Load())
	}
}
