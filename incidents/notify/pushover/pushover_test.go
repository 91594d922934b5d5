package pushover_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/notify/pushover"
	"github.com/nines-sre/nines/incidents/notify/pushover/pushovertest"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
	"pgregory.net/rapid"
)

const hookURL = "https://nines.example.com/hooks/pushover"

var t0 = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

func note(s *pushovertest.Server, action incidents.Action, severity incidents.Severity) incidents.Notification {
	return incidents.Notification{
		Page: incidents.Page{Incident: "i1", Action: action, Step: 1, DedupKey: "i1/shop", Target: incidents.Target{
			Pushover: &incidents.PushoverTarget{
				User: incidents.Secret{Env: "PUSHOVER_TEST_USER"}, Token: incidents.Secret{Env: "PUSHOVER_TEST_TOKEN"}, Endpoint: s.URL,
			},
		}},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders fail", Summary: "14.4 times too fast", Severity: severity,
			State: incidents.Triggered, Service: "shop", StartedAt: t0,
		},
		IncidentURL: "https://nines.example.com/incidents/i1", At: t0,
	}
}

func start(t *testing.T) (*pushovertest.Server, *pushover.Notifier) {
	t.Helper()
	t.Setenv("PUSHOVER_TEST_USER", pushovertest.User)
	t.Setenv("PUSHOVER_TEST_TOKEN", pushovertest.Token)
	n := pushover.New("")
	n.Hook = func() string { return hookURL }
	return pushovertest.New(t), n
}

func TestTheSeverityIsHowLoudAMessageIs(t *testing.T) {
	s, n := start(t)
	for severity, want := range map[incidents.Severity]int{
		incidents.Critical: 2, incidents.Error: 1, incidents.Warning: 0, incidents.Info: -1, "purple": 0,
	} {
		receipt, err := n.Send(t.Context(), note(s, incidents.ActionTrigger, severity))
		if err != nil || receipt.ProviderID == "" {
			t.Fatalf("%s: %+v, %v", severity, receipt, err)
		}
		sent := s.Messages()
		m := sent[len(sent)-1]
		if m.Priority != want || (want == 2) != (receipt.ProviderID == m.Receipt) {
			t.Errorf("%s: %+v, %+v; want priority %d", severity, m, receipt, want)
		}
		if (want == 2) != (m.Callback == hookURL) {
			t.Errorf("%s: callback %q", severity, m.Callback)
		}
	}
}

func TestAMessageTellsWhatAPersonNeeds(t *testing.T) {
	s, n := start(t)
	if _, err := n.Send(t.Context(), note(s, incidents.ActionTrigger, incidents.Critical)); err != nil {
		t.Fatal(err)
	}
	m := s.Messages()[0]
	if m.Title != "#12 CRITICAL: acme: Orders fail" || m.URL != "https://nines.example.com/incidents/i1" ||
		!strings.HasPrefix(m.Text, "14.4 times too fast\nSeverity: critical\n") || !strings.Contains(m.Text, "Service: shop") {
		t.Errorf("%+v", m)
	}
}

func TestAnAcknowledgementStopsAllThatRings(t *testing.T) {
	for _, action := range []incidents.Action{incidents.ActionAcknowledge, incidents.ActionResolve} {
		s, n := start(t)
		first, err := n.Send(t.Context(), note(s, incidents.ActionTrigger, incidents.Critical))
		if err != nil {
			t.Fatal(err)
		}
		again := note(s, incidents.ActionTrigger, incidents.Critical)
		again.Page.Loop = 1
		other := note(s, incidents.ActionTrigger, incidents.Critical)
		other.Page.DedupKey = "i2/shop"
		for _, page := range []incidents.Notification{again, other} {
			if _, err := n.Send(t.Context(), page); err != nil {
				t.Fatal(err)
			}
		}
		over := note(s, action, incidents.Critical)
		over.Thread = first.ProviderID
		for range 2 { // the second time nothing rings any more
			if _, err := n.Send(t.Context(), over); err != nil {
				t.Fatal(err)
			}
		}
		m := s.Messages()
		if m[0].Rings() || m[1].Rings() || !m[2].Rings() {
			t.Errorf("%s: rings %v %v, and of another incident %v", action, m[0].Rings(), m[1].Rings(), m[2].Rings())
		}
		if told := m[3]; told.Priority != -1 {
			t.Errorf("%s is told with priority %d; want quietly", action, told.Priority)
		}
	}
}

func TestWhatCouldNotBeStoppedIsTriedAgain(t *testing.T) {
	s, n := start(t)
	s.Fail(notifytest.Failure{Status: 503})
	if _, err := n.Send(t.Context(), note(s, incidents.ActionAcknowledge, incidents.Critical)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v; want unavailable", err)
	}
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	s, n := start(t)
	notifytest.TakesFailuresAsDocumented(t, s.Server, n, note(s, incidents.ActionTrigger, incidents.Critical),
		pushovertest.Token, pushovertest.User)
}

func TestARefusalSaysWhyWithoutTheKeys(t *testing.T) {
	s, n := start(t)
	t.Setenv("PUSHOVER_TEST_USER", "nobody")
	_, err := n.Send(t.Context(), note(s, incidents.ActionTrigger, incidents.Critical))
	if want := "Pushover answered 400: user identifier is not a valid user, group, or subscribed user key"; !fault.Is(err, fault.Invalid) || err.Error() != want {
		t.Errorf("%v; want %q", err, want)
	}
}

func TestNothingThatAnAlertSaysMakesAnInvalidMessage(t *testing.T) {
	s, n := start(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringN(200, 3000, -1), rapid.Just("\xff\x00"), rapid.Just(strings.Repeat("ü\n", 2000)))
		page := note(s, rapid.SampledFrom([]incidents.Action{incidents.ActionTrigger, incidents.ActionResolve}).Draw(t, "action"), incidents.Critical)
		page.Incident.Title, page.Incident.Summary, page.Incident.Tenant = text.Draw(t, "title"), text.Draw(t, "summary"), text.Draw(t, "tenant")
		page.Incident.RunbookURL, page.IncidentURL = text.Draw(t, "runbook"), text.Draw(t, "url")
		if _, err := n.Send(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	})
	if refused := s.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}

// desk is what replies reach.
type desk struct {
	replies []incidents.Reply
	err     error
}

func (d *desk) answer(_ context.Context, r incidents.Reply) (incidents.Incident, error) {
	d.replies = append(d.replies, r)
	return incidents.Incident{}, d.err
}

func TestAnAcknowledgementOnTheTelephoneIsAReply(t *testing.T) {
	s, n := start(t)
	sent, err := n.Send(t.Context(), note(s, incidents.ActionTrigger, incidents.Critical))
	if err != nil {
		t.Fatal(err)
	}
	call, d := s.Acknowledge(sent.ProviderID, t0.Add(time.Minute)), &desk{}
	h := pushover.NewHook(s.URL, "a-newer-token", pushovertest.Token)
	answer, err := h.Receive(t.Context(), call, d.answer)
	if err != nil || answer.Status != 200 {
		t.Fatalf("%+v, %v", answer, err)
	}
	r := d.replies[0]
	if r.Action != incidents.ReplyAcknowledge || r.ProviderID != sent.ProviderID || r.ID != sent.ProviderID || r.Provider != "pushover" ||
		!r.At.Equal(t0.Add(time.Minute)) || r.By.Name != "Pushover (phone)" {
		t.Errorf("%+v", r)
	}
	if strings.Contains(r.By.ID, pushovertest.User) {
		t.Errorf("the actor %q shows the user's key", r.By.ID)
	}
}

func TestACallThatPushoverDoesNotConfirmHasNoEffect(t *testing.T) {
	s, n := start(t)
	sent, err := n.Send(t.Context(), note(s, incidents.ActionTrigger, incidents.Critical))
	if err != nil {
		t.Fatal(err)
	}
	ours, away := pushover.NewHook(s.URL, pushovertest.Token), pushover.NewHook("http://127.0.0.1:1", pushovertest.Token)
	for name, test := range map[string]struct {
		hook *pushover.Hook
		call hook.Request
		want fault.Kind
	}{
		"a receipt nobody knows": {ours, pushovertest.Callback(hookURL, strings.Repeat("x", 30), t0), fault.Unauthorized},
		"no token":               {pushover.NewHook(s.URL, ""), s.Acknowledge(sent.ProviderID, t0), fault.Unauthorized},
		"no receipt":             {ours, pushovertest.Callback(hookURL, "../../x", t0), fault.Invalid},
		"not a form":             {ours, hook.Request{Body: []byte("%zz")}, fault.Invalid},
		"Pushover away":          {away, pushovertest.Callback(hookURL, sent.ProviderID, t0), fault.Unavailable},
	} {
		d := &desk{}
		if _, err := test.hook.Receive(t.Context(), test.call, d.answer); !fault.Is(err, test.want) || len(d.replies) > 0 {
			t.Errorf("%s: %v, %+v; want %s and no effect", name, err, d.replies, test.want)
		}
	}
}

func TestACallBeforeAnybodyAcknowledgedHasNoEffect(t *testing.T) {
	s, n := start(t)
	sent, err := n.Send(t.Context(), note(s, incidents.ActionTrigger, incidents.Critical))
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{}
	_, err = pushover.NewHook(s.URL, pushovertest.Token).Receive(t.Context(), pushovertest.Callback(hookURL, sent.ProviderID, t0), d.answer)
	if !fault.Is(err, fault.Unauthorized) || len(d.replies) > 0 {
		t.Errorf("%v, %+v; want unauthorized and no effect", err, d.replies)
	}
}

func FuzzHook(f *testing.F) {
	f.Add("receipt=" + strings.Repeat("x", 30) + "&acknowledged=1")
	f.Add("receipt=../../messages")
	f.Add("%zz")
	h := pushover.NewHook("http://127.0.0.1:1", pushovertest.Token)
	f.Fuzz(func(t *testing.T, body string) {
		d := &desk{}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nobody is to be asked
		if _, err := h.Receive(ctx, hook.Request{Body: []byte(body)}, d.answer); err == nil || len(d.replies) > 0 {
			t.Errorf("%q: %v, %+v", body, err, d.replies)
		}
	})
}
