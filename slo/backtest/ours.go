package backtest

import (
	"time"

	"github.com/nines-sre/nines/slo"
)

// ours replays the SLO's own alerts over one group. Each is evaluated when its rule group is: pages at every base
// interval, over increments up to that very slot; tickets every minute, over what the groups before them had recorded
// by the slot before. Windows that are sums of sums were last measured at a whole step before, and end one interval
// before that.
func ours(s slo.SLO, h History, g *Group) []Alert {
	var out []Alert
	for _, c := range s.Conditions() {
		out = append(out, replayCondition(s, h, g, c)...)
	}
	return out
}

// replayCondition evaluates one alert at each of its slots.
func replayCondition(s slo.SLO, h History, g *Group, c slo.Condition) []Alert {
	v := newView(s, h, g, c)
	r := recorder{alert: Alert{Tier: c.Name, Severity: c.Severity, Labels: g.Labels}, keep: c.Keep}
	every := int(c.Interval / h.Interval)
	for i := range h.Slots {
		if mod(v.number+i, every) == 0 {
			r.at(h.slotTime(i), v.fires(i))
		}
	}
	return r.end()
}

// view is how one alert sees one group's history.
type view struct {
	condition slo.Condition
	group     *Group
	number    int // of the slot 0 since the epoch, by its end
	late      int // slots by which the windows lag that are measured at every interval

	short, long, recent, between reader
}

// reader is a window as an alert reads it: its length and the step of its measurements, in slots.
type reader struct{ slots, step int }

func newView(s slo.SLO, h History, g *Group, c slo.Condition) view {
	read := func(w time.Duration) reader { return reader{int(w / h.Interval), int(s.MeasuredEvery(w) / h.Interval)} }
	v := view{
		condition: c, group: g, number: int(h.Begin.UnixNano()/int64(h.Interval)) + 1,
		short: read(c.Short), long: read(c.Long), recent: read(c.Recent), between: read(c.Between),
	}
	if c.Severity == severityTicket {
		v.late = 1
	}
	return v
}

// fires reports whether the alert's condition holds at slot i.
func (v *view) fires(i int) bool {
	short := v.read(v.short, i)
	if short.Errors() <= 0 { // nearly always, and then the rest need not be read
		return false
	}
	return v.condition.Fires(short, v.read(v.long, i), v.read(v.recent, i), v.read(v.between, i))
}

// read returns a window as it stands recorded at slot i. The groups of one moment run in no certain order, so what
// another group records is taken as seen by the next slot.
func (v *view) read(r reader, i int) slo.Reading {
	end := i - v.late
	if r.step > 1 {
		before := i - 1
		end = before - mod(v.number+before, r.step) - 1
	}
	errors, total, seen := v.group.between(end+1-r.slots, end+1)
	return slo.Reading{Counts: slo.Counts{Good: total - errors, Total: total}, Seen: seen > 0}
}

func mod(a, b int) int { return ((a % b) + b) % b }
