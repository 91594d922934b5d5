package incidents

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Notices returns how the person is called for one step, the first first. What the person has not chosen errs on the side of
// calling: without rules of low urgency those of high count, without any usable rule all methods are used at once, and
// without methods it is an e-mail to the account's address. While quiet hours last, what is of low urgency waits for their
// end; what is of high urgency never waits.
func (p Person) Notices(u Urgency, now time.Time) []Notice {
	notices := p.byRules(u, now)
	if len(notices) == 0 && u == LowUrgency {
		notices = p.byRules(HighUrgency, now)
	}
	if len(notices) == 0 {
		for _, m := range p.Methods {
			notices = append(notices, Notice{At: now, Target: m.Target, Method: m.Name})
		}
	}
	if len(notices) == 0 && p.Email != "" {
		notices = []Notice{{At: now, Target: Target{Email: &EmailTarget{To: []string{p.Email}}}, Method: "e-mail"}}
	}
	for n := range notices {
		if u == LowUrgency {
			notices[n].At = p.audible(notices[n].At)
		}
	}
	slices.SortStableFunc(notices, func(a, b Notice) int { return a.At.Compare(b.At) })
	for n := range notices {
		notices[n].Number = n + 1
	}
	return notices
}

func (p Person) byRules(u Urgency, now time.Time) []Notice {
	var notices []Notice
	for _, r := range p.Rules {
		at := slices.IndexFunc(p.Methods, func(m Method) bool { return m.ID == r.Method })
		if r.Urgency == u && at >= 0 {
			notices = append(notices, Notice{At: now.Add(r.Delay), Target: p.Methods[at].Target, Method: p.Methods[at].Name})
		}
	}
	return notices
}

// audible returns the first instant from at on that lies in no quiet hours, or at itself where all of the week is quiet.
func (p Person) audible(at time.Time) time.Time {
	zone, from := zoneOf(cmp.Or(p.Zone, "UTC")), at
	for range 3 * 8 * max(1, len(p.Quiet)) { // ends may lie in other quiet hours; a week has no more of them
		end, quiet := time.Time{}, false
		for _, q := range p.Quiet {
			if e, ok := q.endAt(from.In(zone)); ok && (!quiet || e.After(end)) {
				end, quiet = e, true
			}
		}
		if !quiet {
			return from
		}
		from = end
	}
	return at
}

// endAt returns when the quiet hours that the time lies in end, false where it lies in none.
func (q Quiet) endAt(t time.Time) (time.Time, bool) {
	for _, days := range []int{0, -1} { // begun today, or yesterday
		year, month, day := t.Year(), t.Month(), t.Day()+days
		noon := time.Date(year, month, day, 12, 0, 0, 0, t.Location())
		if len(q.Days) > 0 && !slices.Contains(q.Days, noon.Weekday()) {
			continue
		}
		until := q.To
		if q.To <= q.From {
			day++
		}
		begin := wallClock(noon, q.From)
		end := wallClock(time.Date(year, month, day, 12, 0, 0, 0, t.Location()), until)
		if !t.Before(begin) && t.Before(end) {
			return end, true
		}
	}
	return time.Time{}, false
}

// wallClock is the clock on the wall on the day of noon; what a change of the clock leaves out is the moment of the change.
func wallClock(noon time.Time, clock time.Duration) time.Time {
	hours, minutes := int(clock/time.Hour), int(clock/time.Minute)%60
	t := time.Date(noon.Year(), noon.Month(), noon.Day(), hours, minutes, 0, 0, noon.Location())
	if t.Hour() == hours%24 && t.Minute() == minutes {
		return t
	}
	for before := t.Add(-3 * time.Hour); before.Before(t.Add(3 * time.Hour)); before = before.Add(15 * time.Minute) {
		_, was := before.Zone()
		next := before.Add(15 * time.Minute)
		if _, is := next.Zone(); is != was {
			return next.Truncate(15 * time.Minute)
		}
	}
	return t
}

// CheckRules returns a fault.Invalid that names the first rule out of bounds, or of a method that the person has not.
func CheckRules(rules []Rule, methods []Method) error {
	if len(rules) > MaxRules {
		return fault.New(fault.Invalid, "rules: has %d; the most is %d", len(rules), MaxRules)
	}
	seen := map[Rule]bool{}
	for n, r := range rules {
		at := fmt.Sprintf("rules.%d", n)
		switch {
		case r.Urgency != HighUrgency && r.Urgency != LowUrgency:
			return fault.New(fault.Invalid, "%s.urgency: is %q; write high or low", at, clip(string(r.Urgency), 20))
		case r.Delay < 0 || r.Delay > MaxRuleDelay || r.Delay%time.Second != 0:
			return fault.New(fault.Invalid, "%s.delay: is %s; write whole seconds up to %s", at, r.Delay, MaxRuleDelay)
		case !slices.ContainsFunc(methods, func(m Method) bool { return m.ID == r.Method }):
			return fault.New(fault.Invalid, "%s.method: is none of the person's methods", at)
		case seen[r]:
			return fault.New(fault.Invalid, "%s: is there twice", at)
		}
		seen[r] = true
	}
	return nil
}

// CheckQuiet returns a fault.Invalid that names the first quiet hours out of bounds, or a zone that is not known.
func CheckQuiet(zone string, quiet []Quiet) error {
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return fault.New(fault.Invalid, "zone: %q is no zone of the tz database, such as Europe/Berlin", clip(zone, 60))
	}
	if len(quiet) > MaxQuiet {
		return fault.New(fault.Invalid, "quiet: has %d; the most is %d", len(quiet), MaxQuiet)
	}
	const day = 24 * time.Hour
	for n, q := range quiet {
		if q.From < 0 || q.From >= day || q.To < 0 || q.To > day || q.From%time.Minute != 0 || q.To%time.Minute != 0 {
			return fault.New(fault.Invalid, "quiet.%d: from and to are times of day in whole minutes", n)
		}
		for _, d := range q.Days {
			if d < time.Sunday || d > time.Saturday {
				return fault.New(fault.Invalid, "quiet.%d.days: %d is no day of the week; Sunday is 0", n, d)
			}
		}
	}
	return nil
}
