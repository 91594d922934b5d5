package incidents

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
)

// Actor is who did something, for the timeline.
type Actor struct {
	ID   string // access.Principal.ID
	Name string // for people
}

// automatic is the actor of what alerts and timers cause.
var automatic = Actor{ID: "system:alerts", Name: "Nines"}

// maxNote is the longest note or reason, in characters.
const maxNote = 10_000

// Open makes the incident of a signal that no open incident stands for. Critical and error page at once; warning and
// info open silently, unless the policy or the service's support hours say otherwise. Storage gives the Number.
func Open(sig Signal, r Roster, id string, now time.Time) Change {
	started := sig.StartsAt
	if started.IsZero() || started.After(now) {
		started = now
	}
	c := Change{Incident: Incident{
		ID: id, Tenant: sig.Tenant, GroupKey: sig.GroupKey, Title: sig.Title, Summary: sig.Summary, Severity: sig.Severity,
		State: Triggered, Service: sig.Service, SLO: sig.SLO, Labels: maps.Clone(sig.Labels), RunbookURL: sig.RunbookURL,
		BudgetSpent: cloneFloat(sig.BudgetSpent), StartedAt: started, OpenedAt: now, UpdatedAt: now, Trace: sig.Trace,
		Urgency: sig.Policy.Urgency(sig.Severity, now), Level: sig.level(),
	}}
	wakes := sig.Policy.Wakes(sig.Severity, now)
	text := fmt.Sprintf("Opened as %s, firing since %s.", sig.Severity, clock(started))
	switch at := sig.Policy.raisesAt(sig.Severity, now); {
	case !wakes && at != nil:
		text += fmt.Sprintf(" Nobody is called before support hours begin at %s.", clock(*at))
		c.Incident.Policy, c.Incident.RaiseAt = sig.Policy, at
	case !wakes:
		text += fmt.Sprintf(" Nobody is woken for severity %s.", sig.Severity)
	case sig.Severity.Pages() && c.Incident.Urgency == LowUrgency:
		text += " Outside support hours it is of low urgency."
	}
	c.sayAs(automatic, now, EventOpened, text)
	c.Events[0].Detail = alertDetail(sig)
	if wakes {
		c.beginPaging(sig.Policy, r, now)
	}
	return c
}

// Join tells an open incident of a firing alert that belongs to it. isNew says that the alert was not firing in it
// before; a refresh without news has no Events. A worse severity raises the incident's and starts paging where nobody
// was paged yet, even if somebody had acknowledged it while it was silent: that was consent to a ticket, not to an
// outage. An incident whose people were paged stays acknowledged.
func (i Incident) Join(sig Signal, isNew bool, r Roster, now time.Time) Change {
	c := Change{Incident: i}
	if i.State == Resolved {
		return c
	}
	changed := c.refresh(sig)
	if c.refire(sig, now) {
		changed = true
	} else if isNew {
		c.sayAs(automatic, now, EventAlertJoined, fmt.Sprintf("Another alert joined: %s (%s).", sig.Title, sig.Severity))
		c.Events[0].Detail = alertDetail(sig)
	}
	raised := sig.Severity.WorseThan(i.Severity)
	if raised {
		c.raise(sig, now)
	}
	switch {
	case c.mayBegin(sig, raised, now):
		c.wake(sig.Policy, r, now)
	case raised:
		c.raiseUrgency(r, now)
	}
	if changed || len(c.Events) > 0 {
		c.Incident.UpdatedAt = now
	}
	c.tellThreads(i, now)
	return c
}

// level is what the incident of the signal is rated while nobody has said who notices it.
func (s Signal) level() Level {
	return cmp.Or(s.Level, DefaultMatrix().Level(s.Severity, ImpactUnknown))
}

// refresh takes over what a source says anew about the same trouble, and reports whether anything differs.
func (c *Change) refresh(sig Signal) bool {
	i := &c.Incident
	changed := false
	if !sig.StartsAt.IsZero() && sig.StartsAt.Before(i.StartedAt) {
		i.StartedAt, changed = sig.StartsAt, true
	}
	if sig.BudgetSpent != nil && i.BudgetSpent == nil { // the alert's word opens it; from then on the ledger's counts
		i.BudgetSpent, changed = cloneFloat(sig.BudgetSpent), true
	}
	if i.RunbookURL == "" && sig.RunbookURL != "" {
		i.RunbookURL, changed = sig.RunbookURL, true
	}
	return changed
}

// raise makes the incident as bad as its worst alert, and takes over that alert's words.
func (c *Change) raise(sig Signal, now time.Time) {
	i := &c.Incident
	text := fmt.Sprintf("Severity raised from %s to %s.", i.Severity, sig.Severity)
	if i.State == Acknowledged && c.paged() {
		text += fmt.Sprintf(" %s has acknowledged it, so nobody is paged anew.", i.AcknowledgedBy)
	}
	i.Severity = sig.Severity
	if level := sig.level(); i.RatedBy == "" && level.WorseThan(i.Level) {
		i.Level = level
		text += fmt.Sprintf(" That makes it %s.", level)
	}
	if sig.Title != "" && i.DeclaredBy == "" {
		i.Title, i.Summary = sig.Title, sig.Summary
	}
	if sig.RunbookURL != "" {
		i.RunbookURL = sig.RunbookURL
	}
	c.sayAs(automatic, now, EventSeverity, text)
}

// paged reports whether paging has begun with somebody to page.
func (c *Change) paged() bool { return !c.Incident.Policy.Empty() && !c.Incident.waiting() }

// waiting reports whether paging begins with support hours.
func (i Incident) waiting() bool { return i.Step == 0 && i.NextEscalationAt == nil && i.RaiseAt != nil }

// mayBegin reports whether paging is to begin: it pages, nobody was paged, and either it just became this bad or there
// is somebody to page now where there was nobody before.
func (c *Change) mayBegin(sig Signal, raised bool, now time.Time) bool {
	i := c.Incident
	if c.paged() || !i.Severity.Pages() && !(raised && sig.Policy.Wakes(i.Severity, now)) {
		return false
	}
	if i.State == Acknowledged {
		return raised
	}
	return raised || !sig.Policy.Empty()
}

// wake begins paging, taking back an acknowledgement that was given while the incident was silent.
func (c *Change) wake(p Policy, r Roster, now time.Time) {
	i := &c.Incident
	if i.State == Acknowledged {
		c.sayAs(automatic, now, EventNote, fmt.Sprintf(
			"%s acknowledged this while nobody was paged for it; now that it is %s, that no longer counts.", i.AcknowledgedBy, i.Severity))
		c.trigger()
	}
	c.beginPaging(p, r, now)
}

// AlertEnded tells that one alert of the incident has ended while stillFiring others have not, of a storm at least so many;
// at zero the incident is about to be resolved, see Calm.
func (i Incident) AlertEnded(sig Signal, stillFiring int, now time.Time) Change {
	c := Change{Incident: i}
	if i.State == Resolved {
		return c
	}
	text := fmt.Sprintf("Alert ended: %s.", sig.Title)
	switch {
	case stillFiring > 0 && i.Storm():
		text += " Others are still firing."
	case stillFiring > 0:
		text += fmt.Sprintf(" %s still firing.", count(stillFiring, "alert"))
	}
	c.sayAs(automatic, now, EventAlertEnded, text)
	c.Events[0].Detail = alertDetail(sig)
	c.Incident.UpdatedAt = now
	switch {
	case stillFiring > 0:
	case i.DeclaredBy != "":
		c.Events[0].Text += " None is firing now; it was declared by hand, so somebody has to resolve it."
	default:
		c.awaitCalm(sig, now)
	}
	return c
}

// Resolve says that it is over, for good: the same trouble again is a new incident. The reason may be empty.
// Resolving what is resolved is a fault.Conflict.
func (i Incident) Resolve(by Actor, reason string, paged []Target, now time.Time) (Change, error) {
	c := Change{Incident: i}
	if i.State == Resolved {
		return c, i.alreadyResolved("resolved again")
	}
	reason, err := checkText("reason", reason)
	if err != nil {
		return c, err
	}
	text := fmt.Sprintf("Resolved by %s, %s after it opened.", by.name(), span(now.Sub(i.OpenedAt)))
	if reason != "" {
		text += " Reason: " + reason
	}
	c.resolve(by, text, paged, now)
	return c, nil
}

func (c *Change) resolve(by Actor, text string, paged []Target, now time.Time) {
	i := &c.Incident
	i.State, i.NextEscalationAt, i.FallbackAt, i.ResolveAt, i.UpdatedAt = Resolved, nil, nil, nil, now
	i.ReturnAt, i.RaiseAt, i.AutoResolveAt, i.Snoozed, i.Awaited, i.UpdateDue = nil, nil, nil, false, nil, nil
	i.ResolvedAt, i.ResolvedBy = &now, by.name()
	c.sayAs(by, now, EventResolved, text)
	c.tell(ActionResolve, paged, now)
}

// tell drops what was not sent yet and informs each target that was paged, once. An acknowledgement that was taken back by
// escalating may be given again further on, and is told again.
func (c *Change) tell(a Action, paged []Target, now time.Time) {
	c.CancelPages = true
	step, loop := 0, 0
	if a == ActionAcknowledge {
		step, loop = c.Incident.Step, c.Incident.Loop
	}
	told := map[string]bool{}
	for _, t := range paged {
		if key := t.Key(); !told[key] {
			told[key] = true
			c.Pages = append(c.Pages, c.Incident.page(a, t, step, loop, now))
		}
	}
}

// Note adds what a person wants remembered; also to a resolved incident, for its postmortem. An empty text, or one over
// 10,000 characters, is a fault.Invalid.
func (i Incident) Note(by Actor, text string, now time.Time) (Change, error) {
	c := Change{Incident: i}
	text, err := checkText("text", text)
	if err != nil {
		return c, err
	}
	if text == "" {
		return c, fault.New(fault.Invalid, "text: is empty; write what should be remembered")
	}
	c.sayAs(by, now, EventNote, text)
	c.Incident.UpdatedAt = now
	c.tellThreads(i, now)
	return c, nil
}

func (i Incident) alreadyResolved(what string) error {
	return fault.New(fault.Conflict, "incident %d was resolved by %s and cannot be %s; the same trouble opens a new one",
		i.Number, i.ResolvedBy, what)
}

func (a Actor) name() string {
	if a.Name != "" {
		return a.Name
	}
	return a.ID
}

func checkText(field, text string) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD"))
	if n := utf8.RuneCountInString(text); n > maxNote {
		return "", fault.New(fault.Invalid, "%s: has %d characters; the most is %d", field, n, maxNote)
	}
	return text, nil
}

func (c *Change) say(now time.Time, kind EventKind, format string, args ...any) {
	c.sayAs(automatic, now, kind, fmt.Sprintf(format, args...))
}

func (c *Change) sayAs(by Actor, now time.Time, kind EventKind, text string) {
	c.Events = append(c.Events, Event{
		Incident: c.Incident.ID, Tenant: c.Incident.Tenant, At: now, Kind: kind, Actor: by.ID, Name: by.name(), Text: text,
	})
}

func alertDetail(sig Signal) map[string]any {
	detail := map[string]any{"fingerprint": sig.Fingerprint, "severity": string(sig.Severity)}
	if sig.BudgetSpent != nil {
		detail["budgetSpent"] = *sig.BudgetSpent
	}
	return detail
}

func cloneFloat(f *float64) *float64 {
	if f == nil {
		return nil
	}
	v := *f
	return &v
}

// span writes a time span as people say it: "40 s", "4 min", "2 h 5 min", "3 d 4 h".
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}
