package incidents_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/incidents"
)

// routed is a router whose routes say the same of every alert.
func routed(r incidents.Route) incidents.Router {
	mail := incidents.Target{Email: &incidents.EmailTarget{To: []string{"lead@example.com"}}}
	slack := incidents.Target{Slack: &incidents.SlackTarget{Channel: "#a"}}
	return incidents.Router{
		Policies: map[string]incidents.Policy{
			"oncall": {Name: "oncall", Steps: []incidents.Step{
				{Targets: []incidents.Target{mail, slack, mail}}, {Delay: 10 * time.Minute, Targets: []incidents.Target{slack}},
			}},
			"rest": {Name: "rest"},
		},
		Default: "rest",
		Routes:  func(incidents.AlertFacts) incidents.Route { return r },
	}
}

func TestWhatARouteSaysCountsBeforeTheAlert(t *testing.T) {
	t.Parallel()
	a := burn("page-fast", "severity", "critical")
	a.Annotations = map[string]string{"nines_policy": "rest"}
	s := routed(incidents.Route{
		Path: []string{"shop"}, Policy: "oncall", Severity: incidents.Info, Grouped: true, GroupAt: "shop",
		Group: map[string]string{"zone": "a", "alertname": "x"}, Window: time.Hour, Drop: true,
	}).Signal(a, t0)
	if s.Policy.Name != "oncall" || s.Severity != incidents.Info || s.GroupWindow != time.Hour || !s.Drop {
		t.Errorf("%+v does not say what the route says", s)
	}
	if want := `route/shop/{"alertname":"x","zone":"a"}`; s.GroupKey != want {
		t.Errorf("group key %s; want %s", s.GroupKey, want)
	}
}

func TestWhatARouteLeavesOutIsAsWithoutIt(t *testing.T) {
	t.Parallel()
	a := burn("page-fast")
	silent := routed(incidents.Route{Path: []string{"shop"}, Policy: "gone", Severity: "worst"})
	without := silent
	without.Routes = nil
	if got, want := silent.Signal(a, t0), without.Signal(a, t0); !cmp.Equal(got, want) {
		t.Errorf("%s", cmp.Diff(want, got))
	}
}

func TestALongGroupStillMakesAKeyThatADatabaseIndexes(t *testing.T) {
	t.Parallel()
	key := func(v string) string {
		group := map[string]string{"annotations.a": strings.Repeat("x", 5000) + v}
		return routed(incidents.Route{Grouped: true, GroupAt: "r", Group: group}).Signal(incidents.AlertFacts{}, t0).GroupKey
	}
	if len(key("a")) > 500 || key("a") == key("b") {
		t.Errorf("keys of %d bytes: %s and %s", len(key("a")), key("a"), key("b"))
	}
	if closed := incidents.ClosedGroup(key("a"), "b0e6f7c4"); len(closed) > 500 || closed == key("a") {
		t.Errorf("an incident whose window is over keeps %s", closed)
	}
}

func TestAnAlertJoinsWithinTheRollingWindow(t *testing.T) {
	t.Parallel()
	f := func(window, since time.Duration, want bool) {
		t.Helper()
		if got := (incidents.Signal{GroupWindow: window}).Joins(t0, t0.Add(since)); got != want {
			t.Errorf("%s after the latest, with a window of %s: joins %v; want %v", since, window, got, want)
		}
	}
	f(0, 1000*time.Hour, true)
	f(time.Hour, time.Hour, true)
	f(time.Hour, time.Hour+1, false)
	f(time.Hour, -time.Minute, true)
}

func TestTheRouterExplainsWhereAnAlertGoes(t *testing.T) {
	t.Parallel()
	alert := incidents.AlertFacts{Labels: map[string]string{"alertname": "Down", "severity": "critical"}}
	const joins = `opens or joins the incident with group key alert/Down/{}, as long as that is open`
	f := func(name string, r incidents.Router, a incidents.AlertFacts, want ...string) {
		t.Helper()
		if got := r.Explain(a); !slices.Equal(got, want) {
			t.Errorf("%s: %s", name, cmp.Diff(want, got))
		}
	}
	f("dropped", routed(incidents.Route{Path: []string{"a", "b/1"}, Drop: true}), alert,
		"recorded only: route a and b/1 opens no incident for it")
	f("by a route", routed(incidents.Route{
		Path: []string{"a"}, Policy: "oncall", Severity: incidents.Error, Grouped: true, GroupAt: "a", Window: time.Hour,
	}), alert,
		"opens or joins the incident with group key route/a/{}, if its latest alert came at most 1h0m0s before",
		"severity error, from route a",
		"pages policy oncall, named by route a",
		"step 1 at once: 2 email, slack",
		"step 2 after 10m0s: slack")
	f("by default", routed(incidents.Route{}), alert, joins, `severity critical, from the label severity="critical"`,
		"pages policy rest, named by the default, since nothing else names a policy that is defined")
	f("by nobody", incidents.Router{}, alert, joins, `severity critical, from the label severity="critical"`,
		"pages nobody, because no route names a defined policy, nor do the alert, its SLO and its service, and there is no default")
	f("no page", incidents.Router{}, incidents.AlertFacts{Labels: map[string]string{"alertname": "Down"}}, joins,
		"severity warning, from nothing that says it, so the middle one",
		"pages nobody, because warning does not page; only critical and error do")
	sloth := incidents.Router{}.Explain(incidents.AlertFacts{Labels: map[string]string{"sloth_severity": "page"}})
	if sloth[1] != "severity critical, from the label sloth_severity" {
		t.Errorf("a page of Sloth's: %s", sloth[1])
	}
	burning := incidents.Router{}.Explain(burn("page-slow"))
	if burning[1] != "severity error, from the burn tier page-slow" {
		t.Errorf("a burn alert's severity: %s", burning[1])
	}
}
