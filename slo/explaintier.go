package slo

import (
	"math"
	"time"
)

// TierTold says when a burn alert fires and ends.
type TierTold struct {
	Name              string  `json:"tier"`
	Severity          string  `json:"severity"`
	Factor            float64 `json:"factor"`
	LongSeconds       float64 `json:"longSeconds"`
	ShortSeconds      float64 `json:"shortSeconds"`
	FiresAbovePercent float64 `json:"firesAboveErrorPercent"`
	Faults            []Fault `json:"faults"`
	// ResetSeconds is about how long the alert stays after a total outage that fired it has ended, at most.
	ResetSeconds float64 `json:"resetSeconds"`
}

// Fault is a steady share of events that fail, from a time before which none did.
type Fault struct {
	ErrorPercent float64 `json:"errorPercent"`
	Fires        bool    `json:"fires"`
	// AfterSeconds is how long it lasts until the tier's condition holds: long x factor x budget / share, or later
	// where at the rate the guard needs more failures than that; Guarded says so.
	AfterSeconds float64 `json:"afterSeconds,omitempty"`
	Guarded      bool    `json:"guarded,omitempty"`
	// WithinSeconds adds what seeing it can take at most: a scrape, which is taken to come once an interval at least,
	// settling, and the evaluations in between.
	WithinSeconds float64 `json:"withinSeconds,omitempty"`
	BudgetPercent float64 `json:"budgetSpentPercent,omitempty"` // of the window's budget, after AfterSeconds
}

// LowTraffic says what few events do to the first page tier.
type LowTraffic struct {
	Tier        string  `json:"tier"`
	LongSeconds float64 `json:"longSeconds"`
	Events      float64 `json:"eventsInLongWindow"` // at the rate
	// FailuresNeeded is the fewest failed events in the long window with which the tier fires; 0: not even all of them do.
	FailuresNeeded float64 `json:"failuresNeeded"`
	// OutageNeeds is the fewest events in the long window with which a total failure fires.
	OutageNeeds float64 `json:"eventsNeededForAnOutage"`
	// SinglePagesUpTo is the most events in the long window with which a single failed one fires; 0: it never does.
	SinglePagesUpTo float64 `json:"singleFailurePagesUpToEvents"`
}

// faultShares are the faults told, and one that burns at twice the allowed rate.
func (s SLO) faultShares() []float64 { return []float64{1, 0.1, 0.01, min(1, 2*s.Objective.Budget())} }

func (s SLO) tierTold(c Condition, rate float64) TierTold {
	out := TierTold{
		Name: c.Name, Severity: c.Severity, Factor: c.Factor, LongSeconds: c.Long.Seconds(), ShortSeconds: c.Short.Seconds(),
		FiresAbovePercent: round6(100 * c.limit), ResetSeconds: s.reset(c, rate).Seconds(),
	}
	for _, share := range s.faultShares() {
		out.Faults = append(out.Faults, s.fault(c, share, rate))
	}
	return out
}

// fault says when the condition holds, at a steady rate over a past without errors that is longer than its windows.
func (s SLO) fault(c Condition, share, rate float64) Fault {
	out := Fault{ErrorPercent: round6(100 * share)}
	counted := s.judgedShare(share)
	if counted <= c.limit {
		return out
	}
	after := time.Duration(float64(c.Long) * c.limit / counted)
	reached := c.after(after, s.Interval, counted, rate)
	if reached < 0 {
		return out
	}
	out.Fires, out.Guarded = true, reached > after
	out.AfterSeconds = math.Round(reached.Seconds()*1e3) / 1e3
	out.WithinSeconds = math.Round((reached+s.seenWithin(c)).Seconds()*1e3) / 1e3
	out.BudgetPercent = round6(100 * counted * float64(reached) / float64(s.Window.Length()) / s.Objective.Budget())
	return out
}

// judgedShare is the share of slices that are bad where such a share of events is, in every interval.
func (s SLO) judgedShare(share float64) float64 {
	if s.Slices.Target <= 0 {
		return share
	}
	if share > round12((100-s.Slices.Target)/100) {
		return 1
	}
	return 0
}

// after returns how long the fault lasts when the condition holds, not before least; -1 where it does not within the
// long window. Beyond least it goes by intervals.
func (c Condition) after(least, interval time.Duration, share, rate float64) time.Duration {
	over := func(window, lasted time.Duration) Reading {
		total := rate * window.Seconds()
		return Reading{Counts: Counts{Good: total - share*rate*min(window, lasted).Seconds(), Total: total}, Seen: true}
	}
	for lasted := least; lasted <= c.Long; lasted += interval {
		seen := lasted + time.Millisecond // the condition asks for more than the limit
		if c.Fires(over(c.Short, seen), over(c.Long, seen), over(c.Recent, seen), over(c.Between, seen)) {
			return lasted
		}
	}
	return -1
}

// seenWithin is how long after the fault has lasted long enough its alert fires, at most.
func (s SLO) seenWithin(c Condition) time.Duration {
	delay := 2*s.Interval + s.Settle // a scrape, settling, and the evaluation
	if s.SLI.RatioQuery != "" {
		delay += s.rawSpan()
	}
	if c.Severity == "ticket" {
		delay += c.Interval
	}
	if c.Long > fastest || c.Long == s.Window.Length() {
		delay += s.MeasuredEvery(c.Long) + s.Interval // sums of sums end an interval before
	}
	return delay
}

// reset is how long after a total outage of at least the short window its alert ends, at most: when the last minutes
// are well, where at the rate enough happens in them to tell, else when the short window is.
func (s SLO) reset(c Condition, rate float64) time.Duration {
	remembered := c.Short
	if c.resets {
		left := 1 - float64(c.Recent)/float64(c.Short) // of the outage in the short window by then
		if left*rate*c.Recent.Seconds() >= resetMinimum {
			remembered = c.Recent
		}
	}
	return remembered + s.seenWithin(c) + c.Keep
}

// failing is the condition where so many events of all in the long window failed, and the last minutes fail too.
func (c Condition) failing(failed, of float64) bool {
	bad := Reading{Counts: Counts{Total: 1}, Seen: true}
	return c.Fires(bad, Reading{Counts: Counts{Good: of - failed, Total: of}, Seen: true}, bad, Reading{})
}

func (c Condition) lowTraffic(rate float64) LowTraffic {
	out := LowTraffic{Tier: c.Name, LongSeconds: c.Long.Seconds(), Events: rate * c.Long.Seconds()}
	if n := first(1, math.Floor(out.Events), func(failed float64) bool { return c.failing(failed, out.Events) }); n > 0 {
		out.FailuresNeeded = n
	}
	out.OutageNeeds = first(1, 1e9, func(n float64) bool { return c.failing(n, n) })
	if c.failing(1, 1) {
		out.SinglePagesUpTo = first(1, 1e12, func(n float64) bool { return !c.failing(1, n) }) - 1
	}
	return out
}

// first returns the smallest whole number in [low, high] that holds, given that all after it do; 0 where none does.
func first(low, high float64, holds func(float64) bool) float64 {
	if high < low || !holds(high) {
		return 0
	}
	for low < high {
		middle := math.Floor((low + high) / 2)
		if holds(middle) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}
