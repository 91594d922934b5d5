package incidents

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Assignment is to whom an incident goes: to a policy by its name, or to people by e-mail.
type Assignment struct {
	Policy string
	Users  []string
	// Turn is Incident.Turn as who assigns has seen it; where somebody has assigned it meanwhile that is a conflict. Nil
	// does not look.
	Turn *int
}

// ToPeople returns the policy of an incident that goes to people: they are paged at once, and again in further rounds as
// the policy before it says. Anything else that the policy before it asks for stays.
func (p Policy) ToPeople(emails []string) Policy {
	to := Policy{
		Name: strings.Join(emails, ", "), Repeat: p.Repeat, RepeatAfter: p.RoundDelay(), AcknowledgeTimeout: p.AcknowledgeTimeout,
		AutoResolve: p.AutoResolve, LowUrgency: p.LowUrgency, Support: p.Support, Steps: []Step{{}},
	}
	for _, email := range emails {
		to.Steps[0].Targets = append(to.Steps[0].Targets, Target{User: email})
	}
	return to
}

// CheckUsers returns the addresses in lower case, each once. None, more than MaxTargets, or what is no address is a
// fault.Invalid.
func CheckUsers(emails []string) ([]string, error) {
	var users []string
	for _, email := range emails {
		email = strings.ToLower(strings.TrimSpace(email))
		if !mailAddress(email) {
			return nil, fault.New(fault.Invalid, "users: %q is not an e-mail address such as ana@example.com", clip(email, 80))
		}
		if !slices.Contains(users, email) {
			users = append(users, email)
		}
	}
	if len(users) == 0 || len(users) > MaxTargets {
		return nil, fault.New(fault.Invalid, "users: names %s; write one to %d", count(len(users), "person"), MaxTargets)
	}
	return users, nil
}

// Reassign gives the incident to a policy, as it is now: its first step is paged anew whoever was paged or has
// acknowledged before, and pages of the old assignment that were not sent yet are dropped. seen is the turn that who
// assigns has seen, nil for any; where somebody was quicker that is a fault.Conflict that names them, as is an incident
// that is resolved. A policy that names nobody is a fault.Invalid.
func (i Incident) Reassign(by Actor, p Policy, seen *int, r Roster, now time.Time) (Change, error) {
	c := Change{Incident: i}
	switch {
	case i.State == Resolved:
		return c, i.alreadyResolved("reassigned")
	case p.Empty():
		return c, fault.New(fault.Invalid, "policy: %s names nobody to page", p.Name)
	case seen != nil && *seen != i.Turn && i.AssignedBy != "":
		return c, fault.New(fault.Conflict, "incident %d was assigned to %s by %s meanwhile; look again before you assign it", i.Number, i.Policy.Name, i.AssignedBy)
	}
	text := fmt.Sprintf("Assigned to %s by %s; its first step is paged.", p.Name, by.name())
	if i.State == Acknowledged {
		text += fmt.Sprintf(" That takes back the acknowledgement by %s.", i.AcknowledgedBy)
	}
	if i.Held != "" {
		text += fmt.Sprintf(" Nobody is paged before this ends: %s.", i.Held)
	}
	c.sayAs(by, now, EventReassigned, text)
	c.trigger()
	c.CancelPages = true
	c.Incident.Turn++
	c.Incident.PagedAs = cmp.Or(i.PagedAs, i.Policy.Name)
	c.Incident.AssignedBy, c.Incident.UnreachableSince, c.Incident.UpdatedAt = by.name(), nil, now
	c.beginPaging(p, r, now)
	c.tellThreads(i, now)
	return c, nil
}

// SupportBegins raises the urgency of an incident that nobody is on when RaiseAt has come, and calls people anew by their
// rules for high urgency. Before that, and while it is held or about to be resolved, the Change is empty.
func (i Incident) SupportBegins(r Roster, now time.Time) Change {
	c := Change{Incident: i}
	if !i.pages() || i.RaiseAt == nil || i.RaiseAt.After(now) {
		return c
	}
	c.Incident.UpdatedAt = now
	if i.waiting() {
		c.say(now, EventUrgency, "Support hours have begun: it is of %s urgency now, and paging begins.", i.Policy.Urgency(i.Severity, now))
		c.beginPaging(i.Policy, r, now)
	} else if !c.raiseUrgency(r, now) {
		c.Incident.RaiseAt = i.Policy.raisesAt(i.Severity, now)
	}
	c.tellThreads(i, now)
	return c
}

// raiseUrgency calls people anew by their rules for high urgency where it is of high urgency by now, and reports whether
// it is. Nobody is called anew for what somebody has acknowledged.
func (c *Change) raiseUrgency(r Roster, now time.Time) bool {
	i := &c.Incident
	if i.Policy.Empty() || i.Urgency != LowUrgency || i.Policy.Urgency(i.Severity, now) != HighUrgency {
		return false
	}
	if i.State != Triggered || i.Step == 0 && i.NextEscalationAt != nil {
		c.judgeUrgency(now)
		return true
	}
	c.say(now, EventUrgency, "It is of high urgency now, so people are called anew.")
	c.again(r, now)
	return true
}
