package alerting_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/manifest"
)

// document makes a document of the kind, named x; its spec begins on line 5.
func document(t testing.TB, kind, spec string) manifest.Document {
	t.Helper()
	text := "apiVersion: nines/v1\nkind: " + kind + "\nmetadata: {name: x}\nspec:\n" + spec
	docs, problems := manifest.Read(manifest.File{Name: "x.yaml", Text: text})
	if len(docs) != 1 || len(problems) > 0 {
		t.Fatalf("%d documents, %v", len(docs), problems)
	}
	return docs[0]
}

// read reads a document of any of the kinds.
func read(d manifest.Document) manifest.Problems {
	var problems manifest.Problems
	switch d.Kind {
	case alerting.InhibitRuleKind:
		_, problems = alerting.ReadInhibitRule(d)
	case alerting.MaintenanceWindowKind:
		_, problems = alerting.ReadMaintenanceWindow(d)
	case alerting.AlertRouteKind:
		_, problems = alerting.ReadAlertRoute(d)
	case alerting.HeartbeatKind:
		_, problems = alerting.ReadHeartbeat(d)
	}
	return problems
}

func TestTheProblemsOfADefinitionAreNamedWithTheirLines(t *testing.T) {
	t.Parallel()
	f := func(kind, spec string, want ...string) {
		t.Helper()
		var got []string
		for _, p := range read(document(t, kind, spec)).Sorted() {
			got = append(got, p.String())
		}
		if len(got) != len(want) {
			t.Errorf("%s %s: problems %q; want %d", kind, spec, got, len(want))
			return
		}
		for n := range want {
			if !strings.Contains(got[n], want[n]) {
				t.Errorf("%s: %s; want it to contain %s", kind, got[n], want[n])
			}
		}
	}
	const patches = "  matchers: [a=b]\n  start: 2026-03-02\n" // of a window
	const inhibit, window, route, heartbeat = "InhibitRule", "MaintenanceWindow", "AlertRoute", "Heartbeat"
	f(inhibit, "  source: ['a=\"b\"']\n  target: [c=d]\n  equal: [zone]\n")
	f(inhibit, "  equal: [zone]\n", "spec.source: is missing", "spec.target: is missing")
	f(inhibit, "  source: ['a=~\"(\"']\n  target: ['a=\"\"']\n  equal: [a b, c, c]\n",
		"x.yaml:5: spec.source.0: ", "x.yaml:6: spec.target: selects every alert",
		`spec.equal.0: "a b" is no label name`, "spec.equal.2: c stands there twice")

	f(window, "  matchers: [a=b]\n  start: 2026-03-01T02:00:00\n  end: 2026-03-01T04:00:00Z\n")
	f(window, "  matchers: [a=b]\n  start: 2026-03-01T02:00\n  duration: 2h\n  zone: Europe/Berlin\n  rrule: FREQ=WEEKLY;BYDAY=SU\n")
	f(window, "  matchers: []\n", "spec.start: is missing", "spec.matchers: is missing")
	f(window, "  matchers: [a=b]\n  start: tomorrow\n", `spec.start: "tomorrow" is not a time`)
	f(window, "  matchers: [a=b]\n  start: 2026-03-01\n  zone: Mars/Olympus\n", "spec.zone:")
	f(window, "  matchers: [a=b]\n  start: 2026-03-01\n  zone: Local\n", "spec.zone:")
	f(window, "  matchers: [a=b]\n  start: 2026-03-02\n", "write either end or duration")
	f(window, patches+"  end: 2026-03-03\n  duration: 1h\n", "write either end or duration")
	f(window, patches+"  end: 2026-03-01\n", "spec.end: is not after the start")
	f(window, patches+"  end: 2028-03-01\n", "the longest")
	f(window, patches+"  rrule: FREQ=DAILY\n", "spec.duration: is missing")
	f(window, patches+"  duration: 60d\n  rrule: FREQ=DAILY\n", "spec.duration: is 60d")
	f(window, patches+"  end: 2026-03-03\n  duration: 1h\n  rrule: FREQ=DAILY\n", "spec.end: does not go with rrule")
	f(window, patches+"  duration: 1h\n  rrule: FREQ=HOURLY\n", "x.yaml:8: spec.rrule: FREQ is HOURLY")
	f(window, patches+"  duration: 1h\n  rrule: every sunday\n", "spec.rrule:")
	f(window, patches+"  duration: 1h\n  comment: "+strings.Repeat("x", 4001)+"\n", "spec.comment: has 4001")

	f(route, "  weight: 10\n  matchers: [team=shop]\n  policy: shop\n"+
		"  groupBy: [alertname, annotations.summary]\n  groupWindow: 30m\n"+
		"  severity: error\n  routes:\n  - {matchers: [env=test], drop: true, continue: true}\n")
	f(route, "  weight: 2000000\n", "spec.weight: is 2000000")
	f(route, "  severity: page\n  groupWindow: 60d\n  groupBy: [..., a]\n",
		`spec.severity: is "page"`, "spec.groupWindow: is 60d", `spec.groupBy: has "..."`)
	f(route, "  routes:\n  - matchers: ['a=~\"(\"']\n  - plicy: a\n",
		"x.yaml:6: spec.routes.0.matchers.0: ", "x.yaml:7: spec.routes.1.plicy: is not a known field")
	f(route, "  groupBy: [annotations., a b]\n", "spec.groupBy.1: ")
	f(route, "  routes: "+strings.Repeat("[{routes: ", 10)+"[]"+strings.Repeat("}]", 10)+"\n", "nest deeper than 10 levels")

	f(route, "  routes:\n"+strings.Repeat("  - {policy: a}\n", 500), "x.yaml:505: spec.routes.499: is the route after 500 others")
	f(route, "  groupWindow: 31d\n  routes: [{groupWindow: 32d}]\n", "spec.routes.0.groupWindow: is 32d")
	f(route, "  matchers: ["+strings.Repeat("a=b,", 65)+"]\n", "spec.matchers: has 65 matchers")
	f(inhibit, "  source: [a=b]\n  target: [a=b]\n  equal: ["+strings.Repeat("a,", 129)+"]\n", "spec.equal: has 129 label names")

	f(heartbeat, "  interval: 1h\n  tenant: \"a\\0b\"\n  labels: {team: ''}\n", "spec.tenant: is not valid UTF-8 without NUL")
	f(heartbeat, "  interval: 1h\n  grace: 5m\n  labels: {team: a}\n  severity: warning\n")
	f(heartbeat, "  grace: 5m\n", "spec.interval: is missing")
	f(heartbeat, "  interval: 1s\n  grace: 60d\n", "spec.interval: is 1s", "spec.grace: is 60d")
	f(heartbeat, "  interval: 1h\n  severity: page\n  labels: {severity: x, a b: c}\n",
		"spec.severity", "spec.labels: invalid label name", "spec.labels.severity: is set by the heartbeat")
}

func TestAHeartbeatIsReadAsWritten(t *testing.T) {
	t.Parallel()
	h, problems := alerting.ReadHeartbeat(document(t, "Heartbeat",
		"  interval: 1h\n  grace: 5m\n  service: shop\n  tenant: acme\n  policy: night\n"))
	if len(problems) > 0 || h.Name != "x" || h.Interval != time.Hour || h.Grace != 5*time.Minute || h.Service != "shop" ||
		h.Severity != "critical" || h.Tenant != "acme" || h.Policy != "night" {
		t.Errorf("%+v, %v", h, problems)
	}
}

// FuzzReadDefinitions checks that no definition makes its reader panic, and that what is read without a problem works.
func FuzzReadDefinitions(f *testing.F) {
	for _, seed := range []string{
		"kind: InhibitRule\nspec: {source: [a=b], target: [c=~d.+], equal: [zone]}",
		"kind: MaintenanceWindow\nspec: {matchers: [a=b], start: 2026-03-01T02:00, duration: 2h, zone: Europe/Berlin, " +
			"rrule: FREQ=WEEKLY;BYDAY=SU;COUNT=3}",
		"kind: MaintenanceWindow\nspec: {matchers: [a=b], start: 2026-01-31, duration: 2h, " +
			"rrule: 'FREQ=MONTHLY;BYDAY=MO,TU,WE;BYSETPOS=-1;UNTIL=20270101T000000Z'}",
		"kind: MaintenanceWindow\nspec: {matchers: [a=b], start: 2026-01-31, end: 2026-02-01}",
		"kind: AlertRoute\nspec: {matchers: [a=b], groupBy: [...], " +
			"routes: [{policy: p, severity: info, continue: true}, {drop: true}]}",
		"kind: Heartbeat\nspec: {interval: 1h, grace: 5m, labels: {a: b}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f.yaml", Text: "apiVersion: nines/v1\nmetadata: {name: x}\n" + text})
		for _, d := range docs {
			if len(read(d)) > 0 {
				continue
			}
			rules := rulesOf(d).Compiled()
			a := alerting.Alert{Labels: map[string]string{"a": "b", "c": "dd"}, EndsAt: noon.Add(time.Hour)}
			j := alerting.NewJudge(rules, nil, []alerting.Alert{a}, noon)
			j.Explain(a)
			for _, w := range rules.Maintenance {
				for _, span := range w.Next(noon, 3) {
					if _, _, ok := w.Active(span.From); !ok {
						t.Errorf("%+v is not open at its start %s", w, span.From)
					}
				}
			}
		}
	})
}

func rulesOf(d manifest.Document) alerting.Rules {
	var rules alerting.Rules
	switch d.Kind {
	case alerting.InhibitRuleKind:
		rule, _ := alerting.ReadInhibitRule(d)
		rules.Inhibit = append(rules.Inhibit, rule)
	case alerting.MaintenanceWindowKind:
		w, _ := alerting.ReadMaintenanceWindow(d)
		rules.Maintenance = append(rules.Maintenance, w)
	case alerting.AlertRouteKind:
		r, _ := alerting.ReadAlertRoute(d)
		rules.Routes = append(rules.Routes, r)
	}
	return rules
}
