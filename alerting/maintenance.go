package alerting

import (
	"cmp"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// MaintenanceWindowKind is the kind of documents that ReadMaintenanceWindow reads.
const MaintenanceWindowKind = "MaintenanceWindow"

// Bounds of a maintenance window.
const (
	MaxRecurring = 31 * 24 * time.Hour  // of one occurrence of a recurring window
	MaxOnce      = 366 * 24 * time.Hour // of a window that happens once
)

// MaintenanceWindow holds the pages of the alerts that satisfy all matchers while it is open; resolves go through. It
// happens once, from Start until just before End, or recurs as Recurrence says.
type MaintenanceWindow struct {
	Name       string      `json:"name"`
	Tenant     string      `json:"tenant,omitempty"` // whose alerts it concerns; "" for all
	Comment    string      `json:"comment,omitempty"`
	Matchers   []Matcher   `json:"matchers"`
	Start      time.Time   `json:"start"`        // of the first occurrence
	End        time.Time   `json:"end,omitzero"` // zero where the window recurs
	Recurrence *Recurrence `json:"recurrence,omitempty"`
}

// Span is one occurrence of a window: from From until just before Until.
type Span struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Active returns the occurrence that is open at the time. Where two overlap it is the one that began last.
func (w MaintenanceWindow) Active(now time.Time) (from, until time.Time, ok bool) {
	if w.Recurrence == nil {
		return w.Start, w.End, !now.Before(w.Start) && now.Before(w.End)
	}
	return w.Recurrence.active(now)
}

// Next returns at most n occurrences that begin after the time, in order.
func (w MaintenanceWindow) Next(now time.Time, n int) []Span {
	if w.Recurrence != nil {
		return w.Recurrence.next(now, n)
	}
	if n < 1 || !w.Start.After(now) {
		return nil
	}
	return []Span{{w.Start, w.End}}
}

type maintenanceSpec struct {
	Tenant   string            `yaml:"tenant"`
	Comment  string            `yaml:"comment"`
	Matchers []string          `yaml:"matchers"`
	Start    string            `yaml:"start"`
	End      string            `yaml:"end"`
	Zone     string            `yaml:"zone"`
	RRule    string            `yaml:"rrule"`
	Duration manifest.Duration `yaml:"duration"`
}

// ReadMaintenanceWindow reads a MaintenanceWindow document and names every problem in it with its line.
func ReadMaintenanceWindow(d manifest.Document) (MaintenanceWindow, manifest.Problems) {
	var spec maintenanceSpec
	r := reader{doc: d, problems: d.DecodeSpec(&spec)}
	w := MaintenanceWindow{
		Name: d.Metadata.Name, Tenant: spec.Tenant, Comment: spec.Comment,
		Matchers: r.matchers("spec.matchers", spec.Matchers, required),
	}
	r.text("spec.comment", spec.Comment, maxComment)
	r.text("spec.tenant", spec.Tenant, maxTenant)
	spec.Zone = cmp.Or(spec.Zone, "UTC")
	loc, err := time.LoadLocation(spec.Zone)
	if err != nil || spec.Zone == "Local" {
		r.bad("spec.zone", "%q is no time zone; write one such as Europe/Berlin or UTC", short(spec.Zone))
		return w, r.problems
	}
	if w.Start = r.clock("spec.start", spec.Start, loc); w.Start.IsZero() {
		return w, r.problems
	}
	if spec.RRule == "" {
		w.End = r.once(spec, w.Start, loc)
	} else {
		w.Recurrence = r.recurring(spec, w.Start)
	}
	return w, r.problems
}

// once returns when a window ends that does not recur.
func (r *reader) once(spec maintenanceSpec, start time.Time, loc *time.Location) time.Time {
	length := spec.Duration.Std()
	end := start.Add(length)
	switch {
	case (spec.End == "") == (length == 0):
		r.bad("spec.end", "write either end or duration, which says how long the window stays open")
		return end
	case spec.End != "":
		end = r.clock("spec.end", spec.End, loc)
	}
	if !end.IsZero() && !end.After(start) {
		r.bad("spec.end", "is not after the start")
	}
	if end.Sub(start) > MaxOnce {
		r.bad("spec.end", "is more than %s after the start; the longest is that", manifest.Duration(MaxOnce))
	}
	return end
}

func (r *reader) recurring(spec maintenanceSpec, start time.Time) *Recurrence {
	switch length := spec.Duration.Std(); {
	case spec.End != "":
		r.bad("spec.end", "does not go with rrule; write duration, and UNTIL or COUNT in the rule for its end")
	case length <= 0:
		r.bad("spec.duration", "is missing; write how long the window stays open, such as 2h")
	case length > MaxRecurring:
		r.bad("spec.duration", "is %s; the longest is %s", spec.Duration, manifest.Duration(MaxRecurring))
	}
	recurrence, err := NewRecurrence(start, spec.Zone, spec.RRule, spec.Duration.Std())
	if err != nil {
		r.bad("spec.rrule", "%s", strings.TrimPrefix(fault.Public(err).Message, "rrule: "))
	}
	return recurrence
}

// clockLayouts are the ways to write a time of the wall clock.
var clockLayouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// clock reads a time: one with an offset, or one on the zone's wall clock. The zero time is one that was refused.
func (r *reader) clock(path, text string, loc *time.Location) time.Time {
	if text == "" {
		r.bad(path, "is missing; write a time such as 2026-03-01T02:00:00 on the clocks of the zone, or one with an offset")
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	for _, layout := range clockLayouts {
		if err == nil {
			break
		}
		var shown time.Time
		if shown, err = time.Parse(layout, text); err == nil {
			t = wallClock(shown, loc)
		}
	}
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		r.bad(path, "%q is not a time from 2000 to 2200 such as 2026-03-01T02:00:00, with or without an offset", short(text))
		return time.Time{}
	}
	return t.Truncate(time.Second)
}
