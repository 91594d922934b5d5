package simulate

import (
	"math"
	"slices"
	"time"
)

// The default predictor's settings, which are chosen beforehand and the same for every trace.
const (
	fitEvery     = 24 * time.Hour
	fitHistory   = 21 * 24 * time.Hour
	minHistory   = 2 * 24 * time.Hour
	fitHalfLife  = 7 * 24 * time.Hour // a row's weight halves with this age
	errorHistory = 7 * 24 * time.Hour // whose errors tell the bound's distance
	ridge        = 1e-3
	fewestErrors = 100
)

// Autoregression is a small Predictor that only looks back: a ridge regression of the highest load within the horizon, on
// the scale of square roots, on the newest steps and on the same time of the day and the week before. It is fitted anew
// once a day of the trace. The bound is the regression's value and the level's quantile of the errors that its predictions
// of the last week turned out to have (split conformal prediction). It tells nothing before it has seen two days.
//
// The Predictor is for one load; make another for each.
func Autoregression() Predictor {
	a := &autoregression{}
	return a.upper
}

type autoregression struct {
	step    time.Duration
	span    span
	series  series
	fitted  int // length of the history at the newest fit; 0 for none
	models  []regression
	pending []made // predictions whose time has not passed
	errors  window
}

// made is the prediction after step n.
type made struct {
	n      int
	center float64
}

func (a *autoregression) upper(q Question) (float64, bool) {
	if a.step == 0 {
		a.step, a.span = q.Step, stepsAhead(q.Lead, q.Horizon, q.Step)
		a.errors.most = int(errorHistory / q.Step)
		a.series = newSeries()
	}
	for _, p := range q.History[a.series.len():] {
		a.series.add(math.Sqrt(p.Value)) // NaN stays NaN
		a.settle()
	}
	if a.due() {
		a.fit()
	}
	n := a.series.len() - 1
	center, ok := a.predict(n)
	if !ok {
		return 0, false
	}
	a.pending = append(a.pending, made{n, center})
	if len(a.errors.sorted) < fewestErrors {
		return 0, false
	}
	root := max(0, center+a.errors.quantile(q.Level))
	return root * root, true
}

// predict uses the first model whose inputs are all known.
func (a *autoregression) predict(n int) (float64, bool) {
	for _, m := range a.models {
		if value, ok := m.at(a.series, n); ok {
			return value, true
		}
	}
	return 0, false
}

// settle takes the errors of predictions whose time ends with the newest step.
func (a *autoregression) settle() {
	for len(a.pending) > 0 && a.pending[0].n+a.span.to < a.series.len() {
		p := a.pending[0]
		a.pending = a.pending[1:]
		if came := a.series.highest(p.n, a.span); !math.IsNaN(came) {
			a.errors.add(came - p.center)
		}
	}
}

func (a *autoregression) due() bool {
	seen := time.Duration(a.series.len()) * a.step
	return seen >= minHistory && (a.fitted == 0 || seen-time.Duration(a.fitted)*a.step >= fitEvery)
}

// fit makes the models anew. The first time, errors to begin with are those on the last third of the history, of models
// fitted to what was before.
func (a *autoregression) fit() {
	all := a.series.len()
	if a.fitted == 0 {
		before := all * 2 / 3
		a.models = a.regressions(before)
		for n := before; n+a.span.to < all; n++ {
			center, ok := a.predict(n)
			if came := a.series.highest(n, a.span); ok && !math.IsNaN(came) {
				a.errors.add(came - center)
			}
		}
	}
	a.models = a.regressions(all)
	a.fitted = all
}

// regressions fits to the first n steps: a model with a day and a week, one with a day, and one of the newest steps alone
// for where a season is not known.
func (a *autoregression) regressions(n int) []regression {
	day := int(24 * time.Hour / a.step)
	var out []regression
	for _, seasons := range [][]int{{day, 7 * day}, {day}, nil} {
		m := newRegression(a.step, seasons, a.span)
		if m.fit(a.series, n, a.step) {
			out = append(out, m)
		}
	}
	return out
}

// series is steps with sums of what came before, so that a mean of any part is quick.
type series struct {
	values []float64
	sums   []float64 // of the values before each
	known  []int
}

func newSeries() series { return series{sums: []float64{0}, known: []int{0}} }

func (s *series) len() int { return len(s.values) }

func (s *series) add(v float64) {
	n := len(s.values)
	s.values = append(s.values, v)
	if math.IsNaN(v) {
		s.sums, s.known = append(s.sums, s.sums[n]), append(s.known, s.known[n])
		return
	}
	s.sums, s.known = append(s.sums, s.sums[n]+v), append(s.known, s.known[n]+1)
}

// mean of the steps from, to, both inclusive; NaN where one is not known or not there.
func (s *series) mean(from, to int) float64 {
	if from < 0 || to >= len(s.values) || s.known[to+1]-s.known[from] != to+1-from {
		return math.NaN()
	}
	return (s.sums[to+1] - s.sums[from]) / float64(to+1-from)
}

// highest of the steps ahead of n; NaN where one is not known.
func (s *series) highest(n int, ahead span) float64 {
	top := math.Inf(-1)
	for _, v := range s.values[n+ahead.from : n+ahead.to+1] {
		if math.IsNaN(v) {
			return v
		}
		top = max(top, v)
	}
	return top
}

// regression predicts the highest of the steps ahead from means of parts of the past.
type regression struct {
	ahead   span
	parts   []part
	mean    []float64 // of the inputs and, last, of the outcome
	weights []float64
}

// part is the steps from from to to before the newest, both inclusive; 0 is the newest.
type part struct{ from, to int }

// newRegression looks at the last hour in growing parts, and for each season (in steps) at what was then now, and at what
// then lay ahead.
func newRegression(step time.Duration, seasons []int, ahead span) regression {
	m := regression{ahead: ahead}
	minutes := func(n int) int { return int(time.Duration(n) * time.Minute / step) }
	end := 0
	for _, until := range []int{1, 2, 5, 10, 15, 20, 30, 45, 60} {
		if to := minutes(until); to > end {
			m.parts = append(m.parts, part{end, to - 1})
			end = to
		}
	}
	around := max(1, minutes(5))
	for _, s := range seasons {
		m.parts = append(m.parts, part{s, s + around - 1}, part{s - ahead.to, s - ahead.from}, part{s - ahead.to - around, s - ahead.from + around})
	}
	return m
}

func (m regression) inputs(s series, n int, into []float64) ([]float64, bool) {
	into = into[:0]
	for _, p := range m.parts {
		v := s.mean(n-p.to, n-p.from)
		if math.IsNaN(v) {
			return into, false
		}
		into = append(into, v)
	}
	return into, true
}

func (m regression) at(s series, n int) (float64, bool) {
	x, ok := m.inputs(s, n, make([]float64, 0, 16))
	if !ok || m.weights == nil {
		return 0, false
	}
	y := m.mean[len(x)]
	for i, v := range x {
		y += m.weights[i] * (v - m.mean[i])
	}
	return y, true
}

// mostRows keeps a fit to milliseconds; of more steps every other one, or fewer, are rows.
const mostRows = 8192

// fit finds weights for the newest history before step end. It reports false where too few rows are known.
func (m *regression) fit(s series, end int, step time.Duration) bool {
	first := max(0, end-int(fitHistory/step))
	stride := (end-first)/mostRows + 1
	size := len(m.parts) + 1
	var rows [][]float64
	var ages []float64
	for n := end - 1 - m.ahead.to; n >= first; n -= stride {
		x, ok := m.inputs(s, n, make([]float64, 0, size))
		y := s.highest(n, m.ahead)
		if ok && !math.IsNaN(y) {
			rows, ages = append(rows, append(x, y)), append(ages, float64(end-n))
		}
	}
	if len(rows) < 10*size {
		return false
	}
	moments := weighted(rows, ages, fitHalfLife.Seconds()/step.Seconds())
	weights, ok := moments.solve(ridge)
	m.mean, m.weights = moments.mean, weights
	return ok
}

// moments are the weighted means and the covariances of rows whose last number is the outcome.
type moments struct {
	mean       []float64
	covariance [][]float64
}

func weighted(rows [][]float64, ages []float64, halfLife float64) moments {
	size := len(rows[0])
	m := moments{mean: make([]float64, size), covariance: make([][]float64, size)}
	for i := range m.covariance {
		m.covariance[i] = make([]float64, size)
	}
	weights, sum := make([]float64, len(rows)), 0.0
	for r, row := range rows {
		weights[r] = math.Exp2(-ages[r] / halfLife)
		sum += weights[r]
		for i, v := range row {
			m.mean[i] += weights[r] * v
		}
	}
	for i := range m.mean {
		m.mean[i] /= sum
	}
	centered := make([]float64, size)
	for r, row := range rows {
		for i, v := range row {
			centered[i] = v - m.mean[i]
		}
		for i := range centered {
			for j := 0; j <= i; j++ {
				m.covariance[i][j] += weights[r] / sum * centered[i] * centered[j]
			}
		}
	}
	return m
}

// solve returns the ridge regression's weights by Cholesky's decomposition. The penalty is a share of the inputs' mean
// variance. It is false where nothing varies.
func (m moments) solve(penalty float64) ([]float64, bool) {
	k := len(m.mean) - 1
	trace := 0.0
	for i := range k {
		trace += m.covariance[i][i]
	}
	if !(trace > 0) {
		return make([]float64, k), trace == 0
	}
	lower := make([][]float64, k)
	for i := range k {
		lower[i] = slices.Clone(m.covariance[i][:i+1])
		lower[i][i] += penalty * trace / float64(k)
		for j := 0; j <= i; j++ {
			for l := range j {
				lower[i][j] -= lower[i][l] * lower[j][l]
			}
			if i == j {
				lower[i][i] = math.Sqrt(lower[i][i])
			} else {
				lower[i][j] /= lower[j][j]
			}
		}
	}
	x := slices.Clone(m.covariance[k][:k])
	for i := range k {
		for j := range i {
			x[i] -= lower[i][j] * x[j]
		}
		x[i] /= lower[i][i]
	}
	for i := k - 1; i >= 0; i-- {
		for j := i + 1; j < k; j++ {
			x[i] -= lower[j][i] * x[j]
		}
		x[i] /= lower[i][i]
	}
	return x, !slices.ContainsFunc(x, math.IsNaN)
}

// window is the newest values, in order of time and of size.
type window struct {
	most   int
	queue  []float64
	sorted []float64
}

func (w *window) add(v float64) {
	if len(w.queue) == w.most {
		at, _ := slices.BinarySearch(w.sorted, w.queue[0])
		w.sorted = slices.Delete(w.sorted, at, at+1)
		w.queue = w.queue[1:]
	}
	at, _ := slices.BinarySearch(w.sorted, v)
	w.sorted = slices.Insert(w.sorted, at, v)
	w.queue = append(w.queue, v)
}

// quantile is that of split conformal prediction: of one value more than there are, as the next one is.
func (w *window) quantile(level float64) float64 {
	n := float64(len(w.sorted))
	return sortedQuantile(w.sorted, min(1, level*(n+1)/n))
}
