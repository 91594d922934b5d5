package pool

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

// office is a day of hours: low at night; weekends are half.
func office(i int) float64 {
	y := 100 - 60*math.Cos(2*math.Pi*float64(i%24)/24)
	if i/24%7 >= 5 {
		y /= 2
	}
	return y
}

func values(n int, value func(i int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = value(i)
	}
	return out
}

func noise(seed uint64) func() float64 {
	r := rand.New(rand.NewPCG(seed, 5))
	return r.NormFloat64
}

// every is each kind of model there is, for a season of a day and a week.
func every(f folds) []model {
	return append(models(f.series, f, Options{Seasons: []int{24, 168}, Ahead: f.ahead}), tsb{0.1, 0.1}, average{})
}

func TestNoModelSeesWhatIsToCome(t *testing.T) {
	t.Parallel()
	e := noise(1)
	y := values(800, func(i int) float64 { return office(i) + 5*e() })
	before := newFolds(Series{Values: y}, Options{Ahead: 48, Seasons: []int{24, 168}})
	changed := slices.Clone(y)
	for i := before.first(); i < len(y); i++ {
		changed[i] = 1e6 * float64(i%7)
	}
	after := newFolds(Series{Values: changed}, Options{Ahead: 48, Seasons: []int{24, 168}})
	others := every(after)
	for j, m := range every(before) {
		was, is := m.paths(before.series, before.origins, 48), others[j].paths(after.series, after.origins, 48)
		if was == nil {
			t.Fatalf("%s makes no forecast", m.name())
		}
		if !slices.Equal(was[0], is[0]) {
			t.Errorf("%s: the first forecast changed with what came after it", m.name())
		}
		if slices.Equal(was[len(was)-1], is[len(is)-1]) {
			t.Errorf("%s: the last forecast did not change with what it knows", m.name())
		}
	}
}

func TestEachModelForecastsWhatItIsFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		m         model
		value     func(i int) float64
		tolerance float64 // mean absolute error over two days
	}{
		"a week repeats":              {naive{168}, office, 1e-9},
		"growth between weeks":        {drift{168}, func(i int) float64 { return office(i) + float64(i)/10 }, 0.3},
		"a line":                      {drift{1}, func(i int) float64 { return float64(i) }, 1},
		"the course of a week":        {profile{168, 0.7}, office, 1e-9},
		"lags a day and a week back":  {ridge{lags: []int{1, 2, 24, 168}, keep: 1}, office, 2},
		"the same by logs":            {ridge{logs: true, lags: []int{1, 2, 24, 168}, keep: 1}, office, 2},
		"changes from a week before":  {ridge{back: 168, lags: []int{1, 2}, keep: 1}, office, 1e-6},
		"two seasons and a level":     {mstl{[]int{24, 168}}, office, 6},
		"a level":                     {damped{}, func(int) float64 { return 7 }, 1e-9},
		"half of a slope":             {theta{}, func(i int) float64 { return float64(i) }, 26},
		"a day over half of a slope":  {theta{24}, func(i int) float64 { return 100 - 60*math.Cos(2*math.Pi*float64(i)/24) }, 1},
		"now and then something":      {tsb{0.1, 0.1}, func(i int) float64 { return map[bool]float64{true: 10}[i%10 == 0] }, 3},
		"the mean of all":             {average{}, func(i int) float64 { return float64(i % 2) }, 0.51},
		"a series that never changes": {ridge{lags: []int{1, 2, 3}, keep: 1}, func(int) float64 { return 3 }, 1e-9},
	} {
		y := values(1008+48, c.value)
		path := c.m.paths(Series{Values: y[:1008]}, []int{1008}, 48)
		if len(path) != 1 {
			t.Errorf("%s: no forecast", name)
			continue
		}
		sum := 0.0
		for h, p := range path[0] {
			sum += math.Abs(p-y[1008+h]) / 48
		}
		if !(sum <= c.tolerance) {
			t.Errorf("%s: %s is off by %.3f on average, more than %v", name, c.m.name(), sum, c.tolerance)
		}
	}
}

func TestTheBetterModelsCarryTheForecast(t *testing.T) {
	t.Parallel()
	e := noise(2)
	y := values(1000, func(i int) float64 { return office(i) + 2*e() })
	r, err := Make(Series{Values: y}, Options{Ahead: 48, Seasons: []int{24, 168}})
	if err != nil {
		t.Fatal(err)
	}
	weights := map[string]float64{}
	sum := 0.0
	for i, s := range r.Shares {
		weights[s.Model] = s.Weight
		sum += s.Weight
		if i > 0 && s.Weight > r.Shares[i-1].Weight {
			t.Errorf("%s is told after a lighter one", s.Model)
		}
	}
	if math.Abs(sum-1) > 1e-9 || weights["profile of 168"] < 5*weights["naive"] {
		t.Errorf("the weights sum to %v: %v", sum, weights)
	}
	if !(r.Error < r.Naive) || r.Folds != DefaultFolds {
		t.Errorf("in %d forecasts the mixture erred by %v, repeating the last day by %v", r.Folds, r.Error, r.Naive)
	}
	for h, p := range r.Mean {
		if math.Abs(p-office(1000+h)) > 8 {
			t.Errorf("%d ahead: %v, want about %v", h+1, p, office(1000+h))
		}
	}
}

func TestWhatIsMaskedCountsForNothing(t *testing.T) {
	t.Parallel()
	e := noise(3)
	y := values(1000, func(i int) float64 { return office(i) + e() })
	masked := make([]bool, 1000)
	wild := slices.Clone(y)
	for i := 900; i < 930; i++ { // an outage, filled in with what cannot be
		masked[i], wild[i] = true, office(i)
	}
	clean, err := Make(Series{Values: wild, Masked: masked}, Options{Ahead: 24, Seasons: []int{24, 168}})
	if err != nil {
		t.Fatal(err)
	}
	if lower, upper := clean.Interval(5, 0.9); upper-lower > 12 {
		t.Errorf("the interval is %v wide, though the noise has a deviation of 1", upper-lower)
	}
	f := newFolds(Series{Values: wild, Masked: masked}, Options{Ahead: 24, Seasons: []int{24}})
	none := make([][]float64, len(f.origins))
	for k := range none {
		none[k] = values(24, func(h int) float64 {
			if i := f.origins[k] + h; i < 1000 && masked[i] {
				return 1e9
			}
			return 0
		})
	}
	for k, e := range f.errors(none) {
		if e > 1e6 {
			t.Errorf("fold %d is judged by what was not seen: %v", k, e)
		}
	}
}

func TestSeasonsAreTestedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value func(i int, e float64) float64
		n     int
		want  []int
	}{
		"a day and a week":             {func(i int, e float64) float64 { return office(i) + 3*e }, 1000, []int{24, 168}},
		"a day":                        {func(i int, e float64) float64 { return 10*math.Sin(2*math.Pi*float64(i)/24) + 3*e }, 1000, []int{24}},
		"a day under much noise":       {func(i int, e float64) float64 { return math.Sin(2*math.Pi*float64(i)/24) + e }, 1000, []int{24}},
		"noise":                        {func(_ int, e float64) float64 { return e }, 1000, nil},
		"a line":                       {func(i int, e float64) float64 { return float64(i) + e }, 1000, nil},
		"another cycle":                {func(i int, e float64) float64 { return math.Sin(2*math.Pi*float64(i)/17) + e/10 }, 1000, nil},
		"nothing ever":                 {func(int, float64) float64 { return 0 }, 1000, nil},
		"a week of which one was seen": {func(i int, e float64) float64 { return office(i) + 3*e }, 300, []int{24}},
	} {
		e := noise(4)
		got := Seasons(Series{Values: values(c.n, func(i int) float64 { return c.value(i, e()) })}, []int{24, 168})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A random walk shows a season about as often as the test's level says, not at every look.
func TestWanderingIsNoSeason(t *testing.T) {
	t.Parallel()
	found := 0
	for seed := range uint64(200) {
		e, y := noise(100+seed), 0.0
		if len(Seasons(Series{Values: values(500, func(int) float64 { y += e(); return y })}, []int{24})) > 0 {
			found++
		}
	}
	if found > 12 {
		t.Errorf("%d of 200 random walks show a day", found)
	}
}

func TestSomethingNowAndThenIsForecastAsItsRate(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 9))
	y := values(600, func(int) float64 {
		if r.Float64() < 0.1 {
			return 5
		}
		return 0
	})
	got, err := Make(Series{Values: y}, Options{Ahead: 24, Floor: 0, Cap: math.Inf(1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got.Shares {
		if strings.HasPrefix(s.Model, "autoregression") {
			t.Errorf("%s takes part in a series of mostly nothing", s.Model)
		}
	}
	for h, p := range got.Mean {
		if p < 0 || p > 1.5 {
			t.Errorf("%d ahead: %v", h+1, p)
		}
	}
}

func TestIntervalsHoldWhatTheyPromise(t *testing.T) {
	t.Parallel()
	for _, level := range []float64{0.8, 0.95} {
		held, all := 0.0, 0.0
		for seed := range uint64(60) {
			e, wander := noise(1000+seed), 0.0
			y := values(700, func(i int) float64 { wander = 0.8*wander + 4*e(); return office(i) + wander })
			r, err := Make(Series{Values: y[:676]}, Options{Ahead: 24, Seasons: []int{24, 168}})
			if err != nil {
				t.Fatal(err)
			}
			for h := range 24 {
				if lower, upper := r.Interval(h, level); y[676+h] >= lower && y[676+h] <= upper {
					held++
				}
				all++
			}
		}
		t.Logf("level %v: %.3f held", level, held/all)
		if held/all < level-0.03 || held/all > level+0.04 {
			t.Errorf("level %v: the interval held %.3f", level, held/all)
		}
	}
}

func TestWhatHoldsForEveryForecast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(smallest, 260).Draw(t, "n")
		y := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-1e9, 1e9), rapid.Just(0.0), rapid.Float64Range(0, 10)), n, n).Draw(t, "y")
		masked := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "masked")
		o := Options{Ahead: rapid.IntRange(1, min(2*n, 60)).Draw(t, "ahead"), Cycles: []int{24}, Floor: -100, Cap: 1e6}
		s := Series{Values: y, Masked: masked}
		if rapid.Bool().Draw(t, "seasonal") {
			o.Seasons = []int{24}
		}
		r, err := Make(s, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Mean) != o.Ahead {
			t.Fatalf("%d steps, want %d", len(r.Mean), o.Ahead)
		}
		for h, p := range r.Mean {
			low, high := r.Interval(h, 0.5)
			lower, upper := r.Interval(h, 0.95)
			if !(o.Floor <= lower && lower <= low && low <= p && p <= high && high <= upper && upper <= o.Cap) {
				t.Fatalf("%d ahead: %v <= %v <= %v <= %v <= %v does not hold", h+1, lower, low, p, high, upper)
			}
			if a, b := r.Above(h, p-1), r.Above(h, p+1); a < b || a > 1 || b < 0 {
				t.Fatalf("%d ahead: the chances of passing lie at %v and %v", h+1, a, b)
			}
		}
	})
}

func TestATooShortSeriesIsRefused(t *testing.T) {
	t.Parallel()
	for n, ahead := range map[int]int{0: 1, 15: 1, 20: 50} {
		if _, err := Make(Series{Values: make([]float64, n)}, Options{Ahead: ahead}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "too few") {
			t.Errorf("%d values, %d ahead: %v", n, ahead, err)
		}
	}
	if _, err := Make(Series{Values: make([]float64, 50)}, Options{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("no step ahead: %v", err)
	}
}

func TestTheWeightedMedianIsTheMiddleOfTheWeights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pairs []pair
		want  float64
	}{
		{[]pair{{5, 1}}, 5},
		{[]pair{{1, 0.5}, {3, 0.5}}, 2},
		{[]pair{{1, 1. / 3}, {2, 1. / 3}, {100, 1. / 3}}, 2},
		{[]pair{{100, 0.2}, {1, 0.8}}, 20.8}, // their middles lie at 0.4 and 0.9
		{[]pair{{2, 0}, {7, 1}}, 7},
	} {
		if got := weightedMedian(slices.Clone(c.pairs)); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v: %v, want %v", c.pairs, got, c.want)
		}
	}
}
