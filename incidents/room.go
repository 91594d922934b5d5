package incidents

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Role is what somebody does in an incident beside mending it.
type Role string

// The roles.
const (
	Commander      Role = "commander"      // decides
	Scribe         Role = "scribe"         // writes down what happens
	Communications Role = "communications" // tells everybody else
	Liaison        Role = "liaison"        // speaks with customers and vendors
)

// Roles lists the roles, the first to be filled first.
func Roles() []Role { return []Role{Commander, Scribe, Communications, Liaison} }

// Valid reports whether it is one of the roles.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Casting gives a role to somebody.
type Casting struct {
	Role   Role
	Person string // e-mail; "" leaves the role to nobody
	// From is who has the role as the one who gives it has seen, "" for nobody. Where somebody else has it by now nothing
	// changes and that is a fault.Conflict, so that of two who take a role at once one wins and the other is told.
	From string
}

// Cast gives a role to a person, or takes it from one. A role or address that is none is a fault.Invalid, a role that
// somebody else has taken meanwhile or an incident that is resolved a fault.Conflict. Giving a role to who has it already
// changes nothing.
func (i Incident) Cast(by Actor, want Casting, now time.Time) (Change, error) {
	c := Change{Incident: i}
	person, from := strings.ToLower(strings.TrimSpace(want.Person)), strings.ToLower(strings.TrimSpace(want.From))
	if err := CheckOwner("user", person); err != nil {
		return c, err
	}
	holder := i.Roles[want.Role]
	switch {
	case !want.Role.Valid():
		return c, fault.New(fault.Invalid, "role: %q is none of commander, scribe, communications, liaison", clip(string(want.Role), 40))
	case i.State == Resolved:
		return c, i.alreadyResolved("given another " + string(want.Role))
	case holder == person:
		return c, nil
	case holder != from && holder != "":
		return c, fault.New(fault.Conflict, "%s is %s of incident %d already; to take over, say that it is from them", holder, want.Role, i.Number)
	case holder != from:
		return c, fault.New(fault.Conflict, "%s is not %s of incident %d any more, nobody is; look again", from, want.Role, i.Number)
	}
	c.Incident.Roles = maps.Clone(i.Roles)
	if c.Incident.Roles == nil {
		c.Incident.Roles = map[Role]string{}
	}
	if c.Incident.Roles[want.Role] = person; person == "" {
		delete(c.Incident.Roles, want.Role)
	}
	c.Incident.UpdatedAt = now
	c.sayAs(by, now, EventRole, castWords(by, want.Role, holder, person))
	c.Events[0].Detail = map[string]any{"role": string(want.Role), "person": person, "from": holder}
	c.tellThreads(i, now)
	return c, nil
}

func castWords(by Actor, role Role, from, to string) string {
	self := strings.EqualFold(by.name(), to)
	switch {
	case to == "":
		return fmt.Sprintf("%s has not the role of %s any more, says %s; nobody has.", from, role, by.name())
	case self && from == "":
		return fmt.Sprintf("%s takes the role of %s.", to, role)
	case from == "":
		return fmt.Sprintf("%s has the role of %s now, says %s.", to, role, by.name())
	case self:
		return fmt.Sprintf("%s takes over the role of %s from %s.", to, role, from)
	}
	return fmt.Sprintf("%s has the role of %s now instead of %s, says %s.", to, role, from, by.name())
}

// Speaker returns the e-mail address of who sees to status updates: who has the role communications, else the commander,
// else "".
func (i Incident) Speaker() string {
	if who := i.Roles[Communications]; who != "" {
		return who
	}
	return i.Roles[Commander]
}

// Rating says how much an incident matters: by who notices it, or by a level outright; at least one of the two is set.
type Rating struct {
	Impact ImpactScope // "" leaves it
	Level  Level       // 0 is what the matrix says
	Reason string      // may be empty
}

// Check returns a fault.Invalid that names what is wrong.
func (r Rating) Check() error {
	switch {
	case r.Impact == "" && r.Level == 0:
		return fault.New(fault.Invalid, "level, impact: write at least one of the two, such as SEV2 or many")
	case r.Impact != "" && !r.Impact.Valid():
		return fault.New(fault.Invalid, "impact: %q is none of everyone, many, one, internal, unknown", clip(string(r.Impact), 40))
	case r.Level != 0 && !r.Level.Valid():
		return fault.New(fault.Invalid, "level: %d is none; write 1 to 5 for SEV1 to SEV5", r.Level)
	}
	return nil
}

// Rate sets an incident's level. Where that pages worse than its severity, the severity is raised, and paging begins by the
// policy where nobody was paged yet; a milder level leaves who was paged alone. Rating what is resolved corrects the
// record and pages nobody. Rating it as it is changes nothing.
func (i Incident) Rate(by Actor, want Rating, m Matrix, p Policy, r Roster, now time.Time) (Change, error) {
	c := Change{Incident: i}
	if err := want.Check(); err != nil {
		return c, err
	}
	reason, err := checkText("reason", want.Reason)
	if err != nil {
		return c, err
	}
	impact, level := i.Impact, want.Level
	if want.Impact != "" {
		impact = want.Impact
	}
	if level == 0 {
		level = m.Level(i.Severity, impact)
	}
	if level == i.Level && impact == i.Impact {
		return c, nil
	}
	text := fmt.Sprintf("Rated %s by %s", level, by.name())
	if i.Level.Valid() && i.Level != level {
		text += fmt.Sprintf(", after %s", i.Level)
	}
	if impact != "" {
		text += fmt.Sprintf("; affected: %s", impact)
	}
	text += "."
	if reason != "" {
		text += " " + reason
	}
	c.Incident.Level, c.Incident.Impact, c.Incident.RatedBy, c.Incident.UpdatedAt = level, impact, by.name(), now
	c.sayAs(by, now, EventRated, text)
	c.Events[0].Detail = map[string]any{"level": int(level), "impact": string(impact), "before": int(i.Level)}
	if i.State != Resolved && level.Severity().WorseThan(i.Severity) {
		c.worsen(by, level, p, r, now)
	}
	c.tellThreads(i, now)
	return c, nil
}

// worsen raises the severity to what a level asks for, and pages where nobody was paged for it yet.
func (c *Change) worsen(by Actor, level Level, p Policy, r Roster, now time.Time) {
	i := &c.Incident
	bad := level.Severity()
	c.sayAs(by, now, EventSeverity, fmt.Sprintf("Severity raised from %s to %s with the level.", i.Severity, bad))
	i.Severity = bad
	if c.mayBegin(Signal{Severity: bad, Policy: p}, true, now) {
		c.wake(p, r, now)
	} else {
		c.raiseUrgency(r, now)
	}
}
