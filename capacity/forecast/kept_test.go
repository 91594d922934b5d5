package forecast

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nines-sre/nines/internal/manifest"
)

func TestAForecastIsJudgedByWhatCame(t *testing.T) {
	t.Parallel()
	f := Forecast{At: monday, Last: 10, Step: manifest.Duration(time.Hour), Season: manifest.Duration(2 * time.Hour)}
	for h := 1; h <= 4; h++ {
		f.Points = append(f.Points, Predicted{monday.Add(time.Duration(h) * time.Hour), 10, 8, 12})
	}
	k := NewKept(f, monday)
	if !k.Due.Equal(monday.Add(5 * time.Hour)) {
		t.Errorf("due at %v", k.Due)
	}
	from, to := k.Span()
	if !from.Equal(monday.Add(-2*time.Hour)) || !to.Equal(monday.Add(4*time.Hour)) {
		t.Errorf("it wants to see %v to %v", from, to)
	}
	at := func(h float64, v float64) Point {
		return Point{monday.Add(time.Duration(h * float64(time.Hour))), v}
	}
	came := []Point{at(-2, 5), at(-1, 6), at(0, 10), at(1, 11), at(2.1, 16), at(4, 8)} // nothing in the third hour
	got, ok := k.Judge(came, monday.Add(6*time.Hour))
	// Off by 1, 6 and 2; the last cycle says 6 for the first hour, 10 for the second and 10 for the fourth.
	want := Score{At: monday.Add(6 * time.Hour), Seen: 3, Of: 4, Error: 3, Bias: (-1 - 6 + 2) / 3., Naive: (5 + 6 + 2) / 3., Within: 2. / 3}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); !ok || diff != "" {
		t.Error(diff)
	}
	if r, ok := got.Ratio(); !ok || math.Abs(r-9./13) > 1e-12 {
		t.Errorf("%v of the naive error", r)
	}
	if _, ok := k.Judge(came[:3], monday); ok {
		t.Error("judged though nothing came")
	}
	if _, ok := (Score{Error: 1}).Ratio(); ok {
		t.Error("compared with a naive forecast that was exact")
	}
}

func TestAKeptForecastIsThinnedAndSurvivesJSON(t *testing.T) {
	t.Parallel()
	points := series(14*288, 5*time.Minute, func(i int) float64 { return daily(i, 288) })
	f := must(t, points, Options{Step: 5 * time.Minute, Horizon: 7 * day})
	k := NewKept(f, f.At)
	if n := len(k.Forecast.Points); n > MostKept || n < MostKept/2 {
		t.Errorf("%d points are kept", n)
	}
	if last, end := k.Forecast.Points[len(k.Forecast.Points)-1], f.Points[len(f.Points)-1]; last != end {
		t.Errorf("the last point kept is %+v, not %+v", last, end)
	}
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	var back Kept
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k, back, cmpopts.IgnoreUnexported(Forecast{}), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if len(f.Points) != 7*288 {
		t.Error("keeping it changed the forecast")
	}
}

func TestHowOftenIntervalsHeldIsToldOldestFirst(t *testing.T) {
	t.Parallel()
	got := Held([]Kept{{Score: &Score{Within: 0.9}}, {}, {Score: &Score{Within: 0.5}}})
	if diff := cmp.Diff([]float64{0.5, 0.9}, got); diff != "" {
		t.Error(diff)
	}
}
