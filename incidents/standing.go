package incidents

import (
	"fmt"
	"time"
)

// The circuit of a target: from its first refusal it counts as broken until a page succeeds; after circuitAfter refusals
// in a row its pages fail without being sent, but for one each probeEvery.
const (
	circuitAfter = 3
	probeEvery   = 30 * time.Second
)

// TargetState is how a target is doing, over all replicas.
type TargetState struct {
	Key          string
	Provider     string
	Name         string // for people
	Failures     int    // refusals for good, in a row
	BrokenSince  *time.Time
	BrokenWhy    string
	ProbeAt      *time.Time
	BlockedUntil *time.Time // its provider asked to be left alone until then
}

// Standing is what a target may get now.
type Standing struct {
	Free   int    // messages
	Broken string // why its pages fail without being sent, "" where they are sent
	Probe  bool   // the one message that finds out whether it still refuses
	Ends   bool   // what takes a call back may go beyond Free: it reaches nobody
}

// Standing returns what the target may get at the time; used has how many messages it got within each of its provider's
// limits, in the order of LimitsOf; nil is none.
func (s TargetState) Standing(used []int, now time.Time) Standing {
	if s.BlockedUntil != nil && s.BlockedUntil.After(now) {
		return Standing{}
	}
	free, ends := 1<<30, s.Provider == "voice"
	for n, l := range LimitsOf(s.Provider) {
		had := 0
		if n < len(used) {
			had = used[n]
		}
		free = min(free, max(0, l.Most-had))
	}
	switch {
	case s.Failures < circuitAfter:
		return Standing{Free: free, Ends: ends}
	case s.ProbeAt == nil || !s.ProbeAt.After(now):
		return Standing{Free: min(free, 1), Probe: true, Ends: ends}
	}
	return Standing{Free: 1 << 30, Broken: fmt.Sprintf(
		"%s has refused %d pages in a row, the last one because: %s; it is tried again at %s", s.Name, s.Failures, s.BrokenWhy, clock(*s.ProbeAt))}
}

// Probed returns the state after a probe was claimed, so that there is one at a time.
func (s TargetState) Probed(now time.Time) TargetState {
	at := now.Add(probeEvery)
	s.ProbeAt = &at
	return s
}

// After returns the state after an attempt, and whether the target broke just now. leaveAlone is what the provider asked
// for, 0 for nothing.
func (s TargetState) After(a Attempt, leaveAlone time.Duration, now time.Time) (after TargetState, broke bool) {
	switch a.Outcome {
	case OutcomeSent:
		s.Failures, s.BrokenSince, s.BrokenWhy, s.ProbeAt, s.BlockedUntil = 0, nil, "", nil, nil
	case OutcomeFailed:
		if broke = s.BrokenSince == nil; broke {
			s.BrokenSince = &now
		}
		s.Failures, s.BrokenWhy = s.Failures+1, a.Error
		if s.Failures >= circuitAfter {
			s = s.Probed(now)
		}
	case OutcomeRetry:
		if leaveAlone > 0 {
			at := now.Add(min(leaveAlone, maxRetry))
			s.BlockedUntil = &at
		}
	}
	return s, broke
}

// brokenEntry tells the operator once that a target refuses.
func (c Claim) brokenEntry(a Attempt, now time.Time) Event {
	return Event{
		Incident: c.Page.Incident, Tenant: c.Page.Tenant, At: now, Kind: EventTargetBroken, Actor: "system:pager", Name: "Nines",
		Text: fmt.Sprintf("%s counts as broken until a page to it succeeds: %s. Check the target, then send it a test.", c.Page.Target, a.Error),
	}
}

// Conclusion is what storage writes down when an attempt has ended, beside the attempt itself.
type Conclusion struct {
	Target TargetState
	Events []Event
}

// Conclude returns what an attempt means for its target and the timeline. What was not sent says nothing of its target.
func (c Claim) Conclude(a Attempt, target TargetState, retryIn time.Duration, now time.Time) Conclusion {
	out := Conclusion{Target: target, Events: []Event{c.Entry(a, retryIn, now)}}
	if c.Broken != "" || a.Outcome == OutcomeCanceled {
		return out
	}
	var broke bool
	out.Target, broke = target.After(a, a.LeaveAlone, now)
	if broke {
		out.Events = append(out.Events, c.brokenEntry(a, now))
	}
	return out
}
