package backtest

import (
	"time"

	"github.com/nines-sre/nines/slo"
)

// ours replays the SLO's own tiers over one group. Each is evaluated when its rule group is: pages at every base
// interval, over increments up to that very slot; tickets at every meta interval, over what the groups before them had
// recorded by the slot before. Windows beyond six hours end one interval before the last whole slow step.
func ours(s slo.SLO, h History, g *Group) []Alert {
	var out []Alert
	for _, t := range tiersOf(s) {
		if t.Severity == severityPage && s.Alerting.PageOff || t.Severity == severityTicket && s.Alerting.TicketOff {
			continue
		}
		out = append(out, replayTier(s, h, g, t)...)
	}
	return out
}

// replayTier evaluates one tier at each of its slots.
func replayTier(s slo.SLO, h History, g *Group, t slo.Tier) []Alert {
	every := 1
	if t.Severity == severityTicket {
		every = int(s.MetaInterval() / s.Interval)
	}
	v := newView(s, h, g, t)
	r := recorder{alert: Alert{Tier: t.Name, Severity: t.Severity, Labels: g.Labels}, keep: v.keep}
	firstWhole := int(h.Begin.UnixNano()/int64(h.Interval)) + 1 // the number since the epoch of slot 0's end
	for i := range h.Slots {
		if every > 1 && (firstWhole+i)%every != 0 {
			continue
		}
		r.at(h.slotTime(i), v.fires(i))
	}
	return r.end()
}

// view is how one tier sees one group's history.
type view struct {
	group              *Group
	firstWhole         int
	step               int // slots of a slow step
	late               int // slots by which the fast windows lag, for tickets
	short, long, reset reader
	judge              func(short, long, reset slo.Counts) bool
	keep               time.Duration
}

// reader is a window as an alert reads it.
type reader struct {
	slots int
	slow  bool
}

func newView(s slo.SLO, h History, g *Group, t slo.Tier) view {
	read := func(w time.Duration) reader { return reader{int(w / h.Interval), s.SlowWindow(w)} }
	fastest := tiersOf(s)[0].Short
	v := view{
		group: g, firstWhole: int(h.Begin.UnixNano()/int64(h.Interval)) + 1, step: int(s.SlowStep() / h.Interval),
		short: read(t.Short), long: read(t.Long), reset: read(fastest), judge: judgeOf(s, t),
	}
	if t.Severity == severityTicket {
		v.late = 1
	}
	return v
}

// fires reports whether the tier's condition holds at slot i.
func (v *view) fires(i int) bool {
	return v.judge(v.read(v.short, i), v.read(v.long, i), v.read(v.reset, i))
}

// read returns the counts of a window as they stand recorded at slot i. Slow windows were last measured at the latest
// slow step before i, and end one interval before it.
func (v *view) read(r reader, i int) slo.Counts {
	end := i - v.late
	if r.slow {
		before := i - 1 // the groups of one moment run in no certain order; what the moment records is seen by the next
		end = before - mod(v.firstWhole+before, v.step) - 1
	}
	errors, total := v.group.over(end, r.slots)
	return slo.Counts{Good: total - errors, Total: total}
}

func mod(a, b int) int { return ((a % b) + b) % b }

// tiersOf returns the SLO's tiers: its own where it names any, else the usual ones.
func tiersOf(s slo.SLO) []slo.Tier {
	if len(s.Alerting.Tiers) > 0 {
		return s.Alerting.Tiers
	}
	return s.Tiers()
}
