package ntfy_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/notify/ntfy"
	"github.com/nines-sre/nines/incidents/notify/ntfy/ntfytest"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

const topic = "shop-oncall_8jx2"

var t0 = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

func note(server string, action incidents.Action) incidents.Notification {
	return incidents.Notification{
		Page: incidents.Page{Action: action, Step: 1, DedupKey: "i1/shop", Target: incidents.Target{
			Ntfy: &incidents.NtfyTarget{URL: server + "/" + topic, Token: incidents.Secret{Env: "NTFY_TEST_TOKEN"}},
		}},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders fail", Summary: "14.4 times too fast", Severity: incidents.Critical,
			State: incidents.Triggered, Service: "shop", RunbookURL: "https://runbooks.example.com/orders", StartedAt: t0,
		},
		IncidentURL: "https://nines.example.com/incidents/i1", At: t0,
	}
}

func start(t *testing.T) *ntfytest.Server {
	t.Helper()
	t.Setenv("NTFY_TEST_TOKEN", ntfytest.Token)
	return ntfytest.New(t)
}

func send(t *testing.T, n incidents.Notification) incidents.Receipt {
	t.Helper()
	receipt, err := ntfy.New("").Send(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func TestAMessageTellsWhatAPersonNeeds(t *testing.T) {
	s := start(t)
	send(t, note(s.URL, incidents.ActionTrigger))
	m := s.Messages()[0]
	if m.Topic != topic || m.Title != "#12 CRITICAL: acme: Orders fail" || m.Priority != 5 || m.Click != "https://nines.example.com/incidents/i1" {
		t.Errorf("%+v", m)
	}
	if !strings.HasPrefix(m.Message, "14.4 times too fast\n") || strings.Join(m.Tags, " ") != "rotating_light acme shop" {
		t.Errorf("message %q, tags %q", m.Message, m.Tags)
	}
	if len(m.Actions) != 2 || m.Actions[0].Label != "Open incident" || m.Actions[1].URL != "https://runbooks.example.com/orders" {
		t.Errorf("actions %+v", m.Actions)
	}
}

func TestTheSeverityIsThePriority(t *testing.T) {
	s := start(t)
	for severity, want := range map[incidents.Severity]int{
		incidents.Critical: 5, incidents.Error: 4, incidents.Warning: 3, incidents.Info: 2, "purple": 3,
	} {
		n := note(s.URL, incidents.ActionTrigger)
		n.Incident.Severity = severity
		send(t, n)
		messages := s.Messages()
		if got := messages[len(messages)-1].Priority; got != want {
			t.Errorf("%s has priority %d; want %d", severity, got, want)
		}
	}
}

func TestEveryPageRingsOnceAndWhatIsOverTakesThePlaceOfTheFirst(t *testing.T) {
	s := start(t)
	first := send(t, note(s.URL, incidents.ActionTrigger))
	send(t, note(s.URL, incidents.ActionTrigger)) // a retry of what was accepted already
	again := note(s.URL, incidents.ActionTrigger)
	again.Page.Loop = 1
	send(t, again)
	byRule := note(s.URL, incidents.ActionTrigger)
	byRule.Page.Number = 2 // the same person's second notice
	send(t, byRule)
	if shown := s.Shown(); len(shown) != 3 {
		t.Fatalf("%d notifications; want the first page, that of the second round and the second notice", len(shown))
	}
	over := note(s.URL, incidents.ActionResolve)
	over.Thread = first.ProviderID
	if receipt := send(t, over); receipt.ProviderID != first.ProviderID {
		t.Errorf("the resolution is %q; want it in %q", receipt.ProviderID, first.ProviderID)
	}
	shown := s.Shown()
	if len(shown) != 3 || shown[0].Title != "Resolved #12: acme: Orders fail" || shown[0].Priority != 2 {
		t.Errorf("shown %+v", shown)
	}
}

func TestTheEndOfOneIncidentLeavesAMessageAboutSeveralAlone(t *testing.T) {
	s := start(t)
	storm := note(s.URL, incidents.ActionTrigger)
	storm.Incident.Number, storm.Incident.Title = 0, "9 incidents"
	first := send(t, storm)
	over := note(s.URL, incidents.ActionResolve)
	over.Thread = first.ProviderID
	send(t, over)
	if shown := s.Shown(); len(shown) != 2 || shown[0].Title != "CRITICAL: acme: 9 incidents" {
		t.Errorf("shown %+v", shown)
	}
}

func TestAServerWithoutSequencesShowsAllMessages(t *testing.T) {
	s := start(t)
	s.Old = true
	first := send(t, note(s.URL, incidents.ActionTrigger))
	over := note(s.URL, incidents.ActionResolve)
	over.Thread = first.ProviderID
	send(t, over)
	if first.ProviderID != "hwQ2YpKd0001" || len(s.Shown()) != 2 {
		t.Errorf("first %+v, shown %+v", first, s.Shown())
	}
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	s := start(t)
	notifytest.TakesFailuresAsDocumented(t, s.Server, ntfy.New(""), note(s.URL, incidents.ActionTrigger), ntfytest.Token, topic)
}

func TestARefusalSaysWhy(t *testing.T) {
	s := start(t)
	t.Setenv("NTFY_TEST_TOKEN", "tk_wrong")
	_, err := ntfy.New("").Send(t.Context(), note(s.URL, incidents.ActionTrigger))
	if want := "ntfy answered 403: forbidden (code 40301)"; !fault.Is(err, fault.Invalid) || err.Error() != want {
		t.Errorf("%v; want %q", err, want)
	}
}

func TestATopicNeedsNoToken(t *testing.T) {
	t.Parallel()
	var authorization []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Values("Authorization")
	}))
	defer s.Close()
	n := note(s.URL+"/below/a/path", incidents.ActionTrigger)
	n.Page.Target.Ntfy.Token = incidents.Secret{}
	if _, err := ntfy.New("").Send(t.Context(), n); err != nil || len(authorization) > 0 {
		t.Errorf("%v, authorization %q", err, authorization)
	}
}

func TestAnAddressWithoutATopicIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "https://hunter2.example.com", "https://hunter2.example.com/", "ftp://hunter2/topic", "https://x/hunter2%20", "https://x/hunter2.json",
	} {
		n := note("", incidents.ActionTrigger)
		n.Page.Target.Ntfy = &incidents.NtfyTarget{URL: address}
		if _, err := ntfy.New("").Send(t.Context(), n); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v; want invalid", address, err)
		}
	}
}

func TestNothingThatAnAlertSaysMakesAnInvalidMessage(t *testing.T) {
	s := start(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Just("\xff\x00"), rapid.Just(strings.Repeat("\"\\\n", 2000)), rapid.Just(strings.Repeat("ü", 900)))
		n := note(s.URL, rapid.SampledFrom([]incidents.Action{incidents.ActionTrigger, incidents.ActionAcknowledge}).Draw(t, "action"))
		i := &n.Incident
		i.Title, i.Summary, i.Tenant, i.Service = text.Draw(t, "title"), text.Draw(t, "summary"), text.Draw(t, "tenant"), text.Draw(t, "service")
		i.RunbookURL, n.IncidentURL, n.Thread = text.Draw(t, "runbook"), text.Draw(t, "url"), text.Draw(t, "thread")
		if _, err := ntfy.New("").Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	})
	if refused := s.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}
