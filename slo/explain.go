package slo

import (
	"math"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Explanation is what an SLO promises and what its alerts do, in figures that people ask for. Figures at a rate are what
// is to be expected at that steady traffic, no more.
type Explanation struct {
	ID              string    `json:"slo"`
	Objective       Objective `json:"objectivePercent"`
	BudgetPercent   float64   `json:"budgetPercent"` // of events that may fail
	Window          Window    `json:"window"`
	WindowDays      float64   `json:"windowDays"` // nominal: 30 for a calendar month
	EventsPer       string    `json:"eventsPer"`  // PerRequest, PerSample or PerInterval
	IntervalSeconds float64   `json:"intervalSeconds"`
	// EventsPerSecond is the rate that figures are for: the one asked for, or one an interval where an interval is the
	// event (and one an interval and series where a sample is).
	EventsPerSecond float64       `json:"eventsPerSecond"`
	Allowance       Allowance     `json:"allowance"`
	Guard           float64       `json:"guardProbability"` // 1: there is none
	Tiers           []TierTold    `json:"tiers"`
	LowTraffic      *LowTraffic   `json:"lowTraffic,omitempty"` // of the first page tier
	NoData          bool          `json:"noDataAlert"`
	NoDataSeconds   float64       `json:"noDataSeconds,omitempty"` // that targets must be lost for it
	Gap             string        `json:"gap"`
	GroupBy         []string      `json:"groupBy"`
	BudgetBy        []string      `json:"budgetBy"`
	MaxGroups       int           `json:"maxGroups"`
	Parts           []PartTold    `json:"parts,omitempty"`
	Further         []Explanation `json:"furtherObjectives,omitempty"`
}

// What one event is.
const (
	PerRequest  = "request"
	PerSample   = "sample"
	PerInterval = "interval"
)

// Allowance is what the objective allows. Minutes are of total outage at steady traffic, or of any at all where
// intervals are the events.
type Allowance struct {
	WindowMinutes     float64 `json:"outageMinutesInWindow"`
	ThirtyDaysMinutes float64 `json:"outageMinutesIn30Days"`
	ShortMonthMinutes float64 `json:"outageMinutesIn28Days"` // the shortest calendar month
	LongMonthMinutes  float64 `json:"outageMinutesIn31Days"`
	WindowFailures    float64 `json:"failedEventsInWindow"`
	ThirtyDaysFailed  float64 `json:"failedEventsIn30Days"`
}

// PartTold is a part of a composite and its share of the whole.
type PartTold struct {
	Part
	SharePercent float64 `json:"sharePercent"`
}

// Explain says what the SLO means at a steady rate of events a second. The error is fault.Invalid where the rate is not
// above zero, or where the SLI cannot be counted.
func (s SLO) Explain(rate float64) (Explanation, error) {
	if !(rate > 0) || math.IsInf(rate, 0) {
		return Explanation{}, fault.New(fault.Invalid, "a rate of %v events a second says nothing; give one above zero", rate)
	}
	s = s.withDefaults()
	c, issues := s.count(false)
	if len(issues) > 0 {
		return Explanation{}, fault.New(fault.Invalid, "SLO %s: %s: %s", s.ID, issues[0].field, issues[0].message)
	}
	out := s.explain(c, rate)
	for _, one := range s.All()[1:] {
		out.Further = append(out.Further, one.explain(c, rate))
	}
	return out, nil
}

func (s SLO) explain(c counted, rate float64) Explanation {
	out := Explanation{
		ID: s.ID, Objective: s.Objective, BudgetPercent: round12(100 * s.Objective.Budget()), Window: s.Window, WindowDays: s.Window.Length().Hours() / 24,
		EventsPer: PerRequest, IntervalSeconds: s.Interval.Seconds(), EventsPerSecond: rate, Guard: s.GuardInForce(),
		NoData: c.target != "" && !s.Alerting.PageOff && !s.Alerting.NoDataOff && s.Of == "", Gap: s.Gap,
		GroupBy: c.groupBy, BudgetBy: s.BudgetBy, MaxGroups: s.MaxGroups, Tiers: []TierTold{},
	}
	switch {
	case c.judged || s.Slices != (Slices{}):
		out.EventsPer, out.EventsPerSecond = PerInterval, 1/s.Interval.Seconds()
	case s.SLI.Gauge != "":
		out.EventsPer, out.EventsPerSecond = PerSample, 1/s.Interval.Seconds()
	}
	if out.Gap == "" {
		out.Gap = GapIgnore
	}
	if out.MaxGroups == 0 {
		out.MaxGroups = DefaultMaxGroups
	}
	if out.NoData {
		out.NoDataSeconds = min(max(3*s.Interval, 15*time.Second), 5*time.Minute).Seconds()
	}
	out.Allowance = s.allowance(out.EventsPerSecond)
	out.Parts = s.partsTold()
	conditions := s.Conditions()
	for _, one := range conditions {
		out.Tiers = append(out.Tiers, s.tierTold(one, out.EventsPerSecond))
	}
	if i := slices.IndexFunc(conditions, func(c Condition) bool { return c.Severity != "ticket" }); i >= 0 {
		told := conditions[i].lowTraffic(out.EventsPerSecond)
		out.LowTraffic = &told
	}
	return out
}

func (s SLO) allowance(rate float64) Allowance {
	budget := s.Objective.Budget()
	minutes := func(d time.Duration) float64 { return round6(budget * d.Minutes()) }
	failures := func(d time.Duration) float64 { return round6(budget * rate * d.Seconds()) }
	return Allowance{
		WindowMinutes: minutes(s.Window.Length()), ThirtyDaysMinutes: minutes(30 * day), ShortMonthMinutes: minutes(28 * day), LongMonthMinutes: minutes(31 * day),
		WindowFailures: failures(s.Window.Length()), ThirtyDaysFailed: failures(30 * day),
	}
}

func (s SLO) partsTold() []PartTold {
	sum := 0.0
	for _, p := range s.SLI.Parts {
		sum += p.Weight
	}
	var out []PartTold
	for _, p := range s.SLI.Parts {
		out = append(out, PartTold{p, round6(100 * p.Weight / sum)})
	}
	return out
}
