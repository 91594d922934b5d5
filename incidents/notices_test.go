package incidents_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

func reached(p incidents.Person, u incidents.Urgency, at time.Time) string {
	var out []string
	for _, n := range p.Notices(u, at) {
		out = append(out, fmt.Sprintf("%s %s", n.Method, n.At.UTC().Format("Mon 15:04")))
	}
	return strings.Join(out, ", ")
}

func TestHowAPersonIsCalled(t *testing.T) {
	t.Parallel()
	monday := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	night := time.Date(2026, 11, 2, 23, 30, 0, 0, time.UTC) // 00:30 on Tuesday in Berlin
	two := []incidents.Method{{ID: "a", Name: "sms"}, {ID: "b", Name: "call"}}
	high := []incidents.Rule{{Urgency: incidents.HighUrgency, Method: "a"}, {Urgency: incidents.HighUrgency, Delay: 5 * time.Minute, Method: "b"}}
	nights := []incidents.Quiet{{From: 22 * time.Hour, To: 7 * time.Hour}}
	for name, c := range map[string]struct {
		p    incidents.Person
		u    incidents.Urgency
		at   time.Time
		want string
	}{
		"nothing chosen":              {incidents.Person{Email: "a@x.example"}, incidents.HighUrgency, monday, "e-mail Mon 12:00"},
		"no account's address":        {incidents.Person{}, incidents.HighUrgency, monday, ""},
		"methods without rules":       {incidents.Person{Methods: two}, incidents.LowUrgency, monday, "sms Mon 12:00, call Mon 12:00"},
		"by rules":                    {incidents.Person{Methods: two, Rules: high}, incidents.HighUrgency, monday, "sms Mon 12:00, call Mon 12:05"},
		"low without rules":           {incidents.Person{Methods: two, Rules: high}, incidents.LowUrgency, monday, "sms Mon 12:00, call Mon 12:05"},
		"high without rules of it":    {incidents.Person{Methods: two, Rules: []incidents.Rule{{Urgency: incidents.LowUrgency, Method: "a"}}}, incidents.HighUrgency, monday, "sms Mon 12:00, call Mon 12:00"},
		"rules of methods gone":       {incidents.Person{Email: "a@x.example", Rules: high}, incidents.HighUrgency, monday, "e-mail Mon 12:00"},
		"high in quiet hours":         {incidents.Person{Methods: two, Rules: high, Zone: "Europe/Berlin", Quiet: nights}, incidents.HighUrgency, night, "sms Mon 23:30, call Mon 23:35"},
		"low in quiet hours":          {incidents.Person{Methods: two, Rules: high, Zone: "Europe/Berlin", Quiet: nights}, incidents.LowUrgency, night, "sms Tue 06:00, call Tue 06:00"},
		"low before quiet hours":      {incidents.Person{Methods: two, Rules: high, Zone: "UTC", Quiet: []incidents.Quiet{{From: 12*time.Hour + 2*time.Minute, To: 13 * time.Hour}}}, incidents.LowUrgency, monday, "sms Mon 12:00, call Mon 13:00"},
		"quiet hours after another":   {incidents.Person{Methods: two[:1], Zone: "UTC", Quiet: []incidents.Quiet{{From: 11 * time.Hour, To: 13 * time.Hour}, {From: 13 * time.Hour, To: 14 * time.Hour}}}, incidents.LowUrgency, monday, "sms Mon 14:00"},
		"quiet on another day":        {incidents.Person{Methods: two[:1], Zone: "UTC", Quiet: []incidents.Quiet{{Days: []time.Weekday{time.Sunday}, From: 0, To: 24 * time.Hour}}}, incidents.LowUrgency, monday, "sms Mon 12:00"},
		"always quiet waits for none": {incidents.Person{Methods: two[:1], Zone: "UTC", Quiet: []incidents.Quiet{{From: 0, To: 24 * time.Hour}}}, incidents.LowUrgency, monday, "sms Mon 12:00"},
	} {
		if got := reached(c.p, c.u, c.at); got != c.want {
			t.Errorf("%s: %s; want %s", name, got, c.want)
		}
	}
}

// The night in which Berlin's clocks go forward has 23 hours, and the one in which they go back 25.
func TestQuietHoursEndByTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	p := incidents.Person{Methods: []incidents.Method{{ID: "a", Name: "sms"}}, Zone: "Europe/Berlin", Quiet: []incidents.Quiet{{From: 22 * time.Hour, To: 7 * time.Hour}}}
	for from, want := range map[string]string{
		"2027-03-27T21:30:00Z": "sms Sun 05:00", "2026-10-24T20:30:00Z": "sms Sun 06:00", "2026-11-02T20:59:00Z": "sms Mon 20:59",
		"2026-11-02T06:00:00Z": "sms Mon 06:00",
	} {
		at, _ := time.Parse(time.RFC3339, from)
		if got := reached(p, incidents.LowUrgency, at); got != want {
			t.Errorf("from %s: %s; want %s", from, got, want)
		}
	}
	p.Quiet[0].To = 2*time.Hour + 30*time.Minute // which that night does not have
	at, _ := time.Parse(time.RFC3339, "2027-03-27T21:30:00Z")
	if got := reached(p, incidents.LowUrgency, at); got != "sms Sun 01:00" {
		t.Errorf("an end that is left out: %s", got)
	}
}

// Whatever a person has chosen: somebody with an address is called, high urgency at once or when a rule says so, and never
// before the step.
func TestAPersonIsAlwaysCalled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := incidents.Person{Email: "a@x.example", Zone: rapid.SampledFrom([]string{"", "UTC", "Europe/Berlin", "Australia/Lord_Howe", "Mars/Phobos"}).Draw(t, "zone")}
		for n := range rapid.IntRange(0, 3).Draw(t, "methods") {
			p.Methods = append(p.Methods, incidents.Method{ID: fmt.Sprint(n), Name: fmt.Sprint("m", n)})
		}
		for range rapid.IntRange(0, 4).Draw(t, "rules") {
			p.Rules = append(p.Rules, incidents.Rule{
				Urgency: rapid.SampledFrom([]incidents.Urgency{incidents.HighUrgency, incidents.LowUrgency}).Draw(t, "urgency"),
				Delay:   time.Duration(rapid.IntRange(0, 3600).Draw(t, "delay")) * time.Second, Method: fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "method")),
			})
		}
		for range rapid.IntRange(0, 3).Draw(t, "quiet") {
			p.Quiet = append(p.Quiet, incidents.Quiet{
				Days: rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 6), func(d int) time.Weekday { return time.Weekday(d) }), 0, 7).Draw(t, "days"),
				From: time.Duration(rapid.IntRange(0, 1439).Draw(t, "from")) * time.Minute, To: time.Duration(rapid.IntRange(0, 1440).Draw(t, "to")) * time.Minute,
			})
		}
		now := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "now"), 0)
		for _, u := range []incidents.Urgency{incidents.HighUrgency, incidents.LowUrgency} {
			notices := p.Notices(u, now)
			if len(notices) == 0 {
				t.Fatalf("nobody is called for %s", u)
			}
			for n, notice := range notices {
				if notice.At.Before(now) || notice.Number != n+1 || notice.At.Sub(now) > 9*24*time.Hour || u == incidents.HighUrgency && notice.At.Sub(now) > time.Hour {
					t.Fatalf("%s: notice %d at %s after the step", u, notice.Number, notice.At.Sub(now))
				}
			}
		}
	})
}

func TestWhatAPersonChoosesHasBounds(t *testing.T) {
	t.Parallel()
	methods := []incidents.Method{{ID: "a"}}
	for want, rules := range map[string][]incidents.Rule{
		"rules.0.urgency":   {{Urgency: "loud", Method: "a"}},
		"rules.0.delay":     {{Urgency: incidents.HighUrgency, Delay: 25 * time.Hour, Method: "a"}},
		"rules.0.method":    {{Urgency: incidents.HighUrgency, Method: "b"}},
		"rules.1: is there": {{Urgency: incidents.HighUrgency, Method: "a"}, {Urgency: incidents.HighUrgency, Method: "a"}},
		"rules: has 31":     make([]incidents.Rule, 31),
	} {
		if err := incidents.CheckRules(rules, methods); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	for want, quiet := range map[string][]incidents.Quiet{
		"quiet.0:": {{From: 24 * time.Hour}}, "quiet.0.days": {{Days: []time.Weekday{7}, To: time.Hour}}, "quiet: has 11": make([]incidents.Quiet, 11),
	} {
		if err := incidents.CheckQuiet("UTC", quiet); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestAPersonOnlyTypesAnAddress(t *testing.T) {
	t.Parallel()
	channels := incidents.Channels{}
	for _, text := range []string{
		"metadata: {name: phone}\nspec: {sms: {from: '+15005550006', account: AC1, token: {env: T}}}",
		"metadata: {name: calls}\nspec: {voice: {from: '+15005550006', account: AC1, token: {env: T}}}",
		"metadata: {name: push}\nspec: {ntfy: {server: 'https://ntfy.example.com/'}}",
		"metadata: {name: chat}\nspec: {slack: {token: {env: T}}}",
	} {
		c, problems := incidents.ReadChannel(readOne(t, "apiVersion: nines/v1\nkind: Channel\n"+text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		channels[c.Name] = c
	}
	for _, c := range []struct{ way, channel, address, want string }{
		{"email", "", "Ana@Example.com", "e-mail to ana@example.com"}, {"sms", "", "+4915112345678", "SMS to +4915112345678"},
		{"voice", "calls", "+4915112345678", "call to +4915112345678"}, {"ntfy", "", "ana-oncall", "ntfy https://ntfy.example.com/ana…#"},
		{"slack", "", "U012AB3CD", "Slack U012AB3CD"}, {"sms", "", "0151", "address: is not a telephone"}, {"sms", "calls", "+4915112345678", "channel: there is no"},
		{"ntfy", "", "a/b", "address: is not a topic"}, {"slack", "", "#general", "address: is not a member"}, {"pigeon", "", "x", "way: \"pigeon\""},
		{"email", "", "a", "address: \"a\""},
	} {
		target, err := channels.Reach(c.way, c.channel, c.address)
		got := target.String()
		if err != nil {
			got = err.Error()
		} else if err := target.Check(); err != nil {
			t.Errorf("%+v leads to what cannot be paged: %v", c, err)
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if _, err := (incidents.Channels{}).Reach("sms", "", "+4915112345678"); err == nil || !strings.Contains(err.Error(), "an editor has to define a Channel") {
		t.Errorf("without a channel: %v", err)
	}
	for text, want := range map[string]string{
		"{}": "names 0 ways", "{ntfy: {server: x}}": "spec.ntfy.server", "{sms: {from: 5}}": "spec.sms", "{slack: {}}": "spec.slack.token",
		"{ntfy: {server: 'https://x'}, slack: {token: {env: T}}}": "names 2 ways",
	} {
		_, problems := incidents.ReadChannel(readOne(t, "apiVersion: nines/v1\nkind: Channel\nmetadata: {name: c}\nspec: "+text))
		if !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s: %v; want %s", text, problems, want)
		}
	}
}
