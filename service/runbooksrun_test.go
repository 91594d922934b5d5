package service

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/service/httpapi"
)

const stepsOfShop = "apiVersion: nines/v1\nkind: Runbook\nmetadata: {name: shop}\nspec:\n  alerts: [ShopSlow]\n  text: |\n" +
	"    # Shop\n    ```promql step=ratio on=open\n    up{region=\"{{ labels.region }}\"}\n    ```\n" +
	"    ```http step=restart source=api changes=true\n    POST /restart\n    ```\n" +
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
