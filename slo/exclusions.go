package slo

import (
	"fmt"
	"slices"
	"time"
)

// allowed returns the corrections that the contract lets count for the SLO, cut to what it lets, and every one that is
// about it as the report tells it.
func (in Inputs) allowed(s SLO, width time.Duration) (count []Correction, told []CorrectionReport) {
	left := maintenanceLeft{bounded: in.Contract.Exclusions != nil && in.Contract.Exclusions.MaxHoursPerMonth > 0, width: width}
	if left.bounded {
		left.rest = time.Duration(in.Contract.Exclusions.MaxHoursPerMonth * float64(time.Hour))
	}
	ofSLO := CorrectionsOf(s, in.Corrections)
	slices.SortStableFunc(ofSLO, func(a, b Correction) int { return a.From.Compare(b.From) })
	for _, c := range ofSLO {
		retroactive := c.Retroactive()
		c.From, c.To = c.Effective(width)
		c.From, c.To = later(c.From, in.From), earlier(c.To, in.To)
		line := CorrectionReport{ID: c.ID, Kind: c.Kind, Mode: c.Mode, Labels: c.Labels, Reason: c.Reason, Author: c.Author, Created: c.Created,
			Retroactive: retroactive, From: c.From, To: c.To, Counts: true}
		if line.Why = in.Contract.Exclusions.refuse(c.Kind, retroactive); line.Why != "" {
			line.Counts = false
		} else if c.Kind == KindMaintenance {
			c.To, line.Why = left.take(c.From, c.To)
			line.To, line.Counts = c.To, c.From.Before(c.To)
			if !line.Counts {
				line.To = line.From
			}
		}
		told = append(told, line)
		if line.Counts {
			count = append(count, c)
		}
	}
	return count, told
}

// refuse says why the contract does not let a correction count, "" where it does.
func (e *Exclusions) refuse(kind string, retroactive bool) string {
	switch {
	case e == nil:
		return ""
	case kind == KindMaintenance && !e.Maintenance:
		return "the contract lets no maintenance count"
	case kind == KindMaintenance && e.Announced && retroactive:
		return "the contract lets only maintenance count that was entered before it began"
	case kind != KindMaintenance && !e.Corrections:
		return "the contract lets no corrections count"
	}
	return ""
}

// maintenanceLeft is how much more maintenance a promise's month may have. Time in which two overlap is taken once.
type maintenanceLeft struct {
	bounded bool
	rest    time.Duration
	until   time.Time // up to where time is taken; spans come in order of their beginning
	width   time.Duration
}

// take returns the end of the part of [from, to) that counts, in whole buckets, and why it is not all of it.
func (m *maintenanceLeft) take(from, to time.Time) (end time.Time, why string) {
	if !m.bounded {
		return to, ""
	}
	begin := later(from, m.until)
	if whole := m.rest / m.width * m.width; to.Sub(begin) > whole {
		end = later(begin.Add(whole), from)
		if end.After(to) {
			end = to
		}
		why = fmt.Sprintf("the contract's hours of maintenance a month are used up at %s", end.Format(time.RFC3339))
	} else {
		end = to
	}
	m.rest -= max(0, end.Sub(begin))
	m.until = later(m.until, end)
	return end, why
}
