package simulate

import (
	"math"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
)

// Question asks a Predictor for the highest load that is to be expected.
type Question struct {
	History []forecast.Point // highest load of each Step, by its beginning, oldest first; NaN where it is not known
	Step    time.Duration
	Now     time.Time     // the end of the newest step
	Lead    time.Duration // the time asked about begins so long after Now
	Horizon time.Duration // and ends so long after Now
	Level   float64       // the bound should hold with this probability, in (0.5, 1)
}

// Predictor bounds the load to come: with the probability asked for, the highest load between Lead and Horizon should be
// no more than upper. It is false where it cannot tell, as with too short a history.
//
// A replay asks in order of time, once a step; History only grows, and a call must not change it. So a Predictor may
// remember what it fitted and fit anew now and then. FromForecaster makes one of any function that forecasts points.
type Predictor func(Question) (upper float64, ok bool)

// Foresight says how forecasts are made in a replay.
type Foresight struct {
	Level   float64       // wanted probability of a bound to hold; DefaultLevel where zero
	Refresh time.Duration // distance of two forecasts and step of their history; DefaultRefresh where zero
	Kept    time.Duration // stabilisation of scaling in, for which replicas are kept
}

// Defaults of a Foresight.
const (
	DefaultLevel   = 0.9
	DefaultRefresh = time.Minute
)

// Outlook is what was forecast during a load, each bound made of nothing but what had been seen by then. It depends on no
// target, so that one outlook serves a whole sweep.
type Outlook struct {
	begin   time.Time
	refresh time.Duration
	upper   []float64 // from refresh n on; NaN where there was none
	Asked   int       // forecasts asked for
	Told    int       // of them, those that could be told
	Judged  int       // bounds whose horizon has passed with a known load
	Held    int       // of them, those that were not exceeded
}

// NewOutlook asks a predictor all along a load, for the time at which replicas that are wanted now, or until the next
// refresh, will be ready. What comes before that no replica wanted now can help; the ones wanted earlier are kept for it by
// the stabilisation of scaling in, so where that is shorter than provisioning, the time asked about begins with its end.
// The level it asks for is the wanted one, corrected by how often recent bounds were exceeded (adaptive conformal
// inference, Gibbs and Candès 2021).
func NewOutlook(l Load, s Setup, f Foresight, predict Predictor) Outlook {
	f = f.defaulted()
	each := max(1, int(f.Refresh/l.Tick))
	o := Outlook{begin: l.Begin, refresh: time.Duration(each) * l.Tick}
	lead := min(s.Provisioning, f.Kept) + s.Metering.Lag
	horizon := s.Provisioning + s.Metering.Lag + o.refresh + l.Tick
	adapt := adaptation{wanted: f.Level, level: f.Level}
	steps := len(l.at) / each
	history := make([]forecast.Point, 0, steps)
	span := stepsAhead(lead, horizon, o.refresh)
	for n := range steps {
		history = append(history, forecast.Point{At: l.Time(n * each), Value: highest(l.at[n*each : (n+1)*each])})
		o.settle(history, n-span.to, span, &adapt)
		o.Asked++
		upper, ok := predict(Question{History: history[: n+1 : n+1], Step: o.refresh, Now: l.Time((n + 1) * each), Lead: lead, Horizon: horizon, Level: adapt.level})
		if !ok || math.IsNaN(upper) {
			upper = math.NaN()
		} else {
			o.Told++
		}
		o.upper = append(o.upper, upper)
	}
	return o
}

func (f Foresight) defaulted() Foresight {
	if f.Level == 0 {
		f.Level = DefaultLevel
	}
	if f.Refresh == 0 {
		f.Refresh = DefaultRefresh
	}
	return f
}

// span is steps ahead, both inclusive: 1 is the next one.
type span struct{ from, to int }

// stepsAhead are the steps that share time with (lead, horizon].
func stepsAhead(lead, horizon, step time.Duration) span {
	from := int(lead/step) + 1
	return span{from, max(from, int((horizon+step-1)/step))}
}

// settle compares the bound made after step n with what came in the steps ahead of it.
func (o *Outlook) settle(history []forecast.Point, n int, span span, adapt *adaptation) {
	if n < 0 || math.IsNaN(o.upper[n]) {
		return
	}
	came := math.Inf(-1)
	for _, p := range history[n+span.from : n+span.to+1] {
		if math.IsNaN(p.Value) {
			return
		}
		came = max(came, p.Value)
	}
	o.Judged++
	held := came <= o.upper[n]
	if held {
		o.Held++
	}
	adapt.learn(held)
}

// at is the bound in force at a time, made from samples as old as the metrics; NaN for none.
func (o Outlook) at(now time.Time, lag time.Duration) float64 {
	n := int(now.Add(-lag).Sub(o.begin)/o.refresh) - 1
	if n < 0 || n >= len(o.upper) {
		return math.NaN()
	}
	return o.upper[n]
}

// Coverage is the share of judged bounds that held; NaN where none was judged.
func (o Outlook) Coverage() float64 { return float64(o.Held) / float64(o.Judged) }

// highest is the highest known value; NaN where more than half of them are unknown.
func highest(values []float64) float64 {
	top, known := math.Inf(-1), 0
	for _, v := range values {
		if !math.IsNaN(v) {
			top, known = max(top, v), known+1
		}
	}
	if 2*known < len(values) || known == 0 {
		return math.NaN()
	}
	return top
}

// adaptation corrects the level asked for, so that the wanted share of bounds holds.
type adaptation struct{ wanted, level float64 }

// How fast the level moves, and where it stops: the rate is a step of 1 % for a bound that was exceeded and a ninth of
// that for one that held, at the level of 0.9.
const (
	adaptationRate            = 0.01
	lowestLevel, highestLevel = 0.55, 0.995
)

func (a *adaptation) learn(held bool) {
	missed := 0.0
	if !held {
		missed = 1
	}
	a.level = max(lowestLevel, min(highestLevel, a.level+adaptationRate*(missed-(1-a.wanted))))
}
