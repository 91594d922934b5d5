package incidents

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Spread says how something is distributed: durations in seconds over incidents, pages over shifts. All but Over are nil
// where there is none to say it over.
type Spread struct {
	Over   int      `json:"over"` // how many it is said over
	Mean   *float64 `json:"mean"`
	Median *float64 `json:"median"`
	P90    *float64 `json:"p90"` // nine in ten took no longer; between two observations it is interpolated
}

// Figures say how a group of incidents went. docs/figures.md defines each of them; all come from the timeline.
type Figures struct {
	Key         string `json:"key"` // service, team or tenant; "" where all are one group, or where it has none
	Incidents   int    `json:"incidents"`
	Resolved    int    `json:"resolved"`
	Acknowledge Spread `json:"acknowledge"` // seconds from opening to the first acknowledgement: MTTA
	Resolve     Spread `json:"resolve"`     // seconds from opening to resolution: MTTR
	Between     Spread `json:"between"`     // seconds from one opening to the next of the same service and tenant: MTBF
	Engage      Spread `json:"engage"`      // seconds from the first page sent to the first action of a person after it
	Pages       int    `json:"pages"`       // pages sent
	Sleep       int    `json:"sleepPages"`  // of those, sent from 22:00 to 07:00
	Shift       Spread `json:"shift"`       // pages that a shift got; over the shifts of the schedules that are called
	Timeouts    int    `json:"timeouts"`    // escalations because nobody acknowledged in time
	Noise       int    `json:"noise"`       // resolved without any action of a person
}

// Grouping says what figures are grouped by.
type Grouping string

// The groupings.
const (
	Together  Grouping = ""
	ByService Grouping = "service"
	ByTeam    Grouping = "team" // the owner in the Service's definition
	ByTenant  Grouping = "tenant"
)

// FiguresFilter chooses the incidents that figures are said over.
type FiguresFilter struct {
	From, To time.Time // opened from From and before To
	By       Grouping
	Service  string            // "" is all
	Zone     *time.Location    // whose nights they are; nil is UTC
	Teams    map[string]string // the team of each service, for ByTeam
}

// Nights are from 22:00 to 07:00.
const (
	nightBegins = 22
	nightEnds   = 7
)

// Course are what one incident adds to figures.
type Course struct {
	Opened       time.Time
	Acknowledged *time.Time
	Resolved     *time.Time
	FirstPage    *time.Time
	Engaged      *time.Time // the first action of a person after the first page
	Touched      bool       // a person did something
	Merged       bool       // it ended as part of another incident, which is the one that counts
	Pages        int
	Sleep        int
	Timeouts     int
}

// CourseOf reads the facts out of an incident's timeline, which is in order.
func CourseOf(events []Event, zone *time.Location) Course {
	var f Course
	asked := map[time.Time]bool{} // when a person asked for the next step
	for _, e := range events {
		if e.Kind == EventEscalated && e.human() {
			asked[e.At] = true
		}
	}
	for _, e := range events {
		f.hear(e, zone)
		if e.Kind == EventEscalated && !e.human() && !e.firstStep() && !asked[e.At] {
			f.Timeouts++
		}
	}
	for _, e := range events {
		if e.human() && f.FirstPage != nil && !e.At.Before(*f.FirstPage) {
			f.Engaged = earliest(f.Engaged, e.At)
		}
	}
	return f
}

func (f *Course) hear(e Event, zone *time.Location) {
	f.Touched = f.Touched || e.human()
	switch {
	case e.Kind == EventMerged && e.Detail["into"] != nil:
		f.Merged = true
	case e.Kind == EventOpened:
		f.Opened = e.At
	case e.Kind == EventAcknowledged:
		f.Acknowledged = earliest(f.Acknowledged, e.At)
	case e.Kind == EventResolved:
		f.Resolved = earliest(f.Resolved, e.At)
	case e.Kind == EventPageSent && e.Detail["action"] == string(ActionTrigger):
		f.Pages++
		f.FirstPage = earliest(f.FirstPage, e.At)
		if hour := e.At.In(zone).Hour(); hour >= nightBegins || hour < nightEnds {
			f.Sleep++
		}
	}
}

// human reports whether a person, or a token of one, did it.
func (e Event) human() bool { return !strings.HasPrefix(e.Actor, "system:") }

// firstStep reports whether it is the step that every incident begins with, which nobody had to be waited for.
func (e Event) firstStep() bool {
	step, _ := e.Detail["step"].(float64)
	loop, _ := e.Detail["loop"].(float64)
	return step <= 1 && loop == 0
}

func earliest(known *time.Time, t time.Time) *time.Time {
	if known == nil || t.Before(*known) {
		return &t
	}
	return known
}

// Figure computes the figures of incidents, but for Between, which takes the service and tenant of each, and Shift, which
// takes who was on call. Storage computes the same by SQL over many.
func Figure(key string, all []Course) Figures {
	out := Figures{Key: key}
	var acknowledge, resolve, engage []float64
	for _, f := range all {
		out.Pages, out.Sleep, out.Timeouts = out.Pages+f.Pages, out.Sleep+f.Sleep, out.Timeouts+f.Timeouts
		if f.Merged {
			continue
		}
		out.Incidents++
		if f.Acknowledged != nil {
			acknowledge = append(acknowledge, f.Acknowledged.Sub(f.Opened).Seconds())
		}
		if f.Resolved != nil {
			out.Resolved++
			resolve = append(resolve, f.Resolved.Sub(f.Opened).Seconds())
			if !f.Touched {
				out.Noise++
			}
		}
		if f.Engaged != nil {
			engage = append(engage, f.Engaged.Sub(*f.FirstPage).Seconds())
		}
	}
	out.Acknowledge, out.Resolve, out.Engage = SpreadOf(acknowledge), SpreadOf(resolve), SpreadOf(engage)
	return out
}

// Gaps returns the seconds between openings of one service and tenant, for Figures.Between. It sorts them in place.
func Gaps(openings []time.Time) []float64 {
	slices.SortFunc(openings, time.Time.Compare)
	var out []float64
	for n := 1; n < len(openings); n++ {
		out = append(out, openings[n].Sub(openings[n-1]).Seconds())
	}
	return out
}

// SpreadOf returns how seconds are distributed. Percentiles are interpolated as PostgreSQL's percentile_cont does.
func SpreadOf(seconds []float64) Spread {
	s := Spread{Over: len(seconds)}
	if s.Over == 0 {
		return s
	}
	sorted := slices.Sorted(slices.Values(seconds))
	var sum float64
	for _, v := range sorted {
		sum += v
	}
	mean, median, p90 := sum/float64(s.Over), percentile(sorted, 0.5), percentile(sorted, 0.9)
	s.Mean, s.Median, s.P90 = &mean, &median, &p90
	return s
}

func percentile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
