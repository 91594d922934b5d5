package incidents

import (
	"slices"
	"time"
)

// Support is when a service is looked after: by the clock on the wall in Zone, on Days from From to To. Inside and Outside
// say how urgent its incidents are in and out of these hours.
type Support struct {
	Zone    string         `json:"zone"` // IANA
	Days    []time.Weekday `json:"days"` // empty is every day
	From    time.Duration  `json:"from"` // since midnight
	To      time.Duration  `json:"to"`   // since midnight; at or before From it is on the next day
	Inside  Urgency        `json:"inside,omitempty"`
	Outside Urgency        `json:"outside,omitempty"` // "" is as the severity says
	// Raise says that incidents of low urgency that nobody has acknowledged are called out anew when the hours begin, if
	// they are of high urgency then.
	Raise bool `json:"raise,omitempty"`
}

// Covers reports whether the time is within support hours. A zone that is not known counts as UTC.
func (s Support) Covers(t time.Time) bool {
	local := t.In(zoneOf(s.Zone))
	clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second
	today, yesterday := s.on(local.Weekday()), s.on((local.Weekday()+6)%7)
	if s.To > s.From {
		return today && clock >= s.From && clock < s.To
	}
	return today && clock >= s.From || yesterday && clock < s.To
}

func (s Support) on(day time.Weekday) bool { return len(s.Days) == 0 || slices.Contains(s.Days, day) }

// NextStart returns when support hours begin next after the time, the zero Time where they never do. A clock that is set
// forward over their beginning makes them begin at the next instant that there is.
func (s Support) NextStart(after time.Time) time.Time {
	zone := zoneOf(s.Zone)
	local := after.In(zone)
	for day := range 9 {
		year, month, date := local.Year(), local.Month(), local.Day()+day
		if !s.on(time.Date(year, month, date, 12, 0, 0, 0, zone).Weekday()) {
			continue
		}
		start := time.Date(year, month, date, int(s.From.Hours()), int(s.From.Minutes())%60, 0, 0, zone)
		for range 13 { // a clock is set forward by three hours at most
			if s.Covers(start) {
				break
			}
			start = start.Add(15 * time.Minute)
		}
		if start.After(after) && s.Covers(start) {
			return start
		}
	}
	return time.Time{}
}

func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// Urgency returns how urgent an incident of that severity is at the time: critical and error are of high urgency, warning
// and info of low urgency, unless the service's support hours say otherwise.
func (p Policy) Urgency(s Severity, at time.Time) Urgency {
	if u := p.fixed(at); u != "" {
		return u
	}
	if s.Pages() {
		return HighUrgency
	}
	return LowUrgency
}

// fixed is the urgency that support hours give to every incident at the time, "" for none.
func (p Policy) fixed(at time.Time) Urgency {
	switch {
	case p.Support == nil:
		return ""
	case p.Support.Covers(at):
		return p.Support.Inside
	}
	return p.Support.Outside
}

// Wakes reports whether an incident of that severity pages at the time: critical and error always, though by people's
// rules for low urgency where support hours say so; the others where the policy pages for low urgency, or support hours
// make them of high urgency.
func (p Policy) Wakes(s Severity, at time.Time) bool {
	return s.Pages() || p.LowUrgency || p.fixed(at) == HighUrgency
}

// raisesAt returns when an incident of that severity that is of low urgency now becomes one of high urgency, nil for never.
func (p Policy) raisesAt(s Severity, now time.Time) *time.Time {
	if p.Support == nil || !p.Support.Raise || p.Urgency(s, now) == HighUrgency {
		return nil
	}
	at := p.Support.NextStart(now)
	if at.IsZero() || p.Urgency(s, at) != HighUrgency {
		return nil
	}
	return &at
}
