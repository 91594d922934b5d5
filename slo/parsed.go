package slo

import (
	"slices"
	"time"
)

// Parsed is an SLI in PromQL, kept from reading for writing its rules, since parsing PromQL costs as much as writing
// them. It is derived from the rest of the SLO and only used while it fits: changing an SLO needs no care.
type Parsed struct {
	sli              SLI
	interval, settle time.Duration
	groupBy          []string
	counters         string
	counted          counted
}

// Equal reports true: what is derived makes no difference between SLOs.
func (p *Parsed) Equal(*Parsed) bool { return true }

func (s SLO) parsed(c counted) *Parsed {
	return &Parsed{sli: s.SLI, interval: s.Interval, settle: s.Settle, counters: s.Counters, groupBy: slices.Clone(s.GroupBy), counted: c}
}

// fits reports whether it was derived from these fields of the SLO.
func (p *Parsed) fits(s SLO) bool {
	return p != nil && p.interval == s.Interval && p.settle == s.Settle && p.counters == s.Counters && slices.Equal(p.groupBy, s.GroupBy) && p.sli.same(s.SLI)
}

func (s SLI) same(o SLI) bool {
	return s.ErrorQuery == o.ErrorQuery && s.GoodQuery == o.GoodQuery && s.TotalQuery == o.TotalQuery && s.RatioQuery == o.RatioQuery &&
		s.Histogram == o.Histogram && s.Selector == o.Selector && s.Threshold == o.Threshold && s.Native == o.Native && slices.Equal(s.Buckets, o.Buckets) &&
		s.Gauge == o.Gauge && s.Value == o.Value && s.Op == o.Op && s.Bound == o.Bound && slices.Equal(s.Parts, o.Parts)
}
