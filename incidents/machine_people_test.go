package incidents_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"pgregory.net/rapid"
)

// crew drives one incident whose policy names people, as a storage and its clockwork would.
type crew struct {
	now    time.Time
	i      incidents.Incident
	roster incidents.Roster
	pages  map[string]incidents.Page // by what makes a page unique
	nobody map[string]bool           // turns, rounds and steps of which the timeline says that nobody could be called
}

func (m *crew) apply(t *rapid.T, c incidents.Change) {
	before := m.i
	m.i = c.Incident
	m.roster = m.roster.Took(c.Turns)
	if c.CancelPages {
		for key, p := range m.pages {
			if p.State == incidents.PagePending && !slices.Contains(c.Keep, p.Person) {
				p.State = incidents.PageCanceled
				m.pages[key] = p
			}
		}
	}
	for _, p := range c.Pages {
		key := fmt.Sprint(p.Action, p.Turn, p.Step, p.Loop, p.Target.Key(), p.Number)
		if _, again := m.pages[key]; again && p.Action == incidents.ActionTrigger {
			t.Fatalf("page %q was made twice", key)
		}
		if p.Action == incidents.ActionTrigger && (c.Incident.State != incidents.Triggered || p.Turn != c.Incident.Turn || p.Target.Indirect()) {
			t.Fatalf("a %s incident of turn %d makes the page %+v", c.Incident.State, c.Incident.Turn, p)
		}
		if p.NextAt.Before(m.now) || p.DedupKey != before.DedupKey() && before.PagedAs != "" {
			t.Fatalf("the page %+v is due before it was made, or under another key than %s", p, before.DedupKey())
		}
		m.pages[key] = p
	}
	for _, e := range c.Events {
		if e.Kind == incidents.EventNobody && e.Detail["step"] != nil {
			m.nobody[fmt.Sprint(c.Incident.Turn, e.Detail["step"], e.Detail["loop"])] = true
		}
	}
}

func (m *crew) facts() (f incidents.AuditFacts) {
	for _, p := range m.pages {
		if p.Action == incidents.ActionTrigger && p.Turn == m.i.Turn && p.Step == m.i.Step && p.Loop == m.i.Loop && p.State != incidents.PageCanceled {
			f.Live++
		}
	}
	f.Nobody = m.nobody[fmt.Sprint(m.i.Turn, m.i.Step, m.i.Loop)]
	return f
}

// tick lets the clockwork do all that is due.
func (m *crew) tick(t *rapid.T) {
	for range 50 {
		i, r := m.i, m.roster
		switch {
		case i.State == incidents.Resolved:
			return
		case passed(i.ResolveAt, m.now):
			m.apply(t, i.Calm(nil, m.now))
		case passed(i.AutoResolveAt, m.now):
			m.apply(t, i.Expire(nil, m.now))
		case i.Held != "" || i.ResolveAt != nil:
			return
		case i.State == incidents.Acknowledged && passed(i.ReturnAt, m.now):
			m.apply(t, i.Return(r, m.now))
		case i.State != incidents.Triggered:
			return
		case passed(i.FallbackAt, m.now):
			m.apply(t, i.FallBack(incidents.Tally{}, r, m.now))
		case passed(i.RaiseAt, m.now):
			m.apply(t, i.SupportBegins(r, m.now))
		case passed(i.NextEscalationAt, m.now):
			m.apply(t, i.Escalate(r, m.now))
		default:
			return
		}
	}
	t.Fatalf("the clockwork never comes to rest: %+v", m.i)
}

// check holds after every step: nobody is forgotten, and who has acknowledged is left alone.
func (m *crew) check(t *rapid.T) {
	m.tick(t)
	if damage := m.i.Damage(m.facts(), 0, m.now); damage != incidents.NoDamage {
		t.Fatalf("an auditor would find %s: %+v", damage, m.i)
	}
	for key, p := range m.pages {
		if p.Action != incidents.ActionTrigger || p.State != incidents.PagePending {
			continue
		}
		if m.i.State == incidents.Acknowledged && !slices.Contains(m.i.Awaited, p.Person) || m.i.State == incidents.Resolved || p.Turn != m.i.Turn {
			t.Fatalf("page %q is pending still; the incident is %s, of turn %d, awaiting %v", key, m.i.State, m.i.Turn, m.i.Awaited)
		}
	}
	if m.i.State != incidents.Acknowledged && (m.i.ReturnAt != nil || m.i.Snoozed) {
		t.Fatalf("a %s incident returns at %v", m.i.State, m.i.ReturnAt)
	}
}

func genPeoplePolicy() *rapid.Generator[incidents.Policy] {
	target := rapid.SampledFrom([]incidents.Target{user("ana"), user("bo"), user("eve"), onCall("primary"), onCall("gap"), onCall("gone"), mail("room")})
	return rapid.Custom(func(t *rapid.T) incidents.Policy {
		p := incidents.Policy{
			Name: rapid.SampledFrom([]string{"p", "q"}).Draw(t, "name"), Repeat: rapid.IntRange(-1, 2).Draw(t, "repeat"),
			AcknowledgeTimeout: time.Duration(rapid.SampledFrom([]int{0, 0, 10}).Draw(t, "timeout")) * time.Minute,
			AutoResolve:        time.Duration(rapid.SampledFrom([]int{0, 0, 5}).Draw(t, "auto")) * time.Hour,
			LowUrgency:         rapid.Bool().Draw(t, "low"),
		}
		if rapid.Bool().Draw(t, "support") {
			urgency := rapid.SampledFrom([]incidents.Urgency{"", incidents.HighUrgency, incidents.LowUrgency})
			p.Support = &incidents.Support{
				Zone: "America/Chicago", From: 9 * time.Hour, To: 17 * time.Hour, Inside: urgency.Draw(t, "inside"), Outside: urgency.Draw(t, "outside"),
				Raise: rapid.Bool().Draw(t, "raise"),
			}
		}
		for range rapid.IntRange(1, 3).Draw(t, "steps") {
			s := calls(time.Duration(rapid.IntRange(0, 3).Draw(t, "delay"))*time.Minute, rapid.SliceOfN(target, 1, 3).Draw(t, "targets")...)
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				s.Strategy = incidents.RoundRobin
			case 1:
				s.Everyone = true
			case 2:
				s.Fallback = &incidents.Fallback{After: time.Minute, Targets: rapid.SliceOfN(target, 1, 2).Draw(t, "fallback")}
			}
			p.Steps = append(p.Steps, distinct(s))
		}
		return p
	})
}

// distinct leaves out targets that a step names again, which no policy that is read does.
func distinct(s incidents.Step) incidents.Step {
	seen := map[string]bool{}
	again := func(t incidents.Target) bool {
		was := seen[t.Key()]
		seen[t.Key()] = true
		return was
	}
	s.Targets = slices.DeleteFunc(slices.Clone(s.Targets), again)
	if s.Fallback != nil {
		if s.Fallback.Targets = slices.DeleteFunc(s.Fallback.Targets, again); len(s.Fallback.Targets) == 0 {
			s.Fallback = nil
		}
	}
	return s
}

func TestNobodyIsForgottenWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := roster(rung("ana", 7*time.Minute), who("bo"))
		r.OnCall = map[string][]string{"primary": {"ana@example.com", "bo@example.com"}, "gap": nil}
		m := &crew{now: t0, roster: r, pages: map[string]incidents.Page{}, nobody: map[string]bool{}}
		sig := signal(genSeverity.Draw(t, "severity"), genPeoplePolicy().Draw(t, "policy"))
		firing := true
		m.apply(t, incidents.Open(sig, r, "i1", m.now))
		act := func(t *rapid.T, c incidents.Change, err error) {
			if err == nil {
				m.apply(t, c)
			}
		}
		actor := rapid.SampledFrom([]incidents.Actor{byAna, byBo})
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"time passes": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 59, 60, 180, 600, 7200, 40000}).Draw(t, "seconds")) * time.Second)
			},
			"an alert fires": func(t *rapid.T) {
				sig := signal(genSeverity.Draw(t, "severity"), genPeoplePolicy().Draw(t, "policy"))
				m.apply(t, m.i.Join(sig, !firing, m.roster, m.now))
				firing = true
			},
			"its alerts end": func(t *rapid.T) { m.apply(t, m.i.AlertEnded(sig, 0, m.now)); firing = false },
			"it is held":     func(t *rapid.T) { m.apply(t, m.i.Hold("window", m.now)) },
			"it is released": func(t *rapid.T) { m.apply(t, m.i.Release(m.roster, m.now)) },
			"acknowledge": func(t *rapid.T) {
				c, err := m.i.Acknowledge(actor.Draw(t, "who"), nil, m.now)
				act(t, c, err)
			},
			"snooze": func(t *rapid.T) {
				c, err := m.i.Snooze(actor.Draw(t, "who"), m.now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "minutes"))*time.Minute), nil, m.now)
				act(t, c, err)
			},
			"escalate": func(t *rapid.T) {
				c, err := m.i.EscalateNow(actor.Draw(t, "who"), m.roster, m.now)
				act(t, c, err)
			},
			"reassign": func(t *rapid.T) {
				to := genPeoplePolicy().Draw(t, "to")
				if rapid.Bool().Draw(t, "to people") {
					to = m.i.Policy.ToPeople([]string{"bo@example.com"})
				}
				c, err := m.i.Reassign(actor.Draw(t, "who"), to, nil, m.roster, m.now)
				act(t, c, err)
			},
			"an account is disabled or enabled": func(*rapid.T) {
				if _, there := m.roster.People["bo@example.com"]; there {
					delete(m.roster.People, "bo@example.com")
				} else {
					m.roster.People["bo@example.com"] = who("bo")
				}
			},
			"a page fails for good": func(t *rapid.T) {
				p := incidents.Page{Action: incidents.ActionTrigger, Turn: m.i.Turn, Step: m.i.Step, Loop: m.i.Loop}
				m.apply(t, m.i.Tried(p, true, true, incidents.Tally{Pages: 1, First: m.now}, m.roster, m.now))
			},
		})
	})
}
