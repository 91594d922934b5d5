package alerting_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
)

var t0 = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

func named(name string) map[string]string { return map[string]string{"alertname": name} }

func TestFingerprintsAreAlertmanagers(t *testing.T) {
	t.Parallel()
	f := func(want string, labels map[string]string) {
		t.Helper()
		if got := alerting.Fingerprint(labels); got != want {
			t.Errorf("%v: %s; want %s", labels, got, want)
		}
	}
	f("25c2cdb12d31dc50", map[string]string{"alertname": "A", "severity": "warning"})
	f("25c2cdb12d31dc50", map[string]string{"alertname": "A", "severity": "warning", "empty": ""})
	f("fff7f30401697f7b", named("good"))
	f("8f14a41207c8456c", map[string]string{"alertname": "test1", "severity": "warning"})
}

// TestParseAnswersAsAlertmanagerDoes follows a transcript of Alertmanager 0.25.
func TestParseAnswersAsAlertmanagerDoes(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for n := range 129 {
		many["l"+strings.Repeat("x", n)] = "v"
	}
	for _, test := range []struct {
		name   string
		posted []alerting.PostedAlert
		stored int
		bad    []string // JSON pointers
	}{
		{"no alerts", nil, 0, nil},
		{"one good", []alerting.PostedAlert{{Labels: named("A")}}, 1, nil},
		{"no labels", []alerting.PostedAlert{{}}, 0, []string{"/0"}},
		{"only empty labels", []alerting.PostedAlert{{Labels: map[string]string{"a": ""}}}, 0, []string{"/0"}},
		{"a bad name beside a good alert", []alerting.PostedAlert{{Labels: map[string]string{"bad-name": "x"}}, {Labels: named("good")}}, 1, []string{"/0"}},
		{"a bad annotation name", []alerting.PostedAlert{{Labels: named("A"), Annotations: map[string]string{"1": "x"}}}, 0, []string{"/0"}},
		{"end before start", []alerting.PostedAlert{{Labels: named("A"), StartsAt: t0, EndsAt: t0.Add(-time.Second)}}, 0, []string{"/0"}},
		{"end at start", []alerting.PostedAlert{{Labels: named("A"), StartsAt: t0, EndsAt: t0}}, 1, nil},
		{"too many labels", []alerting.PostedAlert{{Labels: many}}, 0, []string{"/0"}},
		{"too long a label", []alerting.PostedAlert{{Labels: named(strings.Repeat("x", 5000))}}, 0, []string{"/0"}},
		{"a NUL in a label", []alerting.PostedAlert{{Labels: named("a\x00b")}}, 0, []string{"/0"}},
		{"not UTF-8", []alerting.PostedAlert{{Labels: named("\xff")}}, 0, []string{"/0"}},
		{"several bad", []alerting.PostedAlert{{}, {Labels: named("A")}, {}}, 1, []string{"/0", "/2"}},
	} {
		valid, err := alerting.Parse(test.posted, t0, time.Minute)
		if len(valid) != test.stored {
			t.Errorf("%s: %d stored; want %d", test.name, len(valid), test.stored)
		}
		if (len(test.bad) > 0) != fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var f *fault.Error
		if !errors.As(err, &f) {
			continue
		}
		for n, d := range f.Details {
			if n >= len(test.bad) || d.Where != test.bad[n] {
				t.Errorf("%s: problem at %s; want %v", test.name, d.Where, test.bad)
			}
		}
	}
}

func TestMissingTimesAreFilledIn(t *testing.T) {
	t.Parallel()
	f := func(name string, starts, ends, wantStart, wantEnd time.Time) {
		t.Helper()
		valid, err := alerting.Parse([]alerting.PostedAlert{{Labels: named("A"), StartsAt: starts, EndsAt: ends}}, t0, 5*time.Minute)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if a := valid[0]; !a.StartsAt.Equal(wantStart) || !a.EndsAt.Equal(wantEnd) || !a.UpdatedAt.Equal(t0) {
			t.Errorf("%s: %v to %v; want %v to %v", name, a.StartsAt, a.EndsAt, wantStart, wantEnd)
		}
	}
	var none time.Time
	hour := time.Hour
	f("neither", none, none, t0, t0.Add(5*time.Minute))
	f("no end", t0.Add(-hour), none, t0.Add(-hour), t0.Add(5*time.Minute))
	f("no start, still firing", none, t0.Add(hour), t0, t0.Add(hour))
	f("no start, ended", none, t0.Add(-hour), t0.Add(-hour), t0.Add(-hour))
	f("starts later, no end", t0.Add(hour), none, t0.Add(hour), t0.Add(hour+5*time.Minute))
}

func TestTextThatStorageOrABrowserCannotTakeIsMended(t *testing.T) {
	t.Parallel()
	valid, err := alerting.Parse([]alerting.PostedAlert{{
		Labels: named("A"), Annotations: map[string]string{"summary": "a\x00b"}, GeneratorURL: "javascript:alert(1)",
	}}, t0, 0)
	if err != nil || valid[0].Annotations["summary"] != "a\uFFFDb" || valid[0].GeneratorURL != "" {
		t.Errorf("got %+v, %v", valid, err)
	}
}

func TestAFloodInOneRequestIsTooLarge(t *testing.T) {
	t.Parallel()
	valid, err := alerting.Parse(make([]alerting.PostedAlert, alerting.MaxAlerts+1), t0, 0)
	if !fault.Is(err, fault.TooLarge) || valid != nil {
		t.Errorf("%d alerts, %v; want none, too large", len(valid), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"labels":{"alertname":"A","severity":"warning"},"annotations":{"summary":"x"},"startsAt":"2026-11-03T03:04:05Z","generatorURL":"http://p/graph"}]`))
	f.Add([]byte(`[{"labels":{"a":""}},{"labels":{"b-c":"d"}},{"labels":{"x":"y"},"endsAt":"0001-01-01T00:00:00Z"}]`))
	f.Add([]byte(`[{"labels":{"alertname":"\u0000"},"endsAt":"9999-12-31T23:59:59+14:00"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var posted []alerting.PostedAlert
		if json.Unmarshal(body, &posted) != nil {
			t.Skip("not JSON of this shape")
		}
		valid, err := alerting.Parse(posted, t0, time.Minute)
		if (err == nil) != (len(valid) == len(posted)) {
			t.Errorf("%d of %d valid, yet %v", len(valid), len(posted), err)
		}
		for _, a := range valid {
			if len(a.Labels) == 0 || a.EndsAt.Before(a.StartsAt) || len(a.Fingerprint) != 16 || a.Fingerprint != alerting.Fingerprint(a.Labels) {
				t.Errorf("a valid alert is not: %+v", a)
			}
			text, err := json.Marshal(a)
			if err != nil || strings.Contains(string(text), `\u0000`) {
				t.Errorf("%s cannot be stored: %v", text, err)
			}
		}
	})
}
