package incidents_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"pgregory.net/rapid"
)

// machine drives one incident with random alerts, people and time, as a storage would, and keeps what a storage keeps.
type machine struct {
	now      time.Time
	i        incidents.Incident
	policy   incidents.Policy
	firing   map[string]bool
	pages    map[string]incidents.Page // by what makes a page unique
	pending  []string                  // pages not attempted yet
	timeline []incidents.Event
	worst    incidents.Severity
	// quiet is set from an acknowledgement of an incident whose people were paged: from then on, silence.
	quiet bool
	since int  // pages made when quiet began
	extra bool // somebody asked for a further round
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (m *machine) apply(t *rapid.T, c incidents.Change) {
	m.checkTransition(t, m.i, c)
	m.i = c.Incident
	m.timeline = append(m.timeline, c.Events...)
	if c.CancelPages {
		for _, key := range m.pending {
			p := m.pages[key]
			p.State = incidents.PageCanceled
			m.pages[key] = p
		}
		m.pending = nil
	}
	for _, p := range c.Pages {
		key := fmt.Sprintf("%s %d %d %s", p.Action, p.Step, p.Loop, p.Target.Key())
		if _, again := m.pages[key]; again {
			t.Fatalf("page %q was made twice", key)
		}
		m.pages[key] = p
		m.pending = append(m.pending, key)
	}
}

func (m *machine) checkTransition(t *rapid.T, before incidents.Incident, c incidents.Change) {
	after := c.Incident
	if before.State == incidents.Resolved && after.State != incidents.Resolved {
		t.Fatalf("a resolved incident became %s", after.State)
	}
	if before.Severity.WorseThan(after.Severity) {
		t.Fatalf("severity sank from %s to %s", before.Severity, after.Severity)
	}
	if !before.Policy.Empty() && !samePolicy(before.Policy, after.Policy) {
		t.Fatalf("the policy changed while paging")
	}
	if before.Held != "" && after.Held != "" && slices.ContainsFunc(c.Pages, func(p incidents.Page) bool { return p.Action == incidents.ActionTrigger }) {
		t.Fatal("somebody is paged while it is held")
	}
	for _, p := range c.Pages {
		if p.Action == incidents.ActionTrigger && after.State != incidents.Triggered {
			t.Fatalf("a %s incident triggers pages", after.State)
		}
		if p.Incident != after.ID || p.DedupKey != after.DedupKey() || p.Tenant != after.Tenant {
			t.Fatalf("page %+v is not of its incident", p)
		}
	}
	if len(c.Events) == 0 && (len(c.Pages) > 0 || c.CancelPages || after.State != before.State) {
		t.Fatalf("a change without a timeline entry: %+v", c)
	}
}

func samePolicy(a, b incidents.Policy) bool {
	return a.Name == b.Name && a.Repeat == b.Repeat && len(a.Steps) == len(b.Steps)
}

func (m *machine) targets() []incidents.Target {
	seen := map[string]bool{}
	var out []incidents.Target
	for key, p := range m.pages {
		if p.Action == incidents.ActionTrigger && !slices.Contains(m.pending, key) && !seen[p.Target.Key()] {
			seen[p.Target.Key()] = true
			out = append(out, p.Target)
		}
	}
	return out
}

func (m *machine) triggers() int {
	n := 0
	for _, p := range m.pages {
		if p.Action == incidents.ActionTrigger {
			n++
		}
	}
	return n
}

func genPolicy() *rapid.Generator[incidents.Policy] {
	return rapid.Custom(func(t *rapid.T) incidents.Policy {
		p := incidents.Policy{Name: "p", Repeat: rapid.IntRange(-1, 2).Draw(t, "repeat")}
		for range rapid.IntRange(0, 3).Draw(t, "steps") {
			s := incidents.Step{Delay: time.Duration(rapid.IntRange(0, 3).Draw(t, "delay")) * time.Minute}
			for n := range rapid.IntRange(0, 2).Draw(t, "targets") {
				s.Targets = append(s.Targets, mail(fmt.Sprintf("p%d", n)))
			}
			if len(s.Targets) > 0 && rapid.Bool().Draw(t, "fallback") {
				s.Fallback = &incidents.Fallback{After: 15 * time.Second, Targets: []incidents.Target{mail("fallback")}}
			}
			p.Steps = append(p.Steps, s)
		}
		return p
	})
}

var genSeverity = rapid.SampledFrom([]incidents.Severity{incidents.Critical, incidents.Error, incidents.Warning, incidents.Info})

func TestAnIncidentKeepsItsPromisesWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{now: t0, policy: genPolicy().Draw(t, "policy"), firing: map[string]bool{"a": true}, pages: map[string]incidents.Page{}}
		sig := signal(genSeverity.Draw(t, "severity"), m.policy)
		m.worst = sig.Severity
		m.i = incidents.Incident{ID: "i1", State: incidents.Triggered, Severity: sig.Severity, Tenant: sig.Tenant}
		m.apply(t, incidents.Open(sig, incidents.Roster{}, "i1", m.now))
		who := incidents.Actor{ID: "user:1", Name: "ana"}
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"time passes": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			},
			"escalation is due": func(t *rapid.T) {
				if m.i.NextEscalationAt != nil && m.now.Before(*m.i.NextEscalationAt) {
					m.now = *m.i.NextEscalationAt
				}
				m.apply(t, m.i.Escalate(incidents.Roster{}, m.now))
			},
			"an alert fires": func(t *rapid.T) {
				if m.i.State == incidents.Resolved {
					t.Skip("it would open another incident")
				}
				name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "alert")
				sig := signal(genSeverity.Draw(t, "severity"), genPolicy().Draw(t, "policy"))
				if sig.Severity.WorseThan(m.worst) {
					m.worst = sig.Severity
				}
				m.apply(t, m.i.Join(sig, !m.firing[name], incidents.Roster{}, m.now))
				m.firing[name] = true
			},
			"an alert ends": func(t *rapid.T) {
				name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "alert")
				if !m.firing[name] {
					t.Skip("it does not fire")
				}
				delete(m.firing, name)
				m.apply(t, m.i.AlertEnded(signal(incidents.Info, m.policy), len(m.firing), m.now))
			},
			"it stays calm": func(t *rapid.T) {
				if m.i.ResolveAt == nil {
					t.Skip("an alert fires")
				}
				m.now = later(m.now, *m.i.ResolveAt)
				m.apply(t, m.i.Calm(m.targets(), m.now))
			},
			"maintenance begins": func(t *rapid.T) { m.apply(t, m.i.Hold("window", m.now)) },
			"maintenance ends":   func(t *rapid.T) { m.apply(t, m.i.Release(incidents.Roster{}, m.now)) },
			"somebody escalates": func(t *rapid.T) {
				held := m.i.Held != "" || m.i.State == incidents.Resolved || m.i.Policy.Empty()
				c, err := m.i.EscalateNow(who, incidents.Roster{}, m.now)
				if (err != nil) != held {
					t.Fatalf("escalating a %s incident, held %q: %v", m.i.State, m.i.Held, err)
				}
				m.extra = m.extra || c.Incident.Loop > m.i.Loop
				m.quiet = m.quiet && err != nil
				m.apply(t, c)
			},
			"the fallback is due": func(t *rapid.T) {
				if m.i.FallbackAt != nil {
					m.now = later(m.now, *m.i.FallbackAt)
				}
				m.apply(t, m.i.FallBack(incidents.Tally{}, incidents.Roster{}, m.now))
			},
			"a page fails for good": func(t *rapid.T) {
				p := incidents.Page{Action: incidents.ActionTrigger, Step: m.i.Step, Loop: m.i.Loop}
				m.apply(t, m.i.Tried(p, true, true, incidents.Tally{Pages: 1, First: m.now}, incidents.Roster{}, m.now))
			},
			"pages are sent": func(*rapid.T) { m.pending = nil },
			"somebody acknowledges": func(t *rapid.T) {
				c, err := m.i.Acknowledge(who, m.targets(), m.now)
				if (err != nil) != (m.i.State == incidents.Resolved) {
					t.Fatalf("acknowledging a %s incident: %v", m.i.State, err)
				}
				m.apply(t, c)
				if m.i.State == incidents.Acknowledged && !m.i.Policy.Empty() && !m.quiet {
					m.quiet, m.since = true, m.triggers()
				}
			},
			"somebody resolves": func(t *rapid.T) {
				c, err := m.i.Resolve(who, "", m.targets(), m.now)
				if (err != nil) != (m.i.State == incidents.Resolved) {
					t.Fatalf("resolving a %s incident: %v", m.i.State, err)
				}
				m.apply(t, c)
			},
		})
	})
}

// check holds after every step.
func (m *machine) check(t *rapid.T) {
	i := m.i
	if i.Severity != m.worst {
		t.Fatalf("severity %s; the worst alert was %s", i.Severity, m.worst)
	}
	if i.State != incidents.Triggered && i.NextEscalationAt != nil {
		t.Fatalf("a %s incident still escalates", i.State)
	}
	if (i.State == incidents.Resolved) != (i.ResolvedAt != nil) {
		t.Fatalf("%s with ResolvedAt %v", i.State, i.ResolvedAt)
	}
	if i.State == incidents.Acknowledged && (i.AcknowledgedAt == nil || i.AcknowledgedBy == "") {
		t.Fatal("acknowledged by nobody")
	}
	if m.quiet && m.triggers() != m.since {
		t.Fatal("somebody was paged after an acknowledgement")
	}
	if i.State != incidents.Resolved && (len(m.firing) == 0) != (i.ResolveAt != nil) {
		t.Fatalf("open with %d alerts firing and to be resolved at %v", len(m.firing), i.ResolveAt)
	}
	if !i.Severity.Pages() && m.triggers() > 0 {
		t.Fatalf("paged for severity %s", i.Severity)
	}
	if i.Step < 0 || i.Step > len(i.Policy.Steps) || (i.Policy.Repeat >= 0 && i.Loop > i.Policy.Repeat && !m.extra) {
		t.Fatalf("at step %d of %d, round %d of %d", i.Step, len(i.Policy.Steps), i.Loop+1, i.Policy.Repeat+1)
	}
	if i.State == incidents.Triggered && !i.Policy.Empty() && i.NextEscalationAt == nil && !m.exhausted() {
		t.Fatal("the escalation stopped silently")
	}
	for n := 1; n < len(m.timeline); n++ {
		if m.timeline[n].At.Before(m.timeline[n-1].At) {
			t.Fatal("the timeline runs backwards")
		}
	}
}

func (m *machine) exhausted() bool {
	return slices.ContainsFunc(m.timeline, func(e incidents.Event) bool { return e.Kind == incidents.EventExhausted })
}
