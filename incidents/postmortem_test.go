package incidents_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/incidents"
)

var update = flag.Bool("update", false, "write the golden files anew")

// story is a whole incident: opened, paged, one page retried, acknowledged, a note, resolved.
func story(t *testing.T) (incidents.Incident, []incidents.Event, []incidents.Attempt) {
	t.Helper()
	sig := signal(incidents.Critical, policy(1, step(0, "ana"), step(5*time.Minute, "bo")))
	sig.Title, sig.Summary = "Orders of acme | fail <fast>", "Error budget burns 14.4 times too fast."
	c := incidents.Open(sig, incidents.Roster{}, "i1", t0)
	c.Incident.Number = 12
	events := c.Events
	sent := func(at time.Duration, page incidents.Page, outcome, why string, number int) incidents.Attempt {
		page.ID = int64(number)
		a := incidents.Attempt{Page: page.ID, Number: number, Provider: "email", StartedAt: t0.Add(at), Took: 300 * time.Millisecond, Outcome: outcome, Error: why}
		events = append(events, incidents.Claim{Page: page}.Entry(a, 15*time.Second, t0.Add(at+a.Took)))
		return a
	}
	attempts := []incidents.Attempt{
		sent(time.Second, c.Pages[0], incidents.OutcomeRetry, "the mail server cannot be reached: connection refused", 1),
		sent(17*time.Second, c.Pages[0], incidents.OutcomeSent, "", 2),
	}
	ana := incidents.Actor{ID: "user:1", Name: "ana@example.com"}
	must := func(c incidents.Change, err error) incidents.Incident {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, c.Events...)
		return c.Incident
	}
	i := must(c.Incident.Acknowledge(ana, nil, t0.Add(4*time.Minute)))
	i = must(i.Note(ana, "Rolled back to v41.\n# not a heading\n![x](http://evil.example/x.png)", t0.Add(9*time.Minute)))
	i = must(i.Resolve(ana, "rollback done", nil, t0.Add(15*time.Minute)))
	return i, events, attempts
}

func TestPostmortemDraft(t *testing.T) {
	t.Parallel()
	i, events, attempts := story(t)
	bad, spent := 15.0, 0.2083
	impact := incidents.Impact{
		From: i.StartedAt, To: *i.ResolvedAt, BadMinutes: &bad, BudgetShare: &spent, Coverage: 0.9375, Complete: true, Objective: 99.9, Version: 3,
		Counts:  []incidents.Harm{{Tenant: "globex", Region: "eu", Total: 120_000}, {Tenant: "acme", Region: "eu", Errors: 4321, Total: 45_678}},
		Unknown: []string{"Latency was not measured."},
	}
	got := incidents.Postmortem(i, events, attempts, impact, t0.Add(time.Hour))
	golden(t, "testdata/postmortem.md", got)
}

func TestPostmortemOfAnOpenIncidentSaysWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	c := incidents.Open(signal(incidents.Critical, incidents.Policy{}), incidents.Roster{}, "i1", t0)
	golden(t, "testdata/postmortem_open.md", incidents.Postmortem(c.Incident, c.Events, nil, incidents.Impact{}, t0.Add(time.Hour)))
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; run the test with -update if that is right:\n%s", path, diff)
	}
}

func FuzzPostmortemStaysOneDocument(f *testing.F) {
	f.Add("| a | b |\n## Root causes\n<script>", "![x](y)\r\n\r\n- item")
	f.Add("`code`", "1. list\u2028# x")
	f.Fuzz(func(t *testing.T, title, note string) {
		sig := signal(incidents.Critical, incidents.Policy{})
		sig.Title = title
		c := incidents.Open(sig, incidents.Roster{}, "i1", t0)
		plain := incidents.Open(signal(incidents.Critical, incidents.Policy{}), incidents.Roster{}, "i1", t0)
		n, err := c.Incident.Note(incidents.Actor{ID: "user:1", Name: note}, "x"+note, t0)
		if err != nil {
			t.Skip("too long a note")
		}
		m, err := plain.Incident.Note(incidents.Actor{ID: "user:1", Name: "ana"}, "x", t0)
		if err != nil {
			t.Fatal(err)
		}
		got := incidents.Postmortem(c.Incident, append(c.Events, n.Events...), nil, incidents.Impact{}, t0)
		want := incidents.Postmortem(plain.Incident, append(plain.Events, m.Events...), nil, incidents.Impact{}, t0)
		if g, w := strings.Count(got, "\n"), strings.Count(want, "\n"); g != w {
			t.Errorf("user text made %d lines of %d", g, w)
		}
		if g, w := strings.Count(got, "<")-strings.Count(got, `\<`), strings.Count(want, "<"); g != w {
			t.Errorf("user text reaches the document as HTML")
		}
	})
}
