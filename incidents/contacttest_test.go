package incidents_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

func topic(name string) incidents.Target {
	return incidents.Target{Ntfy: &incidents.NtfyTarget{URL: "https://ntfy.example/" + name}}
}

func TestASpotNamesTargetsOfAPolicy(t *testing.T) {
	t.Parallel()
	p := incidents.Policy{Name: "shop", Steps: []incidents.Step{
		{Targets: []incidents.Target{topic("a"), topic("b")}, Fallback: &incidents.Fallback{Targets: []incidents.Target{topic("c")}}},
		{Targets: []incidents.Target{topic("a"), topic("d")}},
	}}
	f := func(name string, at incidents.Spot, want ...string) {
		t.Helper()
		got, err := p.At(at)
		if len(want) == 0 {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v %v", name, got, err)
			}
			return
		}
		var names []string
		for _, g := range got {
			names = append(names, g.Ntfy.URL[len("https://ntfy.example/"):])
		}
		if err != nil || len(names) != len(want) {
			t.Fatalf("%s: %v %v", name, names, err)
		}
		for n := range want {
			if names[n] != want[n] {
				t.Errorf("%s: %v", name, names)
			}
		}
	}
	f("all, each once", incidents.Spot{}, "a", "b", "c", "d")
	f("a step", incidents.Spot{Step: 2}, "a", "d")
	f("one of a step", incidents.Spot{Step: 1, Index: 2}, "b")
	f("a fallback", incidents.Spot{Step: 1, Fallback: true}, "c")
	f("one of a fallback", incidents.Spot{Step: 1, Fallback: true, Index: 1}, "c")
	f("a fallback that is none", incidents.Spot{Step: 2, Fallback: true})
	f("a step that is none", incidents.Spot{Step: 3})
	f("a step below the first", incidents.Spot{Step: -1})
	f("a target that is none", incidents.Spot{Step: 1, Index: 3})
	f("a target below the first", incidents.Spot{Step: 1, Index: -1})
	f("a target of no step", incidents.Spot{Index: 1})
	f("a fallback of no step", incidents.Spot{Fallback: true})
}

func TestTwoTestsAreNeverTakenForOne(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	keys := map[string]bool{}
	for _, at := range []time.Time{now, now.Add(time.Millisecond)} {
		for _, target := range []incidents.Target{topic("a"), topic("b")} {
			n := incidents.TestNotification(target, "ana", at)
			keys[n.Page.DedupKey] = true
			if n.Page.Incident != n.Page.DedupKey || n.Incident.ID != "" || n.Incident.Number != 0 {
				t.Errorf("%+v", n.Page) // providers tell messages apart by the page, and offer answers by the incident
			}
		}
	}
	if len(keys) != 4 {
		t.Errorf("%v", keys)
	}
}

func TestATargetThatCannotBePagedSaysWhy(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]incidents.Target{
		"none": {}, "two": {Ntfy: topic("a").Ntfy, Email: &incidents.EmailTarget{To: []string{"a@example.com"}}},
		"no address":    {Webhook: &incidents.WebhookTarget{Secret: incidents.Secret{Env: "X"}}},
		"no place":      {Slack: &incidents.SlackTarget{}},
		"no telephone":  {SMS: &incidents.TwilioTarget{To: "0151", From: "+15005550006", Account: "AC1", Token: incidents.Secret{Env: "T"}}},
		"two places":    {Teams: &incidents.TeamsTarget{URL: incidents.Secret{Env: "X", File: "y"}}},
		"not a webpage": {Ntfy: &incidents.NtfyTarget{URL: "file:///etc/passwd"}},
	} {
		if err := target.Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := topic("a").Check(); err != nil {
		t.Error(err)
	}
}
