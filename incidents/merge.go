package incidents

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

const splitPrefix = "split/"

// Merge says that two incidents are one: source ends as part of i, whoever was paged for it is told, and its pages not yet
// sent are dropped. Storage moves its alerts, and alerts of its group go to i while that is open. moved is how many alerts
// fire that were source's, paged the targets that were told of source.
//
// i takes over the earlier start, and the worse severity and level; where that pages and nobody was paged for i yet, paging
// begins by source's policy. Who acknowledged i keeps it. Both have to be open, of one tenant and not the same: anything
// else is a fault.Conflict or, for another tenant's, a fault.Invalid.
func (i Incident) Merge(by Actor, source Incident, reason string, moved int, paged []Target, r Roster, now time.Time) (into, from Change, err error) {
	into, from = Change{Incident: i}, Change{Incident: source}
	reason, err = checkText("reason", reason)
	switch {
	case err != nil:
		return into, from, err
	case i.ID == source.ID:
		return into, from, fault.New(fault.Invalid, "into: is the incident itself; name another")
	case i.Tenant != source.Tenant:
		return into, from, fault.New(fault.Invalid, "into: incident %d belongs to another tenant; what concerns several customers is declared apart", i.Number)
	case source.State == Resolved:
		return into, from, source.alreadyResolved("merged")
	case i.State == Resolved:
		return into, from, i.alreadyResolved("merged into")
	case i.Storm() || source.Storm():
		return into, from, fault.New(fault.Conflict, "an alert storm gathers alerts by itself and is not merged; resolve what belongs to it")
	}
	from.mergedInto(by, i, reason, paged, now)
	into.takeIn(by, source, reason, moved, r, now)
	into.tellThreads(i, now)
	return into, from, nil
}

func (c *Change) mergedInto(by Actor, i Incident, reason string, paged []Target, now time.Time) {
	text := fmt.Sprintf("Merged into incident #%d by %s; it goes on there.", i.Number, by.name())
	if reason != "" {
		text += " " + reason
	}
	c.sayAs(by, now, EventMerged, text)
	c.Events[0].Detail = map[string]any{"into": i.ID, "number": i.Number}
	c.Incident.MergedInto = i.ID
	c.resolve(by, fmt.Sprintf("Resolved by %s: it is part of incident #%d.", by.name(), i.Number), paged, now)
}

// takeIn makes the incident stand for another, too.
func (c *Change) takeIn(by Actor, source Incident, reason string, moved int, r Roster, now time.Time) {
	i := &c.Incident
	text := fmt.Sprintf("Incident #%d (%s) was merged into this by %s", source.Number, source.Title, by.name())
	switch moved {
	case 0:
	case 1:
		text += ", with 1 alert that still fires"
	default:
		text += fmt.Sprintf(", with %d alerts that still fire", moved)
	}
	text += "."
	if reason != "" {
		text += " " + reason
	}
	c.sayAs(by, now, EventMerged, text)
	c.Events[0].Detail = map[string]any{"from": source.ID, "number": source.Number}
	i.UpdatedAt = now
	if source.StartedAt.Before(i.StartedAt) {
		i.StartedAt = source.StartedAt
	}
	if i.BudgetSpent == nil {
		i.BudgetSpent = cloneFloat(source.BudgetSpent)
	}
	if i.RunbookURL == "" {
		i.RunbookURL = source.RunbookURL
	}
	if moved > 0 && i.ResolveAt != nil {
		i.ResolveAt = nil
		c.unpause(now)
	}
	c.castOver(by, source, now)
	sig := Signal{Severity: source.Severity, Policy: source.Policy, Level: source.Level, RunbookURL: source.RunbookURL}
	if source.Level.WorseThan(i.Level) {
		i.Level, i.RatedBy = source.Level, cmp.Or(source.RatedBy, i.RatedBy)
	}
	raised := source.Severity.WorseThan(i.Severity)
	if raised {
		c.raise(sig, now)
	}
	switch {
	case c.mayBegin(sig, raised, now):
		c.wake(source.Policy, r, now)
	case raised:
		c.raiseUrgency(r, now)
	}
}

// castOver gives those roles that nobody has to who had them in the incident that was merged.
func (c *Change) castOver(by Actor, source Incident, now time.Time) {
	for _, role := range source.Named() {
		if c.Incident.Roles[role] != "" {
			continue
		}
		roles := maps.Clone(c.Incident.Roles)
		if roles == nil {
			roles = map[Role]string{}
		}
		roles[role] = source.Roles[role]
		c.Incident.Roles = roles
		c.sayAs(by, now, EventRole, fmt.Sprintf("%s is %s, as in incident #%d.", source.Roles[role], role, source.Number))
		c.Events[len(c.Events)-1].Detail = map[string]any{"role": string(role), "person": source.Roles[role], "from": ""}
	}
}

// Splitting is what becomes an incident of its own.
type Splitting struct {
	Title  string   // "" takes over the first alert's
	Alerts []Signal // that fire in the incident, at least one
	Rest   int      // alerts that fire in the incident and stay, at least one
	Reason string
}

// Split makes an incident of its own out of some alerts of i. It takes over who is paged and what i's people did: where
// somebody has acknowledged i, the one who splits has the new one; where nobody has, it pages anew. Splitting off nothing
// or everything is a fault.Invalid, an incident that is resolved a fault.Conflict.
func (i Incident) Split(by Actor, s Splitting, r Roster, id string, now time.Time) (kept, split Change, err error) {
	kept, split = Change{Incident: i}, Change{}
	reason, err := checkText("reason", s.Reason)
	s.Title = oneLine(s.Title)
	switch {
	case err != nil:
		return kept, split, err
	case i.State == Resolved:
		return kept, split, i.alreadyResolved("split")
	case i.Storm():
		return kept, split, fault.New(fault.Conflict, "incident %d is an alert storm and is not split; declare an incident for what needs one", i.Number)
	case len(s.Alerts) == 0:
		return kept, split, fault.New(fault.Invalid, "alerts: names none that fires in incident %d", i.Number)
	case s.Rest == 0:
		return kept, split, fault.New(fault.Invalid, "alerts: names all that fire in incident %d; leave it one at least", i.Number)
	case len([]rune(s.Title)) > maxTitle:
		return kept, split, fault.New(fault.Invalid, "title: is longer than %d characters", maxTitle)
	}
	first := s.Alerts[0]
	split = Change{Incident: Incident{
		ID: id, Tenant: i.Tenant, GroupKey: splitPrefix + id, Title: s.Title, Summary: first.Summary, State: Triggered, Service: first.Service,
		SLO: first.SLO, Labels: maps.Clone(first.Labels), RunbookURL: first.RunbookURL, StartedAt: now, OpenedAt: now, UpdatedAt: now,
		Trace: i.Trace, SplitFrom: i.ID, Impact: i.Impact, Held: i.Held,
	}}
	n := &split.Incident
	if n.Title == "" {
		n.Title = first.Title
	}
	for _, a := range s.Alerts {
		if a.Severity.WorseThan(n.Severity) {
			n.Severity, n.Level = a.Severity, a.level()
		}
		if !a.StartsAt.IsZero() && a.StartsAt.Before(n.StartedAt) {
			n.StartedAt = a.StartsAt
		}
	}
	n.Urgency = i.Policy.Urgency(n.Severity, now)
	split.splitOff(by, i, reason, len(s.Alerts), r, now)
	kept.sayAs(by, now, EventSplit, splitWords(by, s.Alerts, reason))
	kept.Events[0].Detail = map[string]any{"incident": id}
	kept.Incident.UpdatedAt = now
	kept.tellThreads(i, now)
	return kept, split, nil
}

// splitOff begins the new incident where the old one stands.
func (c *Change) splitOff(by Actor, from Incident, reason string, alerts int, r Roster, now time.Time) {
	i := &c.Incident
	text := fmt.Sprintf("Split from incident #%d by %s, with %s.", from.Number, by.name(), count(alerts, "alert"))
	if reason != "" {
		text += " " + reason
	}
	if from.State == Acknowledged {
		i.Policy, i.State, i.AcknowledgedAt, i.AcknowledgedBy = from.Policy, Acknowledged, &now, by.name()
		if from.Policy.AutoResolve > 0 {
			at := now.Add(from.Policy.AutoResolve)
			i.AutoResolveAt = &at
		}
		text += fmt.Sprintf(" %s has it, since that one was acknowledged.", by.name()) + c.keepsUntil(now)
		c.sayAs(by, now, EventOpened, text)
		c.sayAs(by, now, EventAcknowledged, fmt.Sprintf("Acknowledged by %s.", by.name()))
	} else {
		c.open(by, text, from.Policy, r, now)
	}
	c.Events[0].Detail = map[string]any{"from": from.ID, "number": from.Number}
}

func splitWords(by Actor, alerts []Signal, reason string) string {
	var titles []string
	for _, a := range alerts {
		if !slices.Contains(titles, a.Title) && len(titles) < 3 {
			titles = append(titles, a.Title)
		}
	}
	text := fmt.Sprintf("%s split off by %s as an incident of its own", count(len(alerts), "alert"), by.name())
	for n, title := range titles {
		text += map[bool]string{true: ": ", false: "; "}[n == 0] + title
	}
	text += "."
	if reason != "" {
		text += " " + reason
	}
	return text
}
