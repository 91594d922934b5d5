package teams_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/notify/teams"
	"github.com/nines-sre/nines/incidents/notify/teams/teamstest"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

func note(action incidents.Action) incidents.Notification {
	spent := 0.034
	return incidents.Notification{
		Page: incidents.Page{Action: action, Target: incidents.Target{Teams: &incidents.TeamsTarget{URL: incidents.Secret{Env: "TEAMS_TEST_URL"}}}},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders fail", Summary: "14.4 times [too](http://evil.example) fast",
			Severity: incidents.Critical, State: incidents.Triggered, Service: "shop", RunbookURL: "https://runbooks.example.com/orders",
			BudgetSpent: &spent, StartedAt: time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC),
		},
		IncidentURL: "https://nines.example.com/incidents/i1",
	}
}

func start(t *testing.T) *teamstest.Server {
	t.Helper()
	s := teamstest.New(t)
	t.Setenv("TEAMS_TEST_URL", s.Address())
	return s
}

func send(t *testing.T, s *teamstest.Server, n incidents.Notification) teamstest.Card {
	t.Helper()
	receipt, err := teams.New("").Send(t.Context(), n)
	if err != nil || receipt.StatusCode != 202 {
		t.Fatalf("%+v, %v, refused %q", receipt, err, s.Refused())
	}
	cards := s.Cards()
	return cards[len(cards)-1]
}

func TestACardTellsWhatAPersonNeeds(t *testing.T) {
	s := start(t)
	c := send(t, s, note(incidents.ActionTrigger))
	if got, want := c.Body[0].Text(), "#12 CRITICAL: acme: Orders fail"; got != want {
		t.Errorf("headline %q; want %q", got, want)
	}
	if got, want := c.Body[1].Text(), "14.4 times [too](http://evil.example) fast"; got != want {
		t.Errorf("summary %q; want it as it is, where nothing is read as Markdown: %q", got, want)
	}
	facts := map[string]string{}
	for _, f := range c.Body[2].Facts {
		facts[f.Title] = f.Value
	}
	if facts["Error budget spent"] != "3.4 %" || facts["Service"] != "shop" || facts["Since"] != "2026-11-03 03:04:05 UTC" {
		t.Errorf("facts %v", facts)
	}
	if len(c.Actions) != 2 || c.Actions[0].URL != "https://nines.example.com/incidents/i1" || c.Actions[1].Title != "Runbook" {
		t.Errorf("actions %+v", c.Actions)
	}
}

func TestTheColourIsTheSeverityUntilItIsOver(t *testing.T) {
	s := start(t)
	for severity, want := range map[incidents.Severity]string{
		incidents.Critical: "attention", incidents.Error: "attention", incidents.Warning: "warning", incidents.Info: "accent",
		"purple": "warning",
	} {
		n := note(incidents.ActionTrigger)
		n.Incident.Severity = severity
		if got := send(t, s, n).Body[0].Style; got != want {
			t.Errorf("%s is %s; want %s", severity, got, want)
		}
	}
	if got := send(t, s, note(incidents.ActionAcknowledge)).Body[0].Style; got != "accent" {
		t.Errorf("acknowledged is %s", got)
	}
	over := send(t, s, note(incidents.ActionResolve))
	if over.Body[0].Style != "good" || len(over.Body) != 2 || !strings.HasPrefix(over.Body[0].Text(), "Resolved #12") {
		t.Errorf("resolved is %+v", over.Body)
	}
}

func TestACardAboutSeveralIncidentsNamesThem(t *testing.T) {
	s := start(t)
	storm := note(incidents.ActionTrigger)
	storm.Bundle = slices.Repeat([]incidents.Incident{storm.Incident}, 12)
	storm.Incident = incidents.Incident{Title: "12 incidents", Severity: incidents.Critical, State: incidents.Triggered}
	c := send(t, s, storm)
	if got := c.Body[1].Text(); got != "#12 CRITICAL: acme: Orders fail" || c.Body[11].Text() != "and 2 more" {
		t.Errorf("%q ... %q", got, c.Body[11].Text())
	}
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	s := start(t)
	notifytest.TakesFailuresAsDocumented(t, s.Server, teams.New(""), note(incidents.ActionTrigger), teamstest.Signature)
}

// TestAFailureWithinAnAnswerOf200IsFound is about connectors, whose webhooks say so what Teams answered them.
func TestAFailureWithinAnAnswerOf200IsFound(t *testing.T) {
	s := start(t)
	const failed = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error "
	for text, want := range map[string]fault.Kind{
		failed + "429 with ContextId tcid=0,server=AM3PEPF00008A6B": fault.Limited, failed + "503 with ContextId x": fault.Unavailable,
		failed + "413 with ContextId x": fault.Invalid, failed: fault.Invalid,
	} {
		s.Connector(text)
		if _, err := teams.New("").Send(t.Context(), note(incidents.ActionTrigger)); !fault.Is(err, want) {
			t.Errorf("%q: %v (%s); want %s", text, err, fault.KindOf(err), want)
		}
	}
	s.Connector("1")
	if receipt, err := teams.New("").Send(t.Context(), note(incidents.ActionTrigger)); err != nil || receipt.StatusCode != 200 {
		t.Errorf("%+v, %v; want it accepted", receipt, err)
	}
}

func TestARefusalSaysWhyWithoutTheAddress(t *testing.T) {
	s := start(t)
	t.Setenv("TEAMS_TEST_URL", strings.Replace(s.Address(), teamstest.Signature, "hunter2", 1))
	_, refused := teams.New("").Send(t.Context(), note(incidents.ActionTrigger))
	if want := "Teams answered 401: DirectApiAuthorizationRequired: The workflow could not be started."; refused == nil ||
		refused.Error() != want {
		t.Errorf("%v; want %q", refused, want)
	}
	t.Setenv("TEAMS_TEST_URL", "hunter2")
	_, wrong := teams.New("").Send(t.Context(), note(incidents.ActionTrigger))
	if !fault.Is(wrong, fault.Invalid) || strings.Contains(wrong.Error(), "hunter2") {
		t.Errorf("an address that is none: %v", wrong)
	}
}

func TestNewsIsNotSentWhereThereAreNoThreads(t *testing.T) {
	s := start(t)
	if _, err := teams.New("").Send(t.Context(), note(incidents.ActionUpdate)); !fault.Is(err, fault.Invalid) || s.Requests() > 0 {
		t.Errorf("%v, %d requests", err, s.Requests())
	}
}

// TestNoTextOfAnAlertBreaksACard lets the fake judge: it knows the schema and the size that Teams takes.
func TestNoTextOfAnAlertBreaksACard(t *testing.T) {
	s := start(t)
	texts := rapid.OneOf(
		rapid.String(), rapid.SampledFrom([]string{"", "\xff\xfe", "[a](http://evil.example)", "<at>all</at>"}),
		rapid.Map(rapid.SampledFrom([]string{"\"", "ü", "🔥", "\n", "](", "\x01", "\u2028", "\\"}),
			func(p string) string { return strings.Repeat(p, 6000) }),
	)
	actions := rapid.SampledFrom([]incidents.Action{incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionResolve})
	rapid.Check(t, func(t *rapid.T) {
		n := note(actions.Draw(t, "action"))
		i := &n.Incident
		for _, field := range []*string{&i.Title, &i.Summary, &i.Service, &i.Tenant, &i.SLO, &i.RunbookURL, &n.IncidentURL} {
			*field = texts.Draw(t, "text")
		}
		if rapid.Bool().Draw(t, "bundle") {
			n.Bundle = slices.Repeat([]incidents.Incident{n.Incident}, 40)
		}
		if _, err := teams.New("").Send(t.Context(), n); err != nil {
			t.Fatalf("%v: %q", err, s.Refused())
		}
	})
}

func TestAStatusUpdateIsACardOfItsOwn(t *testing.T) {
	s := start(t)
	n := note(incidents.ActionStatus)
	n.Text, n.Incident.Phase = "We know [more](http://evil.example).", incidents.Identified
	c := send(t, s, n)
	if got, want := c.Body[0].Text(), "Update on #12 identified: acme: Orders fail"; got != want {
		t.Errorf("headline %q; want %q", got, want)
	}
	if got := c.Body[1].Text(); got != n.Text || c.Body[0].Style != "accent" {
		t.Errorf("text %q, colour %q", got, c.Body[0].Style)
	}
}
