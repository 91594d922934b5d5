package opsgenie_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/notify/opsgenie"
	"github.com/nines-sre/nines/incidents/notify/opsgenie/opsgenietest"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

func note(endpoint string, action incidents.Action, dedupKey string) incidents.Notification {
	return incidents.Notification{
		Page: incidents.Page{Action: action, DedupKey: dedupKey, Target: incidents.Target{
			Opsgenie: &incidents.OpsgenieTarget{Key: incidents.Secret{Env: "OPSGENIE_TEST_KEY"}, Endpoint: endpoint},
		}},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders fail", Summary: "14.4 times too fast", Severity: incidents.Critical,
			State: incidents.Triggered, Service: "shop", SLO: "shop-orders", Labels: map[string]string{"region": "eu"},
			RunbookURL: "https://runbooks.example.com/orders", AcknowledgedBy: "Ana", ResolvedBy: "Bo", StartedAt: t0,
		},
		IncidentURL: "https://nines.example.com/incidents/i1", At: t0,
	}
}

func start(t *testing.T) *opsgenietest.Server {
	t.Helper()
	t.Setenv("OPSGENIE_TEST_KEY", opsgenietest.Key)
	return opsgenietest.New(t)
}

func TestATriggerTellsWhatAPersonNeeds(t *testing.T) {
	s := start(t)
	receipt, err := opsgenie.New("").Send(t.Context(), note(s.URL, incidents.ActionTrigger, "i1/shop"))
	if err != nil || receipt.StatusCode != 202 || receipt.ProviderID != "43a29c5c-3dbf-4fa4-9c26-000000000001" {
		t.Fatalf("%+v, %v", receipt, err)
	}
	a := s.Alerts()[0]
	if a.Message != "acme: Orders fail" || a.Alias != "i1/shop" || a.Priority != "P1" || a.Entity != "shop" || a.Source != "Nines" {
		t.Errorf("%+v", a)
	}
	if got := strings.Join(a.Tags, " "); got != "critical acme shop shop-orders" {
		t.Errorf("tags %q", got)
	}
	if a.Details["region"] != "eu" || a.Details["nines_url"] != "https://nines.example.com/incidents/i1" {
		t.Errorf("details %v", a.Details)
	}
	for _, want := range []string{"14.4 times too fast\n", "Since: 2026-11-03 03:04:05 UTC", "Runbook: https://runbooks.example.com/orders"} {
		if !strings.Contains(a.Description, want) {
			t.Errorf("the description %q lacks %q", a.Description, want)
		}
	}
}

func TestOneAliasIsOneAlert(t *testing.T) {
	s := start(t)
	for _, action := range []incidents.Action{
		incidents.ActionTrigger, incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionResolve, incidents.ActionResolve,
		incidents.ActionTrigger,
	} {
		if _, err := opsgenie.New("").Send(t.Context(), note(s.URL, action, "i1/shop #1 ü")); err != nil {
			t.Fatal(err)
		}
	}
	alerts := s.Alerts()
	if len(alerts) != 2 {
		t.Fatalf("%d alerts; want the first and one after its resolution", len(alerts))
	}
	if a := alerts[0]; a.Status != "closed" || !a.Acknowledged || a.Count != 2 || a.By != "Bo" {
		t.Errorf("first alert %+v", a)
	}
	if a := alerts[1]; a.Status != "open" || a.Acknowledged {
		t.Errorf("second alert %+v", a)
	}
}

func TestThePriorityFollowsTheSeverity(t *testing.T) {
	s := start(t)
	for severity, want := range map[incidents.Severity]string{
		incidents.Critical: "P1", incidents.Error: "P2", incidents.Warning: "P3", incidents.Info: "P4", "purple": "P3",
	} {
		n := note(s.URL, incidents.ActionTrigger, "key-"+string(severity))
		n.Incident.Severity = severity
		if _, err := opsgenie.New("").Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		alerts := s.Alerts()
		if got := alerts[len(alerts)-1].Priority; got != want {
			t.Errorf("%s is %s; want %s", severity, got, want)
		}
	}
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	s := start(t)
	for _, action := range []incidents.Action{incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionResolve} {
		notifytest.TakesFailuresAsDocumented(t, s.Server, opsgenie.New(""), note(s.URL, action, "i1/shop"), opsgenietest.Key)
	}
}

func TestARefusalSaysWhyWithoutTheKey(t *testing.T) {
	t.Setenv("OPSGENIE_TEST_KEY", opsgenietest.Key)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, `{"message":"Not processable.","errors":{"message":"empty","alias":"not %s"}}`, opsgenietest.Key)
	}))
	defer s.Close()
	_, err := opsgenie.New("").Send(t.Context(), note(s.URL, incidents.ActionTrigger, "i1/shop"))
	if want := "Opsgenie answered 422: Not processable. alias: not [secret] message: empty"; !fault.Is(err, fault.Invalid) || err.Error() != want {
		t.Errorf("%v; want %q", err, want)
	}
}

func TestWhatIsNotOpsgenieIsTriedAgain(t *testing.T) {
	t.Setenv("OPSGENIE_TEST_KEY", opsgenietest.Key)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>Welcome to the hotel's network</html>")
	}))
	defer s.Close()
	if _, err := opsgenie.New("").Send(t.Context(), note(s.URL, incidents.ActionTrigger, "i1/shop")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v; want unavailable", err)
	}
}

func TestNothingThatAnAlertSaysMakesAnInvalidRequest(t *testing.T) {
	s := start(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Just("\xff\x00"), rapid.Just(strings.Repeat("ü\n", 9000)), rapid.Just(strings.Repeat("x", 300)))
		action := rapid.SampledFrom([]incidents.Action{incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionResolve})
		n := note(s.URL, action.Draw(t, "action"), "k"+text.Draw(t, "key"))
		i := &n.Incident
		i.Title, i.Summary, i.Tenant, i.Service = text.Draw(t, "title"), text.Draw(t, "summary"), text.Draw(t, "tenant"), text.Draw(t, "service")
		i.AcknowledgedBy, i.ResolvedBy, i.RunbookURL = text.Draw(t, "by"), text.Draw(t, "by"), text.Draw(t, "runbook")
		i.Labels = rapid.MapOfN(text, text, 0, 5).Draw(t, "labels")
		if _, err := opsgenie.New("").Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	})
	if refused := s.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}
