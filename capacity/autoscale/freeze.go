package autoscale

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones must be known where the machine has none
)

// Freeze is a span in which the replicas are left alone: once, from From until Until, or each week on Days between two times
// of the day. Bounds are half-open, and those of a day are what a clock on the wall of the zone shows.
type Freeze struct {
	Name    string         `json:"name,omitempty"`
	Zone    string         `json:"zone"`  // IANA name
	Stops   string         `json:"stops"` // StopsAll or StopsScaleIn
	From    time.Time      `json:"from,omitzero"`
	Until   time.Time      `json:"until,omitzero"`
	Days    []time.Weekday `json:"days,omitempty"` // on which the span begins; none is every day
	Between string         `json:"between,omitempty"`
	begin   int            // minute of the day
	end     int            // at or before begin: of the next day
}

// What a Freeze stops.
const (
	StopsAll     = "all"
	StopsScaleIn = "scale-in"
)

// Covers reports whether the freeze is in force.
func (f Freeze) Covers(at time.Time) bool {
	if !f.From.IsZero() {
		return !at.Before(f.From) && at.Before(f.Until)
	}
	zone, err := time.LoadLocation(f.Zone)
	if err != nil {
		return true // a freeze that cannot be read is one: nothing is changed by mistake
	}
	local := at.In(zone)
	minute, day := local.Hour()*60+local.Minute(), local.Weekday()
	begin, end := f.span()
	if begin < end {
		return minute >= begin && minute < end && f.on(day)
	}
	return minute >= begin && f.on(day) || minute < end && f.on((day+6)%7)
}

// span reads Between again, so that a Freeze that came through JSON is the same.
func (f Freeze) span() (begin, end int) {
	if f.begin != 0 || f.end != 0 {
		return f.begin, f.end
	}
	begin, end, _ = readSpan(f.Between)
	return begin, end
}

func (f Freeze) on(day time.Weekday) bool {
	for _, d := range f.Days {
		if d == day {
			return true
		}
	}
	return len(f.Days) == 0
}

// String says what it is, for people.
func (f Freeze) String() string {
	name := "a freeze"
	if f.Name != "" {
		name = "the freeze " + f.Name
	}
	if !f.From.IsZero() {
		return fmt.Sprintf("%s until %s", name, f.Until.Format(time.RFC3339))
	}
	return fmt.Sprintf("%s, %s %s", name, f.Between, f.Zone)
}

type freezeSpec struct {
	Name    string   `yaml:"name"`
	Zone    string   `yaml:"zone"`
	Stops   string   `yaml:"stops"`
	From    string   `yaml:"from"`
	Until   string   `yaml:"until"`
	Days    []string `yaml:"days"`
	Between string   `yaml:"between"`
}

const (
	localTime = "2006-01-02T15:04"
	wholeDay  = 24 * 60
)

func (r *reader) freeze(i int, spec freezeSpec) Freeze {
	path := fmt.Sprintf("spec.scaling.freeze[%d]", i)
	f := Freeze{Name: spec.Name, Zone: spec.Zone, Stops: spec.Stops, Between: spec.Between}
	if f.Zone == "" {
		f.Zone = "UTC"
	}
	if f.Stops == "" {
		f.Stops = StopsAll
	}
	zone, err := time.LoadLocation(f.Zone)
	if err != nil || f.Zone == "Local" {
		r.bad(path, "%q is not a time zone; write an IANA name such as Europe/Berlin", clip(f.Zone))
		return f
	}
	if f.Stops != StopsAll && f.Stops != StopsScaleIn {
		r.bad(path, "stops %q; write %s or %s", clip(f.Stops), StopsAll, StopsScaleIn)
	}
	if spec.From != "" || spec.Until != "" {
		from, err1 := time.ParseInLocation(localTime, spec.From, zone)
		until, err2 := time.ParseInLocation(localTime, spec.Until, zone)
		if err1 != nil || err2 != nil || !from.Before(until) || len(spec.Days) > 0 || spec.Between != "" {
			r.bad(path, "write from and until as 2026-11-27T00:00, in this order, without days and between")
		}
		f.From, f.Until = from, until
		return f
	}
	var ok bool
	if f.begin, f.end, ok = readSpan(spec.Between); !ok {
		r.bad(path, "between is %q; write 22:00-06:00, or from and until", clip(spec.Between))
	}
	for _, d := range spec.Days {
		day, ok := weekday(d)
		if !ok {
			r.bad(path, "%q is not a day; write mon, tue, wed, thu, fri, sat or sun", clip(d))
		}
		f.Days = append(f.Days, day)
	}
	return f
}

func readSpan(text string) (begin, end int, ok bool) {
	a, b, found := strings.Cut(text, "-")
	begin, ok1 := minuteOf(a)
	end, ok2 := minuteOf(b)
	return begin, end, found && ok1 && ok2 && begin < wholeDay && begin != end
}

// minuteOf reads 00:00 to 24:00.
func minuteOf(text string) (int, bool) {
	if text == "24:00" {
		return wholeDay, true
	}
	at, err := time.Parse("15:04", text)
	return at.Hour()*60 + at.Minute(), err == nil
}

func weekday(text string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(text, d.String()[:3]) {
			return d, true
		}
	}
	return 0, false
}
