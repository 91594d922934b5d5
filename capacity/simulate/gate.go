package simulate

import (
	"fmt"
	"math"
)

// Gate is what a workload's own back-test must show before a forecast may act for it.
type Gate struct {
	Target  float64 // of the HPA that is in place, as a share
	Around  float64 // targets so far to either side count too: a win at a single target is luck
	Margin  float64 // how much less must be missing at equal replica-hours, as a share
	MinDays float64 // scored
	Nothing float64 // θU of the HPA in %, below which there is nothing to win
}

// DefaultGate asks for a fifth less missing capacity around the target, over three days or more.
func DefaultGate(target float64) Gate {
	return Gate{Target: target, Around: 0.10, Margin: 0.2, MinDays: 3, Nothing: 0.02}
}

// The modes of a Verdict.
const (
	ModePredictive   = "predictive"
	ModeForecastOnly = "forecast-only"
)

// Verdict says whether a forecast may act, and why.
type Verdict struct {
	Mode   string     `json:"mode"` // one of the Mode constants
	Reason string     `json:"reason"`
	Margin float64    `json:"margin"`
	Days   float64    `json:"days"`   // judged
	Ratio  *float64   `json:"ratio"`  // missing capacity of ours over the HPA's at equal replica-hours, geometric mean around the target
	Hours  *float64   `json:"hours"`  // replica-hours of ours over the HPA's at equal missing capacity, at the target
	Worst  *float64   `json:"worst"`  // the highest of the ratios around the target
	Halves []*float64 `json:"halves"` // Ratio of the earlier and the later half of the days
}

// Acts reports whether the forecast may act.
func (v Verdict) Acts() bool { return v.Mode == ModePredictive }

// Judge compares the frontiers over days from, to excluded. A forecast may act where ours dominates the HPA's frontier
// around its target: no ratio above 1, their geometric mean below 1 by the margin, and in both halves of the days below 1.
// Otherwise it is forecast-only.
func (g Gate) Judge(hpa, ours Sweep, from, to int) Verdict {
	v := Verdict{Mode: ModeForecastOnly, Margin: g.Margin}
	offers := hpa.Frontier(from, to)
	for _, o := range offers {
		v.Days = max(v.Days, o.Days)
	}
	if v.Days < g.MinDays {
		v.Reason = fmt.Sprintf("Forecast only: %.1f days were judged and %.3g are needed.", v.Days, g.MinDays)
		return v
	}
	compared := Compare(offers, ours.Frontier(from, to))
	at := g.at(compared)
	if at == nil {
		v.Reason = fmt.Sprintf("Forecast only: no replay had a target of %s.", perCent(g.Target))
		return v
	}
	v.Hours = at.HoursRatio
	if at.Under < g.Nothing {
		v.Reason = fmt.Sprintf("Forecast only: there is nothing to win; the HPA at %s misses %.2g %% of the capacity needed.", perCent(g.Target), at.Under)
		return v
	}
	v.Ratio, v.Worst = g.ratio(compared)
	half := from + (to-from)/2
	for _, days := range [][2]int{{from, half}, {half, to}} {
		ratio, _ := g.ratio(Compare(hpa.Frontier(days[0], days[1]), ours.Frontier(days[0], days[1])))
		v.Halves = append(v.Halves, ratio)
	}
	v.decide(g)
	return v
}

// at is the comparison at the gate's target.
func (g Gate) at(compared []Comparison) *Comparison {
	for i, c := range compared {
		if math.Abs(c.Target-g.Target) < 1e-9 {
			return &compared[i]
		}
	}
	return nil
}

// negligible is a θU in % so small that it counts as none: a replica in fifty for seventeen seconds a day.
const negligible = 0.0004

// ratio is the geometric mean and the highest of the ratios around the target. Where the HPA misses next to nothing, no
// ratio is taken; nil where there is none at all, or where ours cannot be had for as few replica-hours.
func (g Gate) ratio(compared []Comparison) (mean, worst *float64) {
	sum, n, highest := 0.0, 0, 0.0
	for _, c := range compared {
		if math.Abs(c.Target-g.Target) > g.Around+1e-9 || c.Under < negligible {
			continue
		}
		if c.Ours == nil {
			return nil, nil
		}
		ratio := max(*c.Ours, negligible) / c.Under
		sum, n, highest = sum+math.Log(ratio), n+1, max(highest, ratio)
	}
	if n == 0 {
		return nil, nil
	}
	m := math.Exp(sum / float64(n))
	return &m, &highest
}

func (v *Verdict) decide(g Gate) {
	around := fmt.Sprintf("targets of %s to %s", perCent(g.Target-g.Around), perCent(g.Target+g.Around))
	switch {
	case v.Ratio == nil:
		v.Reason = "Forecast only: with a forecast the replica-hours of the HPA around its target are not enough."
	case *v.Ratio > 1:
		v.Reason = fmt.Sprintf("Forecast only: a forecast would lose. At equal replica-hours %.3g times as much capacity would be missing as with the HPA (mean over %s, %.1f days).", *v.Ratio, around, v.Days)
	case *v.Ratio > 1-g.Margin:
		v.Reason = fmt.Sprintf("Forecast only: the win is too small. At equal replica-hours %.3g times as much capacity would be missing as with the HPA (mean over %s, %.1f days); %.3g or less is asked for.", *v.Ratio, around, v.Days, 1-g.Margin)
	case *v.Worst > 1:
		v.Reason = fmt.Sprintf("Forecast only: a forecast wins at some targets and loses at others. At equal replica-hours %.3g times as much capacity would be missing as with the HPA on average over %s, but %.3g times at the worst.", *v.Ratio, around, *v.Worst)
	case !below(v.Halves, 1):
		v.Reason = fmt.Sprintf("Forecast only: the win does not last. Of %.1f days, one half shows less missing capacity than the HPA at equal replica-hours, the other does not (%s).", v.Days, ratios(v.Halves))
	default:
		v.Mode = ModePredictive
		v.Reason = fmt.Sprintf("Predictive may act: at equal replica-hours %.3g times as much capacity is missing as with the HPA (mean over %s, %.1f days; halves %s)", *v.Ratio, around, v.Days, ratios(v.Halves))
		if v.Hours != nil {
			v.Reason += fmt.Sprintf(", or %.3g times the replica-hours with equally much missing", *v.Hours)
		}
		v.Reason += "."
	}
}

// below reports whether all are known and below a limit.
func below(values []*float64, limit float64) bool {
	for _, v := range values {
		if v == nil || *v >= limit {
			return false
		}
	}
	return true
}

func ratios(values []*float64) string {
	text := ""
	for i, v := range values {
		if i > 0 {
			text += " and "
		}
		if v == nil {
			text += "unknown"
			continue
		}
		text += fmt.Sprintf("%.3g", *v)
	}
	return text
}

func perCent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }
