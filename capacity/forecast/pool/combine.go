package pool

import (
	"cmp"
	"math"
	"slices"
)

// models returns the pool for a series. A series that is mostly zeros has a pool of its own.
func models(s Series, f folds, o Options) []model {
	var all []model
	add := func(m model) { all = append(all, m) }
	for _, e := range o.Extra {
		add(e)
	}
	add(naive{1})
	if intermittent(s) {
		for _, m := range o.Seasons {
			add(naive{m})
			add(profile{m, 0.8})
		}
		add(tsb{0.1, 0.1})
		add(tsb{0.02, 0.05})
		add(average{})
		return all
	}
	add(drift{1})
	add(damped{})
	add(theta{})
	looks := o.Seasons
	if len(o.Cycles) > len(looks) {
		looks = o.Cycles
	}
	for _, logs := range []bool{false, true} {
		add(ridge{logs: logs, lags: f.lags(0, looks), keep: o.keep(looks)})
		for _, m := range o.Seasons {
			add(ridge{logs: logs, back: m, lags: f.lags(m, looks), keep: o.keep(looks)})
		}
	}
	for _, m := range o.Seasons {
		add(naive{m})
		add(drift{m})
		add(profile{m, 0.7})
		add(theta{m})
	}
	if len(o.Seasons) > 0 {
		add(mstl{o.Seasons})
	}
	for _, m := range o.Cycles {
		if !slices.Contains(o.Seasons, m) {
			add(naive{m})
			add(profile{m, 0.7})
		}
	}
	return all
}

// keep is the share of its weight that a row of a regression keeps a step later.
func (o Options) keep(cycles []int) float64 {
	memory := float64(o.Memory)
	if memory == 0 {
		memory = 346
		if len(cycles) > 0 {
			memory = halfCycle * float64(cycles[0])
		}
	}
	return math.Pow(0.5, 1/memory)
}

// lags are those that a regression uses: the last values, and those one and more cycles back with their neighbours, as far
// as the history before the first origin leaves enough rows.
func (f folds) lags(back int, seasons []int) []int {
	want := map[int]bool{1: true, 2: true, 3: true}
	for j, m := range seasons {
		want[m-1], want[m], want[m+1] = true, true, true
		if j == 0 {
			for _, times := range []int{2, 3, 4, 5, 6} {
				want[times*m] = true
			}
		} else {
			want[m+seasons[0]] = true
		}
	}
	delete(want, 0)
	var all []int
	for lag := range want {
		all = append(all, lag)
	}
	slices.Sort(all)
	rows := 4 * len(all)
	if len(seasons) > 0 {
		rows = max(rows, seasons[0]/2)
	}
	return slices.DeleteFunc(all, func(lag int) bool { return f.first()-back-lag < rows })
}

// combine mixes the models' forecasts. From each origin the mixture that judges the interval is weighed by the other folds
// only, so that no error helps to choose the weights that it is then measured with.
func (f folds) combine(runs []run) Result {
	n := f.past()
	weights := f.weights(runs, -1)
	r := Result{Mean: f.mix(runs, weights, n), Folds: n}
	residuals := make([][]float64, n)
	total, seen := 0.0, 0
	for k := range n {
		mixed := f.mix(runs, f.weights(runs, k), k)
		residuals[k] = make([]float64, f.ahead)
		for h := range residuals[k] {
			residuals[k][h] = math.NaN()
			if i := f.origins[k] + h; h < f.steps(k) && !f.series.masked(i) {
				residuals[k][h] = f.series.Values[i] - mixed[h]
				total, seen = total+math.Abs(residuals[k][h]), seen+1
			}
		}
	}
	r.Error = total / float64(seen)
	r.spread = newSpread(r.Mean, residuals, f)
	for j, run := range runs {
		r.Shares = append(r.Shares, Share{run.name, weights[j], meanOf(run.errors)})
		if run.name == (naive{f.naive}).name() {
			r.Naive = meanOf(run.errors)
		}
	}
	slices.SortStableFunc(r.Shares, func(a, b Share) int { return cmp.Compare(b.Weight, a.Weight) })
	return r
}

// weights of the models: the inverse square of their errors, each relative to the median model's in the same fold, so that
// one hard fold does not drown the others. The fold left out counts nothing; -1 leaves none out.
func (f folds) weights(runs []run, without int) []float64 {
	scores := make([]float64, len(runs))
	counted := 0
	column := make([]float64, len(runs))
	for k := range f.past() {
		if k == without && f.past() > 1 {
			continue
		}
		for j, r := range runs {
			column[j] = r.errors[k]
		}
		middle := median(slices.Clone(column))
		if math.IsNaN(middle) {
			continue
		}
		counted++
		for j, e := range column {
			scores[j] += math.Pow(relative(e, middle), 2)
		}
	}
	sum := 0.0
	for j := range scores {
		if counted == 0 {
			scores[j] = 1
		} else {
			scores[j] = 1 / (scores[j]/float64(counted) + 1e-6)
		}
		sum += scores[j]
	}
	for j := range scores {
		scores[j] /= sum
	}
	return scores
}

func relative(e, middle float64) float64 {
	if middle > 0 {
		return min(e/middle, 1e6)
	}
	if e > 0 {
		return 1e6
	}
	return 0
}

// mix is the weighted median of the models' paths from one origin, at each step.
func (f folds) mix(runs []run, weights []float64, origin int) []float64 {
	out := make([]float64, f.ahead)
	pairs := make([]pair, len(runs))
	for h := range out {
		for j, r := range runs {
			pairs[j] = pair{r.paths[origin][h], weights[j]}
		}
		out[h] = weightedMedian(pairs)
	}
	return out
}

type pair struct{ value, weight float64 }

// weightedMedian is the value at the middle of the weights, interpolated between the two nearest. It reorders the pairs.
func weightedMedian(pairs []pair) float64 {
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(a.value, b.value) })
	before := 0.0
	for i, p := range pairs {
		middle := before + p.weight/2
		if middle >= 0.5 {
			if i == 0 {
				return p.value
			}
			last := pairs[i-1]
			from := before - last.weight/2
			return last.value + (0.5-from)/(middle-from)*(p.value-last.value)
		}
		before += p.weight
	}
	return pairs[len(pairs)-1].value
}

func meanOf(x []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range x {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / float64(n)
}

// median reorders x; NaN where nothing is in it.
func median(x []float64) float64 {
	x = slices.DeleteFunc(slices.Clone(x), math.IsNaN)
	if len(x) == 0 {
		return math.NaN()
	}
	slices.Sort(x)
	middle := len(x) / 2
	if len(x)%2 == 1 {
		return x[middle]
	}
	return x[middle-1]/2 + x[middle]/2
}
