package twilio_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/notify/twilio"
	"github.com/nines-sre/nines/incidents/notify/twilio/twiliotest"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

const (
	telephone = "+4915112345678"
	hookURL   = "https://nines.example.com/hooks/phones"
)

var t0 = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

func phone(endpoint string) *incidents.TwilioTarget {
	return &incidents.TwilioTarget{
		To: telephone, From: twiliotest.From, Account: twiliotest.Account, Token: incidents.Secret{Env: "TWILIO_TEST_TOKEN"}, Endpoint: endpoint,
	}
}

func note(target incidents.Target, action incidents.Action) incidents.Notification {
	return incidents.Notification{
		Page: incidents.Page{Incident: "i1", Action: action, Step: 1, DedupKey: "i1/shop", Target: target},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders fail", Severity: incidents.Critical, State: incidents.Triggered, Service: "shop",
			AcknowledgedBy: "Ana", StartedAt: t0,
		},
		IncidentURL: "https://nines.example.com/incidents/i1", At: t0,
	}
}

func sms(s *twiliotest.Server, action incidents.Action) incidents.Notification {
	return note(incidents.Target{SMS: phone(s.URL)}, action)
}

func voice(s *twiliotest.Server, action incidents.Action) incidents.Notification {
	return note(incidents.Target{Voice: phone(s.URL)}, action)
}

// start returns the fake and a notifier with a hook.
func start(t *testing.T) (*twiliotest.Server, *twilio.Notifier) {
	t.Helper()
	t.Setenv("TWILIO_TEST_TOKEN", twiliotest.Token)
	n := twilio.New("")
	n.Hook = func() string { return hookURL }
	return twiliotest.New(t), n
}

func TestAMessageSaysWhatIsTheMatterAndWhatToAnswer(t *testing.T) {
	s, n := start(t)
	for _, test := range []struct {
		action incidents.Action
		want   string
	}{
		{incidents.ActionTrigger, "#12 CRITICAL acme shop: Orders fail. Reply 12a to acknowledge, 12r to resolve"},
		{incidents.ActionAcknowledge, "#12 acknowledged by Ana: Orders fail"},
		{incidents.ActionResolve, "#12 resolved: Orders fail"},
	} {
		receipt, err := n.Send(t.Context(), sms(s, test.action))
		sent := s.Messages()
		if err != nil || receipt.StatusCode != 201 || receipt.ProviderID != sent[len(sent)-1].SID {
			t.Fatalf("%s: %+v, %v", test.action, receipt, err)
		}
		if m := sent[len(sent)-1]; m.Body != test.want || m.To != telephone || m.StatusCallback != hookURL {
			t.Errorf("%s: %+v; want %q", test.action, m, test.want)
		}
	}
}

func TestWithoutAHookAMessageNamesTheIncidentsPage(t *testing.T) {
	s, n := start(t)
	n.Hook = nil
	if _, err := n.Send(t.Context(), sms(s, incidents.ActionTrigger)); err != nil {
		t.Fatal(err)
	}
	if m := s.Messages()[0]; !strings.HasSuffix(m.Body, ". https://nines.example.com/incidents/i1") || m.StatusCallback != "" {
		t.Errorf("%+v", m)
	}
}

func TestACallReadsTheHeadlineTwiceAndOffersKeys(t *testing.T) {
	s, n := start(t)
	receipt, err := n.Send(t.Context(), voice(s, incidents.ActionTrigger))
	if err != nil || receipt.ProviderID != s.Calls()[0].SID {
		t.Fatalf("%+v, %v", receipt, err)
	}
	script, err := twiliotest.ReadTwiML(s.Calls()[0].Twiml)
	if err != nil {
		t.Fatal(err)
	}
	headline := "This is Nines. Incident 12, critical. acme. shop. Orders fail."
	if want := headline + " " + headline + " Press 4 to acknowledge, 6 to resolve, 5 to escalate. No key was pressed. Goodbye."; script.Said() != want {
		t.Errorf("it says %q; want %q", script.Said(), want)
	}
	if got := script.Find("Gather").Attr("action"); got != hookURL+"?incident=i1" {
		t.Errorf("keys go to %q", got)
	}
}

func TestNobodyIsCalledAboutAnAcknowledgementAndAWaitingCallIsTakenBack(t *testing.T) {
	s, n := start(t)
	first, err := n.Send(t.Context(), voice(s, incidents.ActionTrigger))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds the call over already
		ack := voice(s, incidents.ActionAcknowledge)
		ack.Thread = first.ProviderID
		if _, err := n.Send(t.Context(), ack); err != nil {
			t.Fatal(err)
		}
	}
	if calls := s.Calls(); len(calls) != 1 || calls[0].Status != "canceled" {
		t.Errorf("calls %+v", calls)
	}
	before := s.Requests()
	if _, err := n.Send(t.Context(), voice(s, incidents.ActionResolve)); err != nil || s.Requests() != before {
		t.Errorf("%v after %d requests; want none, as nothing rings", err, s.Requests()-before)
	}
}

func TestACallThatCannotBeTakenBackIsAnError(t *testing.T) {
	s, n := start(t)
	ack := voice(s, incidents.ActionAcknowledge)
	ack.Thread = "CA0001"
	if _, err := n.Send(t.Context(), ack); err != nil {
		t.Errorf("a call that Twilio knows no more: %v", err)
	}
	s.Fail(notifytest.Failure{Status: 503})
	if _, err := n.Send(t.Context(), ack); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Twilio away: %v; want unavailable", err)
	}
	t.Setenv("TWILIO_TEST_TOKEN", "a-wrong-token")
	if _, err := n.Send(t.Context(), ack); !fault.Is(err, fault.Invalid) {
		t.Errorf("a wrong token: %v; want invalid", err)
	}
}

func TestTheCodeSaysWhetherTryingAgainHelps(t *testing.T) {
	s, n := start(t)
	for code, want := range map[int]fault.Kind{
		21211: fault.Invalid, 21610: fault.Invalid, 21614: fault.Invalid, 21408: fault.Invalid, 14107: fault.Limited, 20429: fault.Limited, 21611: fault.Limited,
	} {
		s.Reject(telephone, code)
		for _, page := range []incidents.Notification{sms(s, incidents.ActionTrigger), voice(s, incidents.ActionTrigger)} {
			if receipt, err := n.Send(t.Context(), page); !fault.Is(err, want) || receipt.StatusCode != 400 {
				t.Errorf("%d: %+v, %v; want %s", code, receipt, err, want)
			}
		}
	}
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	s, n := start(t)
	t.Run("messages", func(t *testing.T) {
		notifytest.TakesFailuresAsDocumented(t, s.Server, n, sms(s, incidents.ActionTrigger), twiliotest.Token)
	})
	t.Run("calls", func(t *testing.T) {
		notifytest.TakesFailuresAsDocumented(t, s.Server, n, voice(s, incidents.ActionTrigger), twiliotest.Token)
	})
}

func TestARefusalNamesTheCodeAndNotTheToken(t *testing.T) {
	s, n := start(t)
	t.Setenv("TWILIO_TEST_TOKEN", "a-wrong-token")
	_, err := n.Send(t.Context(), sms(s, incidents.ActionTrigger))
	if got, want := err.Error(), "Twilio answered 401: Authenticate (code 20003)"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestAPageForSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := twilio.New("").Send(t.Context(), note(incidents.Target{}, incidents.ActionTrigger)); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v; want invalid", err)
	}
}

// TestNothingThatAnAlertSaysMakesAnInvalidRequest holds for every text: the fake refuses what Twilio refuses.
func TestNothingThatAnAlertSaysMakesAnInvalidRequest(t *testing.T) {
	s, n := start(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringN(200, 3000, -1), rapid.Just(strings.Repeat("<&\"'>", 500)), rapid.Just("\xff\x00]]>"))
		for _, page := range []incidents.Notification{sms(s, incidents.ActionTrigger), voice(s, incidents.ActionTrigger)} {
			page.Incident.Title, page.Incident.Tenant, page.Incident.Service = text.Draw(t, "title"), text.Draw(t, "tenant"), text.Draw(t, "service")
			page.IncidentURL = "https://" + text.Draw(t, "url")
			if _, err := n.Send(t.Context(), page); err != nil {
				t.Fatal(err)
			}
		}
		messages := s.Messages()
		if body := messages[len(messages)-1].Body; !utf8.ValidString(body) || len([]rune(body)) > 306 || !strings.HasSuffix(body, "12a to acknowledge, 12r to resolve") {
			t.Fatalf("message %q", body)
		}
	})
	if refused := s.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}
