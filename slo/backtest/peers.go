package backtest

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// peerData is what peers' rules are replayed from.
type peerData struct {
	shape    *shape
	counters []*counter
}

func labelDuration(d time.Duration) string { return model.Duration(d).String() }

// peerTier is one burn condition of a peer's alert: both ratios above the limit.
type peerTier struct {
	name, severity string
	limit          float64
	short, long    time.Duration
	hold           time.Duration
}

// peerRules is a peer's alerting as far as it can be told from its rules.
type peerRules struct {
	name  string
	every time.Duration // between evaluations
	delay time.Duration // from the evaluation that records ratios to the one that compares them; at most every
	tiers []peerTier
	legs  bool // tiers of one severity are the legs of one alert
}

// slothRules are those that Sloth generates: a page and a ticket alert of two legs each, without "for". Its ratios and
// its alerts are groups of their own, which run at offsets that hash to anything: half an interval apart is the mean.
func slothRules(s slo.SLO, every time.Duration) peerRules {
	budget := s.Objective.Budget()
	period := s.Window.Length()
	tier := func(severity string, share float64, long, short time.Duration) peerTier {
		factor := share * float64(period) / float64(long)
		return peerTier{name: severity, severity: severity, limit: factor * budget, short: short, long: long}
	}
	return peerRules{name: Sloth, every: every, delay: every / 2, legs: true, tiers: []peerTier{
		tier(severityPage, 0.02, time.Hour, 5*time.Minute), tier(severityPage, 0.05, 6*time.Hour, 30*time.Minute),
		tier(severityTicket, 0.10, 24*time.Hour, 2*time.Hour), tier(severityTicket, 0.10, 72*time.Hour, 6*time.Hour),
	}}
}

// pyrraRules are those that Pyrra generates: four alerts in the group of their ratios, each with a "for"; windows are
// those of 28 days, scaled to the period and rounded to minutes.
func pyrraRules(s slo.SLO) peerRules {
	budget := s.Objective.Budget()
	scale := float64(s.Window.Length()) / float64(28*24*time.Hour)
	scaled := func(d time.Duration) time.Duration {
		return max(time.Duration(float64(d)*scale).Round(time.Minute), time.Minute)
	}
	tier := func(name, severity string, factor float64, short, long, hold time.Duration) peerTier {
		return peerTier{name: name, severity: severity, limit: factor * budget, short: scaled(short), long: scaled(long), hold: scaled(hold)}
	}
	return peerRules{name: Pyrra, every: 30 * time.Second, tiers: []peerTier{
		tier("critical-fast", severityPage, 14, 5*time.Minute, time.Hour, 2*time.Minute),
		tier("critical-slow", severityPage, 7, 30*time.Minute, 6*time.Hour, 15*time.Minute),
		tier("warning-fast", severityTicket, 2, 2*time.Hour, 24*time.Hour, time.Hour),
		tier("warning-slow", severityTicket, 1, 6*time.Hour, 96*time.Hour, 3*time.Hour),
	}}
}

// windows returns the windows that the tiers read, each once.
func (p peerRules) windows() []time.Duration {
	var out []time.Duration
	for _, t := range p.tiers {
		out = append(out, t.short, t.long)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (p peerRules) longest() time.Duration { return slices.Max(p.windows()) }

// leg is one burn condition as it is evaluated: which ratios it compares, and whose alert it is.
type leg struct {
	short, long int // among the windows
	limit       float64
	alert       int
}

// conditions returns the legs and the alerts that they make.
func (p peerRules) conditions(labels map[string]string) (legs []leg, alerts []*recorder) {
	windows := p.windows()
	at := func(w time.Duration) int { i, _ := slices.BinarySearch(windows, w); return i }
	for _, t := range p.tiers {
		last := len(alerts) - 1
		if !p.legs || last < 0 || alerts[last].alert.Severity != t.severity {
			alerts = append(alerts, &recorder{alert: Alert{Tier: t.name, Severity: t.severity, Labels: labels}, hold: t.hold})
			last++
		}
		legs = append(legs, leg{short: at(t.short), long: at(t.long), limit: t.limit, alert: last})
	}
	return legs, alerts
}

// replay evaluates the rules of one group from the first evaluation after from up to the time.
func (p peerRules) replay(d *peerData, labels map[string]string, from, to time.Time) []Alert {
	var ratios []ratio
	for _, w := range p.windows() {
		ratios = append(ratios, d.ratio(labels, w))
	}
	legs, alerts := p.conditions(labels)
	values, active := make([]float64, len(ratios)), make([]bool, len(alerts))
	for t := from.Truncate(p.every).Add(p.every); !t.After(to); t = t.Add(p.every) {
		for i, r := range ratios {
			values[i] = r.at(t.UnixMilli())
		}
		clear(active)
		for _, l := range legs {
			active[l.alert] = active[l.alert] || values[l.short] > l.limit && values[l.long] > l.limit
		}
		for i, a := range alerts {
			a.at(t.Add(p.delay), active[i])
		}
	}
	var out []Alert
	for _, a := range alerts {
		out = append(out, a.end()...)
	}
	return out
}

// ratio is the error ratio of one window and group, evaluated forwards in time.
type ratio struct{ errors, total, whole term }

// at returns the ratio at a time, in milliseconds; NaN where it is absent or there is no traffic.
func (r ratio) at(ms int64) float64 {
	if r.whole != nil {
		v, ok := r.whole(ms)
		if !ok {
			return math.NaN()
		}
		return v
	}
	e, okErrors := r.errors(ms)
	n, okTotal := r.total(ms)
	if !okErrors || !okTotal {
		return math.NaN()
	}
	return e / n
}

// term is an expression for one window and group; false means that it has no value.
type term func(ms int64) (float64, bool)

func (d *peerData) ratio(labels map[string]string, window time.Duration) ratio {
	if d.shape.ratio != nil {
		return ratio{whole: d.term(d.shape.ratio, labels, window)}
	}
	return ratio{errors: d.term(d.shape.errors, labels, window), total: d.term(d.shape.total, labels, window)}
}

// term compiles an expression that shape.check has accepted.
func (d *peerData) term(e parser.Expr, of map[string]string, window time.Duration) term {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return d.term(e.Expr, of, window)
	case *parser.NumberLiteral:
		return func(int64) (float64, bool) { return e.Val, true }
	case *parser.VectorSelector:
		return d.sum(e.LabelMatchers, of, window, true)
	case *parser.AggregateExpr:
		call := bare(e.Expr).(*parser.Call)
		vs := call.Args[0].(*parser.MatrixSelector).VectorSelector.(*parser.VectorSelector)
		return d.sum(vs.LabelMatchers, of, window, call.Func.Name == "rate")
	case *parser.BinaryExpr:
		return d.binary(e, of, window)
	case *parser.Call: // vector(): it has no labels, so beside a group's values it has none
		if n, ok := bare(e.Args[0]).(*parser.NumberLiteral); ok && len(d.shape.by) == 0 {
			return func(int64) (float64, bool) { return n.Val, true }
		}
	}
	return func(int64) (float64, bool) { return 0, false }
}

func (d *peerData) binary(e *parser.BinaryExpr, of map[string]string, window time.Duration) term {
	left, right, op := d.term(e.LHS, of, window), d.term(e.RHS, of, window), e.Op
	return func(ms int64) (float64, bool) {
		l, okLeft := left(ms)
		if op == parser.LOR && okLeft {
			return l, true
		}
		r, okRight := right(ms)
		switch op {
		case parser.LOR:
			return r, okRight
		case parser.ADD:
			l += r
		case parser.SUB:
			l -= r
		case parser.MUL:
			l *= r
		case parser.DIV:
			l /= r
		}
		return l, okLeft && okRight
	}
}

// sum is sum(rate()) or sum(increase()) over the counters that match and belong to the group.
func (d *peerData) sum(matchers []*labels.Matcher, of map[string]string, window time.Duration, perSecond bool) term {
	var cursors []cursor
	for _, c := range d.counters {
		if matches(c.labels, matchers) && keyOf(pick(c.labels, d.shape.by)) == keyOf(of) {
			cursors = append(cursors, cursor{counter: c})
		}
	}
	length, by := window.Milliseconds(), 1.0
	if perSecond {
		by = window.Seconds()
	}
	return func(ms int64) (sum float64, found bool) {
		for i := range cursors {
			if v, ok := cursors[i].increase(ms, length); ok {
				sum, found = sum+v, true
			}
		}
		return sum / by, found
	}
}

func matches(series map[string]string, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(series[m.Name]) {
			return false
		}
	}
	return true
}

// groups returns the budget labels that occur among the counters, in order.
func (d *peerData) groups() []map[string]string {
	known := map[string]map[string]string{}
	for _, c := range d.counters {
		of := pick(c.labels, d.shape.by)
		known[keyOf(of)] = of
	}
	var keys []string
	for k := range known {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	out := make([]map[string]string, len(keys))
	for i, k := range keys {
		out[i] = known[k]
	}
	return out
}
