package incidents

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// AuditBound is how long something may be overdue before the auditor counts it as forgotten: many times what the
// clockwork needs, which looks each second.
const AuditBound = 2 * time.Minute

// Damage is a way in which paging of an incident has come to a halt, or would. None of them can come about by what people
// and alerts do; they are what defects, restored backups and hands in the database leave behind.
type Damage string

// The kinds of damage.
const (
	NoDamage         Damage = ""
	StepOverdue      Damage = "step_overdue"         // the next step was not paged
	FallbackOverdue  Damage = "fallback_overdue"     // nor a step's fallback
	ReturnOverdue    Damage = "return_overdue"       // an acknowledgement or snooze has ended, and nobody is paged anew
	RaiseOverdue     Damage = "raise_overdue"        // support hours have begun, and nobody is called
	ResolveOverdue   Damage = "resolve_overdue"      // its alerts have ended long ago
	ExpiryOverdue    Damage = "auto_resolve_overdue" // nor was it resolved when its policy says so
	NoClock          Damage = "no_clock"             // triggered, its policy not at its end, and nothing is due
	NoReturn         Damage = "no_return"            // acknowledged, and the policy's timeout does not run
	NoExpiry         Damage = "no_auto_resolve"      // the policy has it resolved, and the time does not run
	StepOutOfRange   Damage = "step_out_of_range"    // at a step or round that does not exist
	AcknowledgedByNo Damage = "acknowledged_by_nobody"
	PagesMissing     Damage = "pages_missing" // a step counts as paged, and no page of it is there
	HeldByNothing    Damage = "held_by_nothing"
)

// AuditFacts are what an audit has to know beside the incident itself.
type AuditFacts struct {
	Live   int  // pages of the step that was paged last that were not canceled
	Nobody bool // the timeline says that nobody of that step could be called
	Loud   int  // open alerts that may page
}

// Damage says what keeps the incident from paging as it should, at most one thing at a time; what is overdue by less than
// the bound is not damage.
func (i Incident) Damage(f AuditFacts, bound time.Duration, now time.Time) Damage {
	if i.State == Resolved {
		return NoDamage
	}
	overdue := func(at *time.Time) bool { return at != nil && now.Sub(*at) > bound }
	steps := len(i.Policy.Steps)
	switch {
	case i.Step < 0 || i.Step > steps || i.Loop < 0:
		return StepOutOfRange
	case i.State == Acknowledged && (i.AcknowledgedAt == nil || i.AcknowledgedBy == ""):
		return AcknowledgedByNo
	case overdue(i.ResolveAt):
		return ResolveOverdue
	case overdue(i.AutoResolveAt):
		return ExpiryOverdue
	case i.Held != "" && f.Loud > 0:
		return HeldByNothing
	case i.Policy.AutoResolve > 0 && i.AutoResolveAt == nil && !i.waiting():
		return NoExpiry
	case i.Held != "" || i.ResolveAt != nil:
		return NoDamage
	case i.State == Acknowledged:
		return i.damagedWait(overdue)
	}
	return i.damagedPaging(f, overdue)
}

// damagedWait is about an acknowledged incident.
func (i Incident) damagedWait(overdue func(*time.Time) bool) Damage {
	switch {
	case overdue(i.ReturnAt):
		return ReturnOverdue
	case i.ReturnAt == nil && i.Policy.AcknowledgeTimeout > 0:
		return NoReturn
	}
	return NoDamage
}

// damagedPaging is about an incident that pages, or would if somebody were named.
func (i Incident) damagedPaging(f AuditFacts, overdue func(*time.Time) bool) Damage {
	switch {
	case i.Policy.Empty():
		return NoDamage
	case overdue(i.NextEscalationAt):
		return StepOverdue
	case overdue(i.FallbackAt):
		return FallbackOverdue
	case overdue(i.RaiseAt):
		return RaiseOverdue
	case i.NextEscalationAt == nil && i.ExhaustedAt == nil && !i.waiting():
		return NoClock
	case i.Step > 0 && f.Live == 0 && !f.Nobody:
		return PagesMissing
	}
	return NoDamage
}

// Audit puts the incident right where it is damaged, at once, and says so on the timeline; otherwise the Change is empty.
// It pages whoever should have been paged, rather twice than never.
func (i Incident) Audit(f AuditFacts, t Tally, paged []Target, r Roster, bound time.Duration, now time.Time) (Change, Damage) {
	damage := i.Damage(f, bound, now)
	c := Change{Incident: i}
	if damage == NoDamage {
		return c, damage
	}
	c.say(now, EventAudited, "The auditor found that %s, and put that right. Tell whoever runs Nines: this must not happen.", damage.words())
	c.Events[0].Detail = map[string]any{"damage": string(damage)}
	c.repair(damage, t, paged, r, now)
	c.Incident.UpdatedAt = now
	return c, damage
}

var damageWords = map[Damage]string{
	StepOverdue: "the next step was overdue", FallbackOverdue: "a step's fallback was overdue",
	ReturnOverdue: "an acknowledgement had ended and nobody was paged anew", RaiseOverdue: "support hours had begun and nobody was called",
	ResolveOverdue: "all alerts had ended and it was not resolved", ExpiryOverdue: "it was not resolved when its policy says so",
	NoClock: "paging had stopped before the policy's end", NoReturn: "the acknowledgement's timeout did not run",
	NoExpiry: "the time after which it is resolved did not run", StepOutOfRange: "it stood at a step that does not exist",
	AcknowledgedByNo: "it was acknowledged by nobody", PagesMissing: "pages of the last step were missing",
	HeldByNothing: "it was held although alerts of it may page",
}

// Damages returns every kind of damage, in order of names.
func Damages() []Damage { return slices.Sorted(maps.Keys(damageWords)) }

func (d Damage) words() string { return damageWords[d] }

// repair does what should have been done.
func (c *Change) repair(damage Damage, t Tally, paged []Target, r Roster, now time.Time) {
	i := &c.Incident
	switch damage {
	case StepOverdue:
		c.then(i.Escalate(r, now))
	case FallbackOverdue:
		c.then(i.FallBack(t, r, now))
	case ReturnOverdue:
		c.then(i.Return(r, now))
	case RaiseOverdue:
		c.then(i.SupportBegins(r, now))
	case ResolveOverdue:
		c.then(i.Calm(paged, now))
	case ExpiryOverdue:
		c.then(i.Expire(paged, now))
	case HeldByNothing:
		c.then(i.Release(r, now))
	case NoReturn:
		at := i.AcknowledgedAt.Add(i.Policy.AcknowledgeTimeout)
		i.ReturnAt = &at
	case NoExpiry:
		at := now.Add(i.Policy.AutoResolve)
		i.AutoResolveAt = &at
	case AcknowledgedByNo:
		c.trigger()
		c.again(r, now)
	case PagesMissing:
		c.again(r, now)
	case NoClock:
		i.NextEscalationAt = &now
		c.escalate(r, now)
	case StepOutOfRange:
		i.Step, i.Loop = min(max(i.Step, 0), len(i.Policy.Steps)), max(i.Loop, 0)
		if i.State == Triggered && c.paged() {
			c.again(r, now)
		}
	}
}

// then adds what the incident does further.
func (c *Change) then(next Change) {
	c.Incident = next.Incident
	c.Events, c.Pages, c.Turns = append(c.Events, next.Events...), append(c.Pages, next.Pages...), append(c.Turns, next.Turns...)
	c.CancelPages, c.Keep = c.CancelPages || next.CancelPages, next.Keep
}

// AuditOf is what an audit found and put right.
type AuditOf struct {
	Incident Incident
	Damage   Damage
}

func (a AuditOf) String() string {
	return fmt.Sprintf("incident %d: %s", a.Incident.Number, a.Damage.words())
}
