package googlechat_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/googlechat"
	"github.com/nines-sre/nines/incidents/notify/googlechat/googlechattest"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

func note(action incidents.Action) incidents.Notification {
	spent := 0.034
	return incidents.Notification{
		Page: incidents.Page{Action: action, Target: incidents.Target{
			GoogleChat: &incidents.GoogleChatTarget{URL: incidents.Secret{Env: "GOOGLECHAT_TEST_URL"}},
		}},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders fail <users/all>", Summary: `see <a href="http://evil.example">here</a>`,
			Severity: incidents.Critical, State: incidents.Triggered, Service: "shop", RunbookURL: "https://runbooks.example.com/orders",
			BudgetSpent: &spent, StartedAt: time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC),
		},
		IncidentURL: "https://nines.example.com/incidents/i1",
	}
}

func start(t *testing.T) *googlechattest.Server {
	t.Helper()
	s := googlechattest.New(t)
	t.Setenv("GOOGLECHAT_TEST_URL", s.Address())
	return s
}

func send(t *testing.T, s *googlechattest.Server, n incidents.Notification) incidents.Receipt {
	t.Helper()
	receipt, err := googlechat.New("").Send(t.Context(), n)
	if err != nil || receipt.StatusCode != 200 {
		t.Fatalf("%+v, %v, refused %q", receipt, err, s.Refused())
	}
	return receipt
}

func TestAMessageTellsWhatAPersonNeeds(t *testing.T) {
	s := start(t)
	if receipt := send(t, s, note(incidents.ActionTrigger)); receipt.ProviderID != "spaces/AAAAMpdlehY/messages/m0001.m0001" {
		t.Errorf("receipt %+v", receipt)
	}
	m := s.Threads()[0][0]
	if want := "🔴 #12 CRITICAL: acme: Orders fail ‹users/all›"; m.Text != want {
		t.Errorf("text %q; want %q", m.Text, want)
	}
	widgets := m.Cards[0].Card.Sections[0].Widgets
	if got := widgets[0].Paragraph.Text; strings.Contains(got, "<a") || !strings.Contains(got, "evil.example") {
		t.Errorf("summary %q; want it without a link", got)
	}
	facts := map[string]string{}
	for _, w := range widgets {
		if w.Decorated != nil {
			facts[w.Decorated.TopLabel] = w.Decorated.Text
		}
	}
	if facts["Error budget spent"] != "3.4 %" || facts["Service"] != "shop" {
		t.Errorf("facts %v", facts)
	}
	buttons := widgets[len(widgets)-1].Buttons.Buttons
	if len(buttons) != 2 || buttons[0].OnClick.Open.URL != "https://nines.example.com/incidents/i1" || buttons[1].Text != "Runbook" {
		t.Errorf("buttons %+v", buttons)
	}
}

func TestAnIncidentIsOneThread(t *testing.T) {
	s := start(t)
	news := note(incidents.ActionUpdate)
	news.Text = "Ana: it is the cache"
	for _, n := range []incidents.Notification{
		note(incidents.ActionTrigger), note(incidents.ActionAcknowledge), news, note(incidents.ActionResolve),
	} {
		send(t, s, n)
	}
	other := note(incidents.ActionTrigger)
	other.Incident.ID = "i2"
	send(t, s, other)
	storm := note(incidents.ActionTrigger)
	storm.Bundle = slices.Repeat([]incidents.Incident{storm.Incident}, 12)
	storm.Incident = incidents.Incident{Title: "12 incidents", Severity: incidents.Critical, State: incidents.Triggered}
	send(t, s, storm)
	threads := s.Threads()
	if len(threads) != 3 || len(threads[0]) != 4 {
		t.Fatalf("threads %+v; want one of four messages and two of one", threads)
	}
	if got := threads[0][2].Text; got != "💬 Ana: it is the cache" {
		t.Errorf("news %q", got)
	}
	if text := threads[2][0].Cards[0].Card.Sections[0].Widgets[0].Paragraph.Text; !strings.HasSuffix(text, "<br>and 2 more") {
		t.Errorf("a message about several says %q", text)
	}
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	s := start(t)
	notifytest.TakesFailuresAsDocumented(
		t, s.Server, googlechat.New(""), note(incidents.ActionTrigger), googlechattest.Key, googlechattest.Token)
}

func TestARefusalSaysWhyWithoutTheAddress(t *testing.T) {
	s := start(t)
	t.Setenv("GOOGLECHAT_TEST_URL", strings.Replace(s.Address(), googlechattest.Token, "hunter2", 1))
	_, refused := googlechat.New("").Send(t.Context(), note(incidents.ActionTrigger))
	want := "Google Chat answered 401: UNAUTHENTICATED: Request had invalid authentication credentials."
	if refused == nil || refused.Error() != want {
		t.Errorf("%v; want %q", refused, want)
	}
	t.Setenv("GOOGLECHAT_TEST_URL", "hunter2")
	_, wrong := googlechat.New("").Send(t.Context(), note(incidents.ActionTrigger))
	if !fault.Is(wrong, fault.Invalid) || strings.Contains(wrong.Error(), "hunter2") {
		t.Errorf("an address that is none: %v", wrong)
	}
}

// TestNoTextOfAnAlertBreaksAMessage lets the fake judge: it knows the schema, the size, and what calls people.
func TestNoTextOfAnAlertBreaksAMessage(t *testing.T) {
	s := start(t)
	texts := rapid.OneOf(
		rapid.String(), rapid.SampledFrom([]string{"", "\xff\xfe", "<users/all>", "<https://evil.example|here>", "<b>"}),
		rapid.Map(rapid.SampledFrom([]string{"\"", "<", "&", "🔥", "\n", "\x01", "\u2028", "\\"}),
			func(p string) string { return strings.Repeat(p, 6000) }),
	)
	actions := rapid.SampledFrom([]incidents.Action{
		incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionResolve, incidents.ActionUpdate,
	})
	rapid.Check(t, func(t *rapid.T) {
		n := note(actions.Draw(t, "action"))
		i := &n.Incident
		for _, field := range []*string{
			&i.ID, &i.Title, &i.Summary, &i.Service, &i.Tenant, &i.SLO, &i.RunbookURL, &n.IncidentURL, &n.Text,
		} {
			*field = texts.Draw(t, "text")
		}
		if rapid.Bool().Draw(t, "bundle") {
			n.Bundle = slices.Repeat([]incidents.Incident{n.Incident}, 40)
		}
		if _, err := googlechat.New("").Send(t.Context(), n); err != nil {
			t.Fatalf("%v: %q", err, s.Refused())
		}
	})
}

func TestAStatusUpdateIsToldInTheIncidentsThread(t *testing.T) {
	s := start(t)
	n := note(incidents.ActionStatus)
	n.Text, n.Incident.Phase = "We <b>know</b>.", incidents.Identified
	send(t, s, n)
	m := s.Threads()[0][0]
	if want := "💬 Update on #12 identified: acme: Orders fail ‹users/all›"; m.Text != want {
		t.Errorf("text %q; want %q", m.Text, want)
	}
	if got := m.Cards[0].Card.Sections[0].Widgets[0].Paragraph.Text; got != "We &lt;b&gt;know&lt;/b&gt;." {
		t.Errorf("the update %q", got)
	}
}
