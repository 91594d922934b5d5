package forecast

import (
	"math"
	"slices"
	"time"
)

// maxOrigins is how many earlier forecasts are made of a history. Half choose the model, the other half tell its error:
// errors of the forecasts that chose it would flatter it.
const maxOrigins = 128

// margin is how much better a model must be than a simpler one to be taken.
const margin = 0.98

// choose returns the model with the least mean absolute error of forecasts up to ahead steps, and for each step h its
// errors at errors[h-1].
func choose(g grid, ahead int) (model, [][]float64) {
	models := candidates(g)
	choosing, judging := origins(g, models, ahead)
	best, least := models[0], math.Inf(1)
	for _, m := range models {
		if e := meanError(g, m, choosing, ahead); e < least*margin {
			best, least = m, e
		}
	}
	return best, backtest(g, best, judging, ahead)
}

// origins returns the indices of the values that earlier forecasts begin after, evenly spread and in turns for choosing
// and judging. Every model must have seen a whole cycle, and something must come after.
func origins(g grid, models []model, ahead int) (choosing, judging []int) {
	n, first := len(g.values), minSeen/4
	for _, m := range models {
		if m.lag > 1 {
			first = max(first, m.lag-1)
		}
	}
	first = min(first, max(0, n-2))
	count := min(maxOrigins, n-1-first)
	for i := range count {
		at := first + i*(n-1-first)/count
		if i%2 == 0 {
			choosing = append(choosing, at)
		} else {
			judging = append(judging, at)
		}
	}
	if len(judging) == 0 {
		judging = choosing
	}
	return choosing, judging
}

// backtest returns the errors of forecasts made at the origins, by steps ahead: what came minus what was predicted.
func backtest(g grid, m model, origins []int, ahead int) [][]float64 {
	errors := make([][]float64, ahead)
	for _, origin := range origins {
		f := m.fit(g.values[:origin+1])
		for h := 1; h <= ahead && origin+h < len(g.values); h++ {
			if e := g.values[origin+h] - f.at(h); !math.IsNaN(e) {
				errors[h-1] = append(errors[h-1], e)
			}
		}
	}
	return errors
}

func meanError(g grid, m model, origins []int, ahead int) float64 {
	sum, n := 0.0, 0.0
	for _, at := range backtest(g, m, origins, ahead) {
		for _, e := range at {
			sum, n = sum+math.Abs(e), n+1
		}
	}
	if n == 0 {
		return math.Inf(1)
	}
	return sum / n
}

// predict makes the points after now.
func predict(g grid, m model, errors [][]float64, o Options) []Predicted {
	f := m.fit(g.values)
	points := make([]Predicted, 0, o.steps())
	for h := g.trailing + 1; h <= g.trailing+o.steps(); h++ {
		mean := f.at(h)
		low, high := interval(errors, h, o.Level)
		p := Predicted{At: g.last.Add(time.Duration(h) * g.step), Mean: mean, Lower: min(mean, mean+low), Upper: max(mean, mean+high)}
		if !g.negative {
			p.Mean, p.Lower, p.Upper = max(p.Mean, 0), max(p.Lower, 0), max(p.Upper, 0)
		}
		points = append(points, p)
	}
	return points
}

// interval returns the quantiles of the errors h steps ahead that leave (1-level)/2 on either side. Neighbouring steps
// lend theirs until there are enough for the level; the quantiles are those of split conformal prediction, which are a
// little wider than the plain ones because the next error is one more than those seen.
func interval(errors [][]float64, h int, level float64) (low, high float64) {
	enough := min(400, int(math.Ceil(6/(1-level))))
	pool := slices.Clone(errors[h-1])
	for reach := 1; len(pool) < enough && reach < len(errors); reach++ {
		if i := h - 1 - reach; i >= 0 {
			pool = append(pool, errors[i]...)
		}
		if i := h - 1 + reach; i < len(errors) {
			pool = append(pool, errors[i]...)
		}
	}
	if len(pool) == 0 {
		return 0, 0
	}
	slices.Sort(pool)
	tail := (1 - level) / 2
	n := float64(len(pool))
	lowest := int(math.Floor(tail*(n+1))) - 1
	highest := int(math.Ceil((1-tail)*(n+1))) - 1
	return pool[max(lowest, 0)], pool[min(highest, len(pool)-1)]
}
