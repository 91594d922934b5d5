package incidents

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Declaration is an incident that somebody opens by hand, maybe for alerts that fire already.
type Declaration struct {
	Title    string
	Summary  string
	Tenant   string // whom it affects; "" is the operator's own, or everybody
	Service  string
	Severity Severity    // "" is what the level says
	Impact   ImpactScope // "" is unknown
	Level    Level       // 0 is what the matrix says
	Labels   map[string]string
	Runbook  string // URL
	// Commander takes that role at once, by e-mail; "" leaves it to nobody.
	Commander string
	// Alerts are those that it stands for, as the domain knows them; storage finds them.
	Alerts []Signal
	Trace  string
}

const declaredPrefix = "declared/"

// DeclareWish is what somebody asks for who declares an incident: the zero Assignment leaves it to the definitions who is
// paged.
type DeclareWish struct {
	Declaration
	Assignment
	Fingerprints []string // of alerts that fire and that it stands for
}

// MaxDeclared bounds the alerts that an incident is declared for, or that are split off at once.
const MaxDeclared = 500

// Check returns the declaration as it counts: texts without superfluous space and a severity that fits its level and its
// alerts. A field out of bounds is a fault.Invalid that names it.
func (d Declaration) Check(m Matrix) (Declaration, error) {
	d.Title, d.Service, d.Tenant = oneLine(d.Title), strings.TrimSpace(d.Service), strings.TrimSpace(d.Tenant)
	d.fromAlerts()
	var err error
	if d.Summary, err = checkText("summary", d.Summary); err != nil {
		return d, err
	}
	rated := Rating{Impact: d.Impact, Level: d.Level}
	switch n := len([]rune(d.Title)); {
	case n == 0:
		return d, fault.New(fault.Invalid, "title: is empty; say in a line what is wrong")
	case n > maxTitle:
		return d, fault.New(fault.Invalid, "title: has %d characters; the most is %d", n, maxTitle)
	case len([]rune(d.Summary)) > maxSummary:
		return d, fault.New(fault.Invalid, "summary: has more than %d characters", maxSummary)
	case len(d.Service) > 200 || len(d.Tenant) > 200:
		return d, fault.New(fault.Invalid, "service, tenant: are at most 200 bytes each")
	case d.Severity != "" && !d.Severity.Valid():
		return d, fault.New(fault.Invalid, "severity: %q is none of critical, error, warning, info", clip(string(d.Severity), 40))
	case d.Severity == "" && d.Level == 0:
		return d, fault.New(fault.Invalid, "severity, level: write one of the two, such as critical or SEV2; it says who is called")
	case d.Runbook != "" && !webURL(d.Runbook):
		return d, fault.New(fault.Invalid, "runbookUrl: is not an http or https URL")
	}
	if d.Impact != "" || d.Level != 0 {
		if err := rated.Check(); err != nil {
			return d, err
		}
	}
	d.Commander = strings.ToLower(strings.TrimSpace(d.Commander))
	if err := CheckOwner("commander", d.Commander); err != nil {
		return d, err
	}
	if d.Level == 0 {
		d.Level = m.Level(d.Severity, cmp.Or(d.Impact, ImpactUnknown))
	}
	if bad := d.Level.Severity(); d.Severity == "" || bad.WorseThan(d.Severity) {
		d.Severity = bad
	}
	return d, nil
}

// fromAlerts fills what was left out from the worst of the alerts.
func (d *Declaration) fromAlerts() {
	for _, a := range d.Alerts {
		if a.Severity.WorseThan(d.Severity) && d.Level == 0 {
			d.Severity = a.Severity
		}
		d.Title, d.Service = cmp.Or(d.Title, a.Title), cmp.Or(d.Service, a.Service)
		d.Runbook = cmp.Or(d.Runbook, a.RunbookURL)
	}
}

// Declare opens an incident by hand. It pages by the policy as an alert of its severity would, and is resolved by people
// alone: when its alerts end somebody still has to say that it is over. The declaration has been checked.
func Declare(by Actor, d Declaration, p Policy, r Roster, id string, now time.Time) Change {
	started := now
	labels := maps.Clone(d.Labels)
	for _, a := range d.Alerts {
		if !a.StartsAt.IsZero() && a.StartsAt.Before(started) {
			started = a.StartsAt
		}
	}
	c := Change{Incident: Incident{
		ID: id, Tenant: d.Tenant, GroupKey: declaredPrefix + id, Title: d.Title, Summary: d.Summary, Severity: d.Severity,
		State: Triggered, Service: d.Service, Labels: labels, RunbookURL: d.Runbook, StartedAt: started, OpenedAt: now,
		UpdatedAt: now, Trace: d.Trace, Urgency: p.Urgency(d.Severity, now), Level: d.Level, Impact: d.Impact, DeclaredBy: by.name(),
		RatedBy: by.name(),
	}}
	text := fmt.Sprintf("Declared by %s as %s (%s).", by.name(), d.Level, d.Severity)
	if len(d.Alerts) > 0 {
		text += fmt.Sprintf(" It stands for %s.", count(len(d.Alerts), "alert"))
	}
	c.open(by, text, p, r, now)
	if d.Commander != "" {
		c.castFirst(by, d.Commander, now)
	}
	return c
}

// open tells of the opening and begins paging where the severity asks for it.
func (c *Change) open(by Actor, text string, p Policy, r Roster, now time.Time) {
	i := &c.Incident
	wakes, at := p.Wakes(i.Severity, now), p.raisesAt(i.Severity, now)
	switch {
	case !wakes && at != nil:
		text += fmt.Sprintf(" Nobody is called before support hours begin at %s.", clock(*at))
		i.Policy, i.RaiseAt = p, at
	case !wakes:
		text += fmt.Sprintf(" Nobody is woken for severity %s.", i.Severity)
	}
	c.sayAs(by, now, EventOpened, text)
	if wakes {
		c.beginPaging(p, r, now)
	}
}

// castFirst gives the role of commander to a person as the incident opens.
func (c *Change) castFirst(by Actor, person string, now time.Time) {
	c.Incident.Roles = map[Role]string{Commander: person}
	c.sayAs(by, now, EventRole, castWords(by, Commander, "", person))
	c.Events[len(c.Events)-1].Detail = map[string]any{"role": string(Commander), "person": person, "from": ""}
}

// Reopen opens a new incident where a resolved one ended: with its words, level and people, linked to it. It pages by the
// policy as it is now. Alerts of the same group join it, and it is resolved by people alone. What is open, or was merged
// into another, is a fault.Conflict.
func (i Incident) Reopen(by Actor, reason string, p Policy, r Roster, id string, now time.Time) (opened Change, closed Change, err error) {
	closed = Change{Incident: i}
	reason, err = checkText("reason", reason)
	switch {
	case err != nil:
		return opened, closed, err
	case i.State != Resolved:
		return opened, closed, fault.New(fault.Conflict, "incident %d is still open, so there is nothing to reopen", i.Number)
	case i.MergedInto != "":
		return opened, closed, fault.New(fault.Conflict, "incident %d was merged into another; split its alerts from there, or reopen that one", i.Number)
	}
	opened = Change{Incident: Incident{
		ID: id, Tenant: i.Tenant, GroupKey: i.reopenedGroup(id), Title: i.Title, Summary: i.Summary, Severity: i.Severity, State: Triggered,
		Service: i.Service, SLO: i.SLO, Labels: maps.Clone(i.Labels), RunbookURL: i.RunbookURL, StartedAt: now, OpenedAt: now,
		UpdatedAt: now, Urgency: p.Urgency(i.Severity, now), Level: i.Level, Impact: i.Impact, RatedBy: i.RatedBy,
		DeclaredBy: by.name(), Follows: i.ID, Roles: maps.Clone(i.Roles), Trace: i.Trace,
	}}
	text := fmt.Sprintf("Opened by %s where incident #%d ended, %s after it was resolved.", by.name(), i.Number, span(now.Sub(*i.ResolvedAt)))
	if reason != "" {
		text += " " + reason
	}
	opened.open(by, text, p, r, now)
	opened.Events[0].Detail = map[string]any{"follows": i.ID, "number": i.Number}
	closed.sayAs(by, now, EventReopened, fmt.Sprintf("Reopened by %s as a new incident. %s", by.name(), reason))
	closed.Events[0].Text = strings.TrimSpace(closed.Events[0].Text)
	closed.Events[0].Detail = map[string]any{"incident": id}
	return opened, closed, nil
}

// reopenedGroup is the group of the incident that goes on: the same, so that its alerts join, unless it was a group that
// only the incident itself could have.
func (i Incident) reopenedGroup(id string) string {
	for _, own := range []string{declaredPrefix, splitPrefix, stormPrefix, importedPrefix, i.ID + "/"} {
		if strings.HasPrefix(i.GroupKey, own) {
			return declaredPrefix + id
		}
	}
	return i.GroupKey
}

// Named returns the roles that somebody has, in the order of Roles.
func (i Incident) Named() []Role {
	return slices.DeleteFunc(Roles(), func(r Role) bool { return i.Roles[r] == "" })
}
