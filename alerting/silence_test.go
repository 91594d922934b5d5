package alerting_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func is(name, value string) alerting.Matcher {
	return alerting.Matcher{Name: name, Value: value, IsEqual: true}
}

func like(name, value string) alerting.Matcher {
	return alerting.Matcher{Name: name, Value: value, IsRegex: true, IsEqual: true}
}

func silence(from, until time.Duration, matchers ...alerting.Matcher) alerting.Silence {
	if len(matchers) == 0 {
		matchers = []alerting.Matcher{is("alertname", "Down")}
	}
	return alerting.Silence{ID: "s1", Matchers: matchers, StartsAt: noon.Add(from), EndsAt: noon.Add(until), CreatedBy: "ann"}
}

func TestASilenceIsActiveFromItsStartUntilJustBeforeItsEnd(t *testing.T) {
	t.Parallel()
	s := silence(time.Hour, 2*time.Hour)
	f := func(at time.Duration, want alerting.SilenceState) {
		t.Helper()
		if got := s.State(noon.Add(at)); got != want {
			t.Errorf("after %s: %s; want %s", at, got, want)
		}
	}
	f(0, alerting.SilencePending)
	f(time.Hour-1, alerting.SilencePending)
	f(time.Hour, alerting.SilenceActive)
	f(2*time.Hour-1, alerting.SilenceActive)
	f(2*time.Hour, alerting.SilenceExpired)
}

func TestASilenceIsCheckedAsAlertmanagerDoes(t *testing.T) {
	t.Parallel()
	f := func(name, want string, s alerting.Silence) {
		t.Helper()
		err := alerting.CheckSilence(s, noon)
		if want == "" && err == nil {
			return
		}
		if want == "" || !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Public(err).Message, want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	with := func(change func(*alerting.Silence)) alerting.Silence {
		s := silence(0, time.Hour)
		change(&s)
		return s
	}
	f("one of an hour", "", silence(0, time.Hour))
	f("one that began", "", silence(-time.Hour, time.Hour))
	f("one to come", "", silence(time.Hour, 2*time.Hour))
	f("one in the past", "in the past", silence(-2*time.Hour, -time.Hour))
	f("one that ends before it starts", "before end time", silence(2*time.Hour, time.Hour))
	f("one of no length", "before end time", silence(time.Hour, time.Hour))
	f("no start", "startsAt", with(func(s *alerting.Silence) { s.StartsAt = time.Time{} }))
	f("no end", "endsAt", with(func(s *alerting.Silence) { s.EndsAt = time.Time{} }))
	f("no matcher", "at least one", with(func(s *alerting.Silence) { s.Matchers = nil }))
	f("only the empty string", "empty string", silence(0, time.Hour, is("x", "")))
	f("anything at all", "empty string", silence(0, time.Hour, like("x", ".*")))
	f("anything but", "empty string", silence(0, time.Hour, alerting.Matcher{Name: "x", Value: "y"}))
	f("the empty string beside another", "", silence(0, time.Hour, is("x", ""), is("y", "z")))
	f("something", "", silence(0, time.Hour, alerting.Matcher{Name: "x"}))
	f("bad expression", "regular expression", silence(0, time.Hour, like("x", "(")))
	f("bad name", "label name", silence(0, time.Hour, is("a b", "c")))
	f("long comment", "comment", with(func(s *alerting.Silence) { s.Comment = strings.Repeat("x", 4001) }))
	f("comment with NUL", "comment", with(func(s *alerting.Silence) { s.Comment = "a\x00b" }))
	f("long author", "createdBy", with(func(s *alerting.Silence) { s.CreatedBy = strings.Repeat("x", 201) }))
}

func TestReplacingASilenceKeepsItsIDOnlyWhereTheSameAlertsStaySilent(t *testing.T) {
	t.Parallel()
	other := is("alertname", "Up")
	f := func(name string, old, wish alerting.Silence, keeps bool) {
		t.Helper()
		current, replaced := old.Replace(wish, "s2", noon)
		if keeps != (current.ID == "s1") || keeps != (replaced == nil) {
			t.Errorf("%s: is %s and replaces %v; keeps its id: want %v", name, current.ID, replaced, keeps)
		}
		if replaced != nil && (replaced.ID != "s1" || replaced.State(noon) != alerting.SilenceExpired) {
			t.Errorf("%s: the old one is %+v; want it expired", name, *replaced)
		}
		if !current.UpdatedAt.Equal(noon) || replaced != nil && current.StartsAt.Before(noon) {
			t.Errorf("%s: is %+v; want one that does not begin before now", name, current)
		}
	}
	active, pending, expired := silence(-time.Hour, time.Hour), silence(time.Hour, 2*time.Hour), silence(-2*time.Hour, -time.Hour)
	f("an active one is extended", active, silence(-time.Hour, 3*time.Hour), true)
	f("an active one is shortened", active, silence(-time.Hour, time.Minute), true)
	f("an active one starts otherwise", active, silence(0, time.Hour), false)
	f("an active one matches otherwise", active, silence(-time.Hour, time.Hour, other), false)
	f("an active one ends in the past", active, silence(-time.Hour, -time.Minute), false)
	f("a pending one starts otherwise", pending, silence(30*time.Minute, 2*time.Hour), true)
	f("a pending one starts in the past", pending, silence(-time.Minute, 2*time.Hour), false)
	f("a pending one matches otherwise", pending, silence(time.Hour, 2*time.Hour, other), false)
	f("an expired one is set again", expired, silence(-2*time.Hour, time.Hour), false)
}

func TestReplacingASilenceLeavesItWithItsTenant(t *testing.T) {
	t.Parallel()
	old := silence(-time.Hour, time.Hour)
	old.Tenant = "acme"
	wish := silence(-time.Hour, 2*time.Hour)
	wish.Tenant = "globex"
	if current, _ := old.Replace(wish, "s2", noon); current.Tenant != "acme" {
		t.Errorf("belongs to %q; want acme", current.Tenant)
	}
}

func TestExpiringTwiceIsExpiringOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := time.Duration(rapid.IntRange(-100, 100).Draw(t, "from")) * time.Minute
		s := silence(from, from+time.Duration(rapid.IntRange(1, 100).Draw(t, "length"))*time.Minute)
		once := s.Expire(noon)
		if once.State(noon) != alerting.SilenceExpired {
			t.Errorf("%+v expires to %+v, which is %s", s, once, once.State(noon))
		}
		if twice := once.Expire(noon.Add(time.Minute)); !cmp.Equal(once, twice) {
			t.Errorf("expired %+v, and again %+v", once, twice)
		}
	})
}

func TestASilenceConcernsItsTenantsAlertsOnly(t *testing.T) {
	t.Parallel()
	f := func(owner, tenant, name string, want bool) {
		t.Helper()
		s := silence(0, time.Hour)
		s.Tenant = owner
		a := alerting.Alert{Tenant: tenant, Labels: map[string]string{"alertname": name}}
		if got := s.Concerns(a); got != want {
			t.Errorf("one of %q concerns %s of %q: %v; want %v", owner, name, tenant, got, want)
		}
	}
	f("", "", "Down", true)
	f("", "acme", "Down", true)
	f("", "acme", "Up", false)
	f("acme", "acme", "Down", true)
	f("acme", "globex", "Down", false)
	f("acme", "", "Down", false)
}
