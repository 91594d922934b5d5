package slo

import (
	"math"
	"time"
)

// tierPlan is one row of the burn-rate table of the SRE workbook (chapter 5, "Alerting on SLOs", its 6th approach): an
// alert fires when Share of the period's budget went within the long window. The windows are those of a 30-day period.
type tierPlan struct {
	name, severity string
	share          float64
	long, short    time.Duration
}

var tierPlans = []tierPlan{
	{"page-fast", "page", 0.02, time.Hour, 5 * time.Minute},
	{"page-slow", "page", 0.05, 6 * time.Hour, 30 * time.Minute},
	{"ticket-fast", "ticket", 0.10, 24 * time.Hour, 2 * time.Hour},
	{"ticket-slow", "ticket", 0.10, 72 * time.Hour, 6 * time.Hour},
}

// Tiers returns the burn alerts, fastest first: those of the definition, else the four usual ones. At 30 days the factors are 14.4, 6, 3 and 1. For other windows
// factor x long stays the same share of the period: within a tenth of 30 days (28 and 31 days, calendar months) the
// usual windows stay and the factor gives way, as Sloth does it; beyond that the windows scale with the period, in
// whole base intervals, the short one at least three and the long one at least twice the short.
func (s SLO) Tiers() []Tier {
	s = s.withDefaults()
	if len(s.Alerting.Tiers) > 0 {
		return s.Alerting.Tiers
	}
	period := s.Window.Length()
	tiers := make([]Tier, 0, len(tierPlans))
	for _, p := range tierPlans {
		short := max(scaled(p.short, period, s.Interval), 3*s.Interval)
		long := max(scaled(p.long, period, s.Interval), 2*short)
		tiers = append(tiers, Tier{
			Name: p.name, Severity: p.severity, Long: long, Short: short,
			Factor: round6(p.share * float64(period) / float64(long)),
		})
	}
	return tiers
}

func scaled(window, period, interval time.Duration) time.Duration {
	scale := float64(period) / float64(DefaultRolling)
	if scale >= 0.9 && scale <= 1.1 {
		return window
	}
	return time.Duration(float64(window) * scale).Round(interval)
}

// between returns the short window of the next tier where it lies between the windows of t, and 0 where none does.
func between(tiers []Tier, t Tier) time.Duration {
	for i, one := range tiers {
		if one.Name == t.Name && i > 0 && i+1 < len(tiers) {
			if next := tiers[i+1].Short; next > t.Short && next < t.Long {
				return next
			}
		}
	}
	return 0
}

// recent is the span that says whether trouble goes on: three minutes, of at least three increments, and not longer than
// the fastest tier's short window.
func (s SLO) recent() time.Duration {
	return min(max(3*s.Interval, 3*time.Minute), s.Tiers()[0].Short)
}

// threshold returns the error ratio above which the tier fires. Where Factor times the budget is out of reach, because
// the objective is low (14.4 x 10 % for 90 %), it is a ratio that a total outage still exceeds.
func (t Tier) threshold(budget float64) (ratio float64, capped bool) {
	reach := math.Max(0.95, (1+budget)/2)
	if exact := t.Factor * budget; exact < reach {
		return exact, false
	}
	return reach, true
}

func round6(x float64) float64 { return math.Round(x*1e6) / 1e6 }
