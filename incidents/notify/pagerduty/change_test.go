package pagerduty_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty"
	"github.com/nines-sre/nines/incidents/notify/pagerduty/pagerdutytest"
	"github.com/nines-sre/nines/internal/fault"
)

func TestAChangeIsToldAsPagerDutyDocumentsIt(t *testing.T) {
	t.Setenv("PD_CHANGE_KEY", "hush")
	server := pagerdutytest.New(t)
	target := incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: "PD_CHANGE_KEY"}, Endpoint: server.URL}
	c := pagerduty.Change{Summary: "deploy of shop: " + strings.Repeat("x", 2000), Source: "shop", At: came, Details: map[string]any{"author": "ada"}, URL: "https://nines.example/changes"}
	n := pagerduty.New(t.TempDir())
	if err := n.TellChange(t.Context(), target, c); err != nil {
		t.Fatal(err)
	}
	got := server.Changes()
	if len(got) != 1 || got[0].RoutingKey != "hush" || got[0].Payload.Timestamp != "2026-11-03T03:04:05Z" || got[0].Payload.Source != "shop" ||
		got[0].Links[0].Href != c.URL || len(server.Refused()) > 0 || len(server.Alerts()) > 0 {
		t.Errorf("%+v, refused %v", got, server.Refused())
	}
	for status, want := range map[int]fault.Kind{400: fault.Invalid, 429: fault.Limited, 500: fault.Unavailable, 200: fault.Unavailable} {
		server.Fail(pagerdutytest.Failure{Status: status, RetryAfter: 30 * time.Second})
		if err := n.TellChange(t.Context(), target, c); !fault.Is(err, want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%d: %v", status, err)
		}
	}
}
