package alerting_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/alerting"
	"pgregory.net/rapid"
)

// firing makes an alert that fires, of "a=b" pairs.
func firing(pairs ...string) alerting.Alert {
	a := alerting.Alert{Labels: map[string]string{}, StartsAt: noon.Add(-time.Hour), EndsAt: noon.Add(time.Hour)}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		a.Labels[name] = value
	}
	a.Fingerprint = alerting.Fingerprint(a.Labels)
	return a
}

func of(tenant string, a alerting.Alert) alerting.Alert {
	a.Tenant = tenant
	return a
}

func conditions(t testing.TB, texts ...string) []alerting.Matcher {
	t.Helper()
	var all []alerting.Matcher
	for _, text := range texts {
		m, err := alerting.ReadMatcher(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// The cases are Alertmanager's semantics of inhibition.
func TestASourceInhibitsTargetsWithEqualLabels(t *testing.T) {
	t.Parallel()
	zone := alerting.InhibitRule{
		Name: "zone", Source: conditions(t, `alertname="JobDown"`), Target: conditions(t, `alertname="InstanceDown"`),
		Equal: []string{"zone"},
	}
	worse := alerting.InhibitRule{
		Name: "worse", Source: conditions(t, `severity="critical"`), Target: conditions(t, `severity=~"warning|critical"`),
		Equal: []string{"alertname", "job"},
	}
	jobDown, ended := firing("alertname=JobDown", "zone=aa"), firing("alertname=JobDown", "zone=aa")
	ended.EndsAt = noon
	f := func(name string, rule alerting.InhibitRule, a alerting.Alert, others []alerting.Alert, want ...string) {
		t.Helper()
		j := alerting.NewJudge(alerting.Rules{Inhibit: []alerting.InhibitRule{rule}}, nil, append(others, a), noon)
		if got := j.Verdict(a).InhibitedBy; !slices.Equal(got, want) {
			t.Errorf("%s: inhibited by %v; want %v", name, got, want)
		}
	}
	f("same zone", zone, firing("alertname=InstanceDown", "zone=aa"), []alerting.Alert{jobDown}, jobDown.Fingerprint)
	f("other zone", zone, firing("alertname=InstanceDown", "zone=bb"), []alerting.Alert{jobDown})
	f("no zone on the target", zone, firing("alertname=InstanceDown"), []alerting.Alert{jobDown})
	bare := firing("alertname=JobDown")
	f("no zone on both", zone, firing("alertname=InstanceDown"), []alerting.Alert{bare}, bare.Fingerprint)
	f("a source that has ended", zone, firing("alertname=InstanceDown", "zone=aa"), []alerting.Alert{ended})
	f("a source alone", zone, jobDown, nil)
	f("no target", zone, firing("alertname=Else", "zone=aa"), []alerting.Alert{jobDown})

	critical, warning := firing("alertname=A", "severity=critical"), firing("alertname=A", "severity=warning")
	f("the less severe", worse, warning, []alerting.Alert{critical}, critical.Fingerprint)
	f("itself", worse, critical, nil)
	another := firing("alertname=A", "severity=critical", "x=y")
	f("what matches both sides, by another that does", worse, critical, []alerting.Alert{another})
	f("what matches both sides, by a target", worse, critical, []alerting.Alert{warning})
	f("another name", worse, firing("alertname=B", "severity=warning"), []alerting.Alert{critical})

	sources := []alerting.Alert{firing("alertname=JobDown", "zone=aa", "n=1"), firing("alertname=JobDown", "zone=aa", "n=2")}
	sources[1].StartsAt = noon.Add(-2 * time.Hour)
	f("the oldest of several explains it", zone, firing("alertname=InstanceDown", "zone=aa"), sources, sources[1].Fingerprint)
}

func TestAnAlertIsInhibitedByItsOwnTenantAndTheOperatorOnly(t *testing.T) {
	t.Parallel()
	rules := alerting.Rules{Inhibit: []alerting.InhibitRule{
		{Name: "r", Source: conditions(t, `alertname="ClusterDown"`), Target: conditions(t, `alertname="Down"`)},
	}}
	source, target := firing("alertname=ClusterDown"), firing("alertname=Down")
	f := func(from, to string, want bool) {
		t.Helper()
		j := alerting.NewJudge(rules, nil, []alerting.Alert{of(from, source)}, noon)
		if got := j.Verdict(of(to, target)).Suppressed(); got != want {
			t.Errorf("an alert of %q inhibits one of %q: %v; want %v", from, to, got, want)
		}
	}
	f("", "", true)
	f("", "acme", true)
	f("acme", "acme", true)
	f("acme", "", false)
	f("acme", "globex", false)
}

func TestAVerdictNamesAllThatHoldsAnAlert(t *testing.T) {
	t.Parallel()
	active, pending, expired := silence(-time.Hour, time.Hour), silence(time.Hour, 2*time.Hour), silence(-2*time.Hour, 0)
	other := active
	active.ID, pending.ID, expired.ID, other.ID, other.Tenant = "active", "pending", "expired", "acme's", "acme"
	open := alerting.MaintenanceWindow{Name: "open", Matchers: conditions(t, `alertname=~"D.+"`), Start: noon, End: noon.Add(1)}
	closed := alerting.MaintenanceWindow{Name: "closed", Matchers: open.Matchers, Start: noon.Add(1), End: noon.Add(2)}
	acme := alerting.MaintenanceWindow{Name: "acme", Tenant: "acme", Matchers: open.Matchers, Start: noon, End: noon.Add(1)}
	rules := alerting.Rules{
		Maintenance: []alerting.MaintenanceWindow{open, closed, acme},
		Inhibit: []alerting.InhibitRule{
			{Name: "r", Source: conditions(t, `alertname="Up"`), Target: conditions(t, `alertname="Down"`)},
		},
	}
	source := firing("alertname=Up")
	j := alerting.NewJudge(rules, []alerting.Silence{pending, other, expired, active}, []alerting.Alert{source}, noon)
	f := func(a alerting.Alert, want alerting.Verdict) {
		t.Helper()
		if got := j.Verdict(a); !cmp.Equal(got, want) {
			t.Errorf("%s of %q: %+v; want %+v", a.Labels["alertname"], a.Tenant, got, want)
		}
	}
	by := []string{source.Fingerprint}
	f(firing("alertname=Down"), alerting.Verdict{SilencedBy: []string{"active"}, InhibitedBy: by, MutedBy: []string{"open"}})
	f(of("acme", firing("alertname=Down")),
		alerting.Verdict{SilencedBy: []string{"acme's", "active"}, InhibitedBy: by, MutedBy: []string{"acme", "open"}})
	f(firing("alertname=Up"), alerting.Verdict{SilencedBy: []string{}, InhibitedBy: []string{}, MutedBy: []string{}})
}

func TestABrokenRuleHoldsNoPage(t *testing.T) {
	t.Parallel()
	bad := []alerting.Matcher{{Name: "alertname", Value: "(", IsRegex: true, IsEqual: true}}
	s, none := silence(-time.Hour, time.Hour, bad...), silence(-time.Hour, time.Hour)
	none.Matchers = nil
	down := conditions(t, `alertname="Down"`)
	rules := alerting.Rules{
		Maintenance: []alerting.MaintenanceWindow{
			{Name: "m", Matchers: bad, Start: noon, End: noon.Add(1)}, {Name: "all", Start: noon, End: noon.Add(1)},
		},
		Inhibit: []alerting.InhibitRule{{Name: "a", Source: bad, Target: down}, {Name: "b", Source: down, Target: bad}},
		Routes:  []alerting.AlertRoute{{Name: "r", Route: alerting.Route{Matchers: bad, Policy: "p"}}},
	}
	a := firing("alertname=Down")
	if v := alerting.NewJudge(rules, []alerting.Silence{s, none}, []alerting.Alert{a}, noon).Verdict(a); v.Suppressed() {
		t.Errorf("held by %+v", v)
	}
	if r := rules.Route(a); r.Policy != "" {
		t.Errorf("routed to %s", r.Policy)
	}
	explained := alerting.NewJudge(rules, nil, nil, noon).Explain(a)
	if f := explained[0]; f.Step != alerting.StepRoute || f.Applies || f.Text != "its matchers are not valid" {
		t.Errorf("the route is explained %+v", f)
	}
}

func TestAnExplanationSaysOfEachRuleWhyAndWhyNot(t *testing.T) {
	t.Parallel()
	active, pending := silence(-time.Hour, time.Hour), silence(time.Hour, 2*time.Hour)
	pending.ID = "s2"
	down, aa := conditions(t, `alertname="Down"`), conditions(t, `zone="aa"`)
	rules := alerting.Rules{
		Inhibit: []alerting.InhibitRule{
			{Name: "by-cluster", Source: conditions(t, `alertname="ClusterDown"`), Target: down, Equal: []string{"zone"}},
			{Name: "none", Source: conditions(t, `alertname="Else"`), Target: down, Equal: []string{"zone"}},
			{Name: "not", Source: conditions(t, `alertname="Else"`), Target: conditions(t, `severity="info"`)},
		},
		Maintenance: []alerting.MaintenanceWindow{
			{Name: "later", Matchers: aa, Start: noon.Add(time.Hour), End: noon.Add(2 * time.Hour)},
			{Name: "other", Tenant: "acme", Matchers: aa, Start: noon, End: noon.Add(time.Hour)},
		},
		Routes: []alerting.AlertRoute{
			{Name: "shop", Weight: 1, Route: alerting.Route{Matchers: aa, Policy: "shop", Routes: []alerting.Route{{Severity: "error"}}}},
			{Name: "rest", Weight: 2, Route: alerting.Route{Policy: "rest"}},
		},
	}
	a, source := firing("alertname=Down", "zone=aa"), firing("alertname=ClusterDown", "zone=aa")
	var got []string
	for _, f := range alerting.NewJudge(rules, []alerting.Silence{active, pending}, []alerting.Alert{source}, noon).Explain(a) {
		got = append(got, fmt.Sprintf("%s %s %v: %s", f.Step, f.Name, f.Applies, f.Text))
	}
	want := []string{
		"silence s1 true: silenced until 2026-03-02T13:00:00Z, set by ann",
		"silence s2 false: matches, but begins only at 2026-03-02T13:00:00Z",
		"inhibition by-cluster true: inhibited by alert " + source.Fingerprint +
			` (ClusterDown) with zone="aa", which fires since 2026-03-02T11:00:00Z`,
		`inhibition none false: a target, but no source alert with zone="aa" fires`,
		`inhibition not false: not a target: there is no label severity, which does not satisfy severity="info"`,
		"maintenance later false: matches, but is not open now; it opens next at 2026-03-02T13:00:00Z",
		"maintenance other false: concerns alerts of tenant acme only",
		"route shop true: matches at shop/1, pages policy shop, makes it error",
		"route rest false: not tried, because shop decided",
		"verdict  true: held by silence s1 and by alert " + source.Fingerprint,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", cmp.Diff(want, got))
	}
	free := alerting.NewJudge(alerting.Rules{}, nil, nil, noon).Explain(a)
	if len(free) != 1 || free[0].Applies || free[0].Text != "nothing keeps it from paging" {
		t.Errorf("without rules: %+v", free)
	}
}

// naive judges as the definitions read, without indexes.
type naive struct {
	rules    alerting.Rules
	silences []alerting.Silence
	firing   []alerting.Alert
}

func matches(ms []alerting.Matcher, a alerting.Alert) bool {
	compiled, err := alerting.CompileMatchers(ms)
	return err == nil && compiled.Match(a.Labels)
}

func mayHold(owner, tenant string) bool { return owner == "" || owner == tenant }

func (n naive) verdict(a alerting.Alert) alerting.Verdict {
	v := alerting.Verdict{SilencedBy: []string{}, InhibitedBy: []string{}, MutedBy: []string{}}
	for _, s := range n.silences {
		if s.State(noon) == alerting.SilenceActive && s.Concerns(a) {
			v.SilencedBy = append(v.SilencedBy, s.ID)
		}
	}
	for _, w := range n.rules.Maintenance {
		if _, _, open := w.Active(noon); open && mayHold(w.Tenant, a.Tenant) && matches(w.Matchers, a) {
			v.MutedBy = append(v.MutedBy, w.Name)
		}
	}
	for _, rule := range n.rules.Inhibit {
		if fingerprint := n.inhibitor(rule, a); fingerprint != "" {
			v.InhibitedBy = append(v.InhibitedBy, fingerprint)
		}
	}
	slices.Sort(v.SilencedBy)
	slices.Sort(v.MutedBy)
	slices.Sort(v.InhibitedBy)
	v.InhibitedBy = slices.Compact(v.InhibitedBy)
	return v
}

func (n naive) inhibitor(rule alerting.InhibitRule, a alerting.Alert) string {
	var found []alerting.Alert
	for _, s := range n.firing {
		explains := s.Firing(noon) && mayHold(s.Tenant, a.Tenant) && matches(rule.Source, s) && matches(rule.Target, a)
		for _, name := range rule.Equal {
			explains = explains && s.Labels[name] == a.Labels[name]
		}
		if explains && !(matches(rule.Source, a) && matches(rule.Target, s)) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(x, y alerting.Alert) int {
		if c := x.StartsAt.Compare(y.StartsAt); c != 0 {
			return c
		}
		return strings.Compare(x.Fingerprint, y.Fingerprint)
	})
	if len(found) == 0 {
		return ""
	}
	return found[0].Fingerprint
}

var (
	someNames  = rapid.SampledFrom([]string{"alertname", "severity", "zone"})
	someValues = rapid.SampledFrom([]string{"a", "b"})
)

func alerts() *rapid.Generator[alerting.Alert] {
	return rapid.Custom(func(t *rapid.T) alerting.Alert {
		a := alerting.Alert{
			Tenant:   rapid.SampledFrom([]string{"", "acme", "globex"}).Draw(t, "tenant"),
			Labels:   rapid.MapOf(someNames, someValues).Draw(t, "labels"),
			StartsAt: noon.Add(-time.Duration(rapid.IntRange(1, 3).Draw(t, "age")) * time.Minute),
			EndsAt:   noon.Add(time.Duration(rapid.IntRange(-1, 2).Draw(t, "left")) * time.Minute),
		}
		a.Fingerprint = alerting.Fingerprint(a.Labels)
		return a
	})
}

func TestTheJudgeIsTheNaiveJudge(t *testing.T) {
	t.Parallel()
	someMatchers := rapid.SliceOfN(matchers(), 1, 3)
	tenants := rapid.SampledFrom([]string{"", "acme"})
	rapid.Check(t, func(t *rapid.T) {
		var n naive
		for i := range rapid.IntRange(0, 5).Draw(t, "silences") {
			s := silence(time.Duration(rapid.IntRange(-2, 1).Draw(t, "from"))*time.Hour, 2*time.Hour, someMatchers.Draw(t, "matchers")...)
			s.ID, s.Tenant = fmt.Sprint("s", i), tenants.Draw(t, "owner")
			n.silences = append(n.silences, s)
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "windows") {
			from := noon.Add(time.Duration(rapid.IntRange(-2, 1).Draw(t, "from")) * time.Hour)
			n.rules.Maintenance = append(n.rules.Maintenance, alerting.MaintenanceWindow{
				Name: fmt.Sprint("w", i), Tenant: tenants.Draw(t, "owner"), Matchers: someMatchers.Draw(t, "matchers"),
				Start: from, End: from.Add(time.Hour),
			})
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "rules") {
			n.rules.Inhibit = append(n.rules.Inhibit, alerting.InhibitRule{
				Name: fmt.Sprint("r", i), Source: someMatchers.Draw(t, "source"), Target: someMatchers.Draw(t, "target"),
				Equal: rapid.SliceOfNDistinct(someNames, 0, 2, rapid.ID[string]).Draw(t, "equal"),
			})
		}
		n.firing = rapid.SliceOfN(alerts(), 0, 12).Draw(t, "firing")
		judge := alerting.NewJudge(n.rules, n.silences, n.firing, noon)
		compiled := alerting.NewJudge(n.rules.Compiled(), n.silences, n.firing, noon)
		for _, a := range append(slices.Clone(n.firing), alerts().Draw(t, "alert")) {
			want := n.verdict(a)
			if got := judge.Verdict(a); !cmp.Equal(got, want) {
				t.Errorf("%+v: %+v; want %+v", a, got, want)
			}
			if got := compiled.Verdict(a); !cmp.Equal(got, want) {
				t.Errorf("%+v, with rules compiled before: %+v; want %+v", a, got, want)
			}
			findings := judge.Explain(a)
			if last := findings[len(findings)-1]; last.Applies != want.Suppressed() {
				t.Errorf("%+v: explained %+v; the verdict is %+v", a, last, want)
			}
		}
	})
}

func BenchmarkJudgeTenThousandFiringAlertsByAHundredRules(b *testing.B) {
	var rules alerting.Rules
	for i := range 100 {
		service := fmt.Sprintf(`service="s%d"`, i)
		rules.Inhibit = append(rules.Inhibit, alerting.InhibitRule{
			Name: fmt.Sprint("r", i), Source: conditions(b, service, `severity="critical"`),
			Target: conditions(b, `severity=~"warning|info"`, service), Equal: []string{"zone"},
		})
	}
	all := make([]alerting.Alert, 10_000)
	for i := range all {
		service, zone, severity := fmt.Sprint("service=s", i%200), fmt.Sprint("zone=", i%7), []string{"critical", "warning"}[i%2]
		all[i] = firing("alertname=Down", service, zone, "severity="+severity, fmt.Sprint("i=", i))
	}
	rules = rules.Compiled()
	judge := func(b *testing.B, some []alerting.Alert) {
		for b.Loop() {
			j := alerting.NewJudge(rules, nil, all, noon)
			for _, a := range some {
				j.Verdict(a)
			}
		}
	}
	b.Run("all of them", func(b *testing.B) { judge(b, all) })
	b.Run("one of them", func(b *testing.B) { judge(b, all[1:2]) })
}

func TestCompilingRulesLeavesTheGivenOnesInTheirOrder(t *testing.T) {
	t.Parallel()
	rules := alerting.Rules{Inhibit: []alerting.InhibitRule{{Name: "b"}, {Name: "a"}}}
	compiled := rules.Compiled()
	if rules.Inhibit[0].Name != "b" || compiled.Inhibit[0].Name != "a" {
		t.Errorf("given %v, compiled %v", rules.Inhibit, compiled.Inhibit)
	}
}
