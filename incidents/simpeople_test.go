package incidents_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nines-sre/nines/incidents"
)

// simPeople are those of a simulated world; the last one has no account.
var simPeople = []string{"ana@example.com", "bo@example.com", "cy@example.com", "di@example.com", "gone@example.com"}

var simSchedules = []string{"primary", "secondary", "gaps", "undefined"}

// forgottenAfter is how long the simulated world may leave something undone, with all that fails in it.
const forgottenAfter = 20 * time.Minute

// somebody is a person with up to three notices, some of them long after the first.
func (w *world) somebody(email string) incidents.Person {
	p := incidents.Person{ID: email, Email: email}
	for n := range 1 + w.rng.IntN(2) {
		p.Methods = append(p.Methods, incidents.Method{ID: fmt.Sprint(n), Name: fmt.Sprint("way ", n), Target: w.target(fmt.Sprint(email, n))})
	}
	for _, u := range []incidents.Urgency{incidents.HighUrgency, incidents.LowUrgency} {
		for n := range 1 + w.rng.IntN(3) {
			p.Rules = append(p.Rules, incidents.Rule{
				Urgency: u, Delay: time.Duration(n*w.rng.IntN(15)) * time.Minute, Method: p.Methods[w.rng.IntN(len(p.Methods))].ID,
			})
		}
	}
	return p
}

// rosterAt is who can be called: the schedules hand over each hour, and some have gaps. Turns are those of the storage,
// so the transaction has to be ours.
func (w *world) rosterAt(now time.Time) incidents.Roster {
	r := incidents.Roster{People: map[string]incidents.Person{}, OnCall: map[string][]string{}, Turns: w.turns}
	for _, email := range simPeople[:len(simPeople)-1] {
		r.People[email] = w.staff[email]
	}
	for _, name := range simSchedules[:len(simSchedules)-1] {
		r.OnCall[name] = nil
		chance := w.dice("on call", name, now.Truncate(time.Hour).Unix())
		if name == "gaps" && chance.IntN(2) == 0 {
			continue
		}
		for range 1 + chance.IntN(2) {
			r.OnCall[name] = append(r.OnCall[name], simPeople[chance.IntN(len(simPeople))])
		}
	}
	return r
}

func (w *world) took(turns []incidents.Turn) {
	w.turns = incidents.Roster{Turns: w.turns}.Took(turns).Turns
}

// anybody is a target of any kind, people and schedules among them.
func (w *world) anybody(name string) incidents.Target {
	switch w.rng.IntN(5) {
	case 0, 1:
		return incidents.Target{User: simPeople[w.rng.IntN(len(simPeople))]}
	case 2:
		return incidents.Target{Schedule: simSchedules[w.rng.IntN(len(simSchedules))]}
	}
	return w.target(name)
}

// spice gives a policy what only some have.
func (w *world) spice(p *incidents.Policy) {
	if w.rng.IntN(3) == 0 {
		p.AcknowledgeTimeout = time.Duration(10+w.rng.IntN(120)) * time.Minute
	}
	if w.rng.IntN(4) == 0 {
		p.AutoResolve = time.Duration(4+w.rng.IntN(20)) * time.Hour
	}
	p.LowUrgency = w.rng.IntN(3) == 0
	if w.rng.IntN(3) == 0 {
		p.Support = &incidents.Support{
			Zone: "Europe/Berlin", From: 9 * time.Hour, To: 17 * time.Hour, Inside: incidents.HighUrgency, Outside: incidents.LowUrgency,
			Raise: w.rng.IntN(2) == 0,
		}
	}
	for n := range p.Steps {
		switch w.rng.IntN(4) {
		case 0:
			p.Steps[n].Strategy = incidents.RoundRobin
		case 1:
			p.Steps[n].Everyone = true
		}
	}
}

// reassign gives an open incident to another policy, or to people, some of whom cannot be called.
func (w *world) reassign() {
	to, seen := w.policies[w.rng.IntN(len(w.policies))], w.rng.IntN(2)
	var users []string
	if w.rng.IntN(2) == 0 {
		users = append(users, simPeople[w.rng.IntN(len(simPeople))])
	}
	w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) {
		if users != nil {
			to = i.Policy.ToPeople(users)
		}
		return i.Reassign(ana, to, &seen, w.rosterAt(now), now)
	})
}

func (w *world) snooze() {
	d := time.Duration(2+w.rng.IntN(300)) * time.Minute
	w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) {
		return i.Snooze(ana, now.Add(d), w.paged(i), now)
	})
}

// acknowledgeAs has one of the people acknowledge, who may be awaited.
func (w *world) acknowledgeAs() {
	by := incidents.Actor{ID: "user:2", Name: simPeople[w.rng.IntN(len(simPeople))]}
	w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) {
		return i.Acknowledge(by, w.paged(i), now)
	})
}

// note remembers what an incident became, for the checks.
func (w *world) note(c incidents.Change, before int, now time.Time) {
	i := c.Incident
	w.policyOf[turnKey(i.ID, i.Turn)] = i.Policy
	w.took(c.Turns)
	w.mu.Lock()
	defer w.mu.Unlock()
	if i.Turn != before {
		w.turned[i.ID] = now
		w.anew++
	}
}

func turnKey(id string, turn int) string { return fmt.Sprint(id, "/", turn) }

// facts are those an auditor has.
func (w *world) facts(i incidents.Incident, pages []incidents.Page, events []incidents.Event) (f incidents.AuditFacts) {
	for _, p := range pages {
		if p.Action == incidents.ActionTrigger && p.Turn == i.Turn && p.Step == i.Step && p.Loop == i.Loop && p.State != incidents.PageCanceled {
			f.Live++
		}
	}
	for _, e := range events {
		turn, _ := e.Detail["turn"].(int)
		if e.Kind == incidents.EventNobody && e.Detail["step"] == i.Step && e.Detail["loop"] == i.Loop && turn == i.Turn {
			f.Nobody = true
		}
	}
	return f
}

// audit complains of what an auditor would find: nobody may be forgotten.
func (w *world) audit() {
	if _, err := w.store.Current(context.Background(), ""); err == errAway {
		return
	}
	w.tx.Lock()
	defer w.tx.Unlock()
	pages, events := map[string][]incidents.Page{}, map[string][]incidents.Event{}
	for _, p := range w.store.Pages() {
		pages[p.Incident] = append(pages[p.Incident], p)
	}
	for _, e := range w.store.Timeline() {
		events[e.Incident] = append(events[e.Incident], e)
	}
	for _, id := range w.ids {
		i, err := w.store.Current(context.Background(), id)
		if err != nil {
			return
		}
		if damage := i.Damage(w.facts(i, pages[id], events[id]), forgottenAfter, time.Now()); damage != incidents.NoDamage {
			w.problem("%s: an auditor would find: %s (%s, step %d of round %d, turn %d, next %v)", id, damage, i.State, i.Step, i.Loop, i.Turn, i.NextEscalationAt)
		}
	}
}

// checkCalled finds pages that a step should have made and that are not there, and people who were not awaited although
// they had to acknowledge.
func (w *world) checkCalled(i incidents.Incident, pages []incidents.Page, events []incidents.Event) {
	made := map[string]bool{}
	for _, p := range pages {
		if p.Action != incidents.ActionTrigger {
			continue
		}
		made[fmt.Sprint(p.Turn, p.Step, p.Loop, p.Target.Key())] = true
		if i.State == incidents.Acknowledged && p.Turn == i.Turn && p.State == incidents.PageCanceled && slices.Contains(i.Awaited, p.Person) {
			w.problem("%s: the page %d to %s was dropped, who has not acknowledged yet", i.ID, p.ID, p.Person)
		}
	}
	for _, e := range events {
		keys, ok := e.Detail["targets"].([]string)
		if e.Kind != incidents.EventEscalated || !ok {
			continue
		}
		turn, _ := e.Detail["turn"].(int)
		for _, key := range keys {
			if !made[fmt.Sprint(turn, e.Detail["step"], e.Detail["loop"], key)] {
				w.problem("%s: step %v of round %v has no page to %s", i.ID, e.Detail["step"], e.Detail["loop"], key)
			}
		}
	}
}
