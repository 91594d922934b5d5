package alerting_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"pgregory.net/rapid"
)

func TestWhoInhibitsHasAllThatSomeRuleRequires(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", "b"})
	matcher := rapid.Custom(func(r *rapid.T) alerting.Matcher {
		return alerting.Matcher{
			Name: rapid.SampledFrom([]string{"x", "y"}).Draw(r, "name"), Value: word.Draw(r, "value"),
			IsRegex: rapid.Bool().Draw(r, "regex"), IsEqual: rapid.Bool().Draw(r, "equal"),
		}
	})
	matchers := rapid.SliceOfN(matcher, 1, 3)
	rapid.Check(t, func(r *rapid.T) {
		rule := alerting.InhibitRule{Name: "r", Source: matchers.Draw(r, "source"), Target: matchers.Draw(r, "target")}
		rules := alerting.Rules{Inhibit: []alerting.InhibitRule{rule}}
		a := alerting.Alert{Labels: map[string]string{}}
		for _, name := range []string{"x", "y"} {
			if v := word.Draw(r, name); v != "" {
				a.Labels[name] = v
			}
		}
		for side, c := range map[string]struct {
			got bool
			of  []alerting.Matcher
		}{"source": {rules.Inhibits(a), rule.Source}, "target": {rules.Compiled().Inhibitable(a), rule.Target}} {
			compiled, err := alerting.CompileMatchers(c.of)
			if err != nil {
				r.Fatal(err)
			}
			if want := compiled.Match(a.Labels); c.got != want {
				r.Errorf("%s %v of %v: %v, want %v", side, c.of, a.Labels, c.got, want)
			}
		}
		for name, value := range rules.InhibitorLabels()[0] {
			if rules.Inhibits(a) && a.Labels[name] != value {
				r.Errorf("%v inhibits without %s=%s", a.Labels, name, value)
			}
		}
	})
}

func TestAHeartbeatsStateFollowsItsLastPing(t *testing.T) {
	h := alerting.Heartbeat{Name: "backup", Interval: time.Hour, Grace: time.Minute}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if s := h.StateAfter(alerting.Ping{}, now); s.Overdue || s.LastAt != nil || s.DueAt != nil {
		t.Errorf("never pinged: %+v", s)
	}
	for ago, overdue := range map[time.Duration]bool{time.Hour: false, 61 * time.Minute: true} {
		if s := h.StateAfter(alerting.Ping{LastAt: now.Add(-ago)}, now); s.Overdue != overdue || !s.DueAt.Equal(now.Add(61*time.Minute-ago)) {
			t.Errorf("pinged %s ago: %+v", ago, s)
		}
	}
}
