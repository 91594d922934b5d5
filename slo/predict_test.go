package slo

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// foretold is how predictions came out, as sums.
type foretold struct {
	asked, covered    float64
	loss              float64 // pinball loss of the 10th, 50th and 90th percentile of what is left at the end
	lastHour, average float64 // the same of a straight line at the last hour's burn, and at the window's mean
	brier, lineBrier  float64 // of "it will be gone", and of the straight line's
}

func (f *foretold) add(o foretold) {
	f.asked, f.covered, f.loss = f.asked+o.asked, f.covered+o.covered, f.loss+o.loss
	f.lastHour, f.average = f.lastHour+o.lastHour, f.average+o.average
	f.brier, f.lineBrier = f.brier+o.brier, f.lineBrier+o.lineBrier
}

// foretell predicts at some time after a month, lets the world go on, and compares.
func (w burnWorld) foretell(seed uint64) foretold {
	s := predicted
	s.Window = w.window
	rng := rand.New(rand.NewPCG(seed, 1))
	incidents := w.incidents(rng, 140*day)
	now := predictStart.Add(30*day + time.Duration(rng.IntN(10*24*60))*time.Minute)
	if w.during {
		i := slices.IndexFunc(incidents, func(i incidentAt) bool { return i.from.After(now) && i.to.Sub(i.from) > 45*time.Minute })
		now = incidents[i].from.Add(35 * time.Minute)
	}
	from, until := s.Window.Bounds(now)
	if s.Window.Calendar == "" {
		until = now.Add(s.Window.Length())
	}
	all := w.buckets(rng, until.Sub(predictStart), incidents)
	open := slices.IndexFunc(all, func(b Bucket) bool { return b.end().After(now) })
	p := Predict(s, nil, all[:open], now)
	left, gone := whatCame(s, all, from, now, until)
	st := StatusOf(Versioned{SLO: s}, nil, all[:open], nil, now)
	share := float64(until.Sub(now)) / float64(until.Sub(from))
	if s.Window.Calendar == "" {
		share = 1
	}
	line := func(burn float64) float64 { return 1 - (1-share)*(1-st.Remaining) - share*burn }
	f := foretold{asked: 1, covered: truth(left >= p.Left.P10 && left <= p.Left.P90)}
	for q, forecast := range map[float64]float64{0.1: p.Left.P10, 0.5: p.Left.P50, 0.9: p.Left.P90} {
		f.loss += pinball(q, forecast, left)
		f.lastHour += pinball(q, line(st.Burn), left)
		f.average += pinball(q, line(1-st.Remaining), left)
	}
	f.brier = math.Pow(p.Probability-truth(gone), 2)
	f.lineBrier = math.Pow(truth(!st.Exhausted.IsZero())-truth(gone), 2)
	return f
}

// whatCame is what was left of the budget at the end, and whether it was gone at the end of any bucket before.
func whatCame(s SLO, all []Bucket, from, now, until time.Time) (left float64, gone bool) {
	var c, sum Counts
	oldest := 0
	if s.Window.Calendar == "" {
		for i, b := range all {
			sum = sum.Add(b.Counts)
			for all[oldest].Start.Before(b.end().Add(-s.Window.Length())) {
				sum = Counts{sum.Good - all[oldest].Good, sum.Total - all[oldest].Total}
				oldest++
			}
			gone = gone || all[i].end().After(now) && s.Objective.Remaining(sum) <= 0
		}
		from = now
	}
	for _, b := range all {
		if !b.Start.Before(from) && b.Start.Before(until) {
			c = c.Add(b.Counts)
		}
	}
	left = s.Objective.Remaining(c)
	return left, gone || left <= 0
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func pinball(q, forecast, came float64) float64 {
	if came >= forecast {
		return q * (came - forecast)
	}
	return (1 - q) * (forecast - came)
}

func TestFourInFiveTruthsLieInTheInterval(t *testing.T) {
	t.Parallel()
	const seeds = 24
	results := make([]foretold, len(burnWorlds))
	t.Run("worlds", func(t *testing.T) {
		for i, w := range burnWorlds {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(seeds) {
					results[i].add(w.foretell(seed))
				}
				f := results[i]
				t.Logf("%.0f %% in the 80 %% interval; pinball loss over a straight line's: %.2f at the last hour's burn, %.2f at the mean; Brier score %.3f, a straight line's %.3f",
					100*f.covered/f.asked, f.loss/f.lastHour, f.loss/f.average, f.brier/f.asked, f.lineBrier/f.asked)
				if f.covered/f.asked < 0.5 || f.covered/f.asked > 0.99 {
					t.Errorf("%.0f of %.0f truths lie in the 80 %% interval", f.covered, f.asked)
				}
				if f.loss >= f.lastHour || f.loss >= f.average {
					t.Errorf("a straight line does better: loss %.2f, a line's %.2f and %.2f", f.loss, f.lastHour, f.average)
				}
			})
		}
	})
	var all foretold
	for _, f := range results {
		all.add(f)
	}
	t.Logf("all: %.1f %% in the 80 %% interval, loss ratios %.2f and %.2f", 100*all.covered/all.asked, all.loss/all.lastHour, all.loss/all.average)
	if share := all.covered / all.asked; share < 0.7 || share > 0.9 {
		t.Errorf("%.1f %% of truths lie in the 80 %% interval", 100*share)
	}
}

// hundreds draws buckets of 100 events, with as many errors as the function says, up to now.
func hundreds(now time.Time, length time.Duration, errors func(age time.Duration) float64) []Bucket {
	var out []Bucket
	for at := epochFloor(now.Add(-length), bucketWidth); !at.Add(bucketWidth).After(now); at = at.Add(bucketWidth) {
		bad := errors(now.Sub(at))
		out = append(out, Bucket{Series: Series{SLO: predicted.ID, Group: "{}"}, Start: at, Width: bucketWidth,
			Counts: Counts{Good: 100 - bad, Total: 100}, Seen: 5, Expect: 5, Version: 1})
	}
	return out
}

func TestTooLittleHistoryIsSaidAndNotPredictedFrom(t *testing.T) {
	t.Parallel()
	now := predictStart.Add(40 * day)
	none := func(time.Duration) float64 { return 0 }
	for _, c := range []struct {
		name    string
		buckets []Bucket
		says    string
	}{
		{"nothing", nil, "Nothing was seen"},
		{"an hour", hundreds(now, time.Hour, none), "One hour of history was seen"},
		{"not a day", hundreds(now, 23*time.Hour, none), "23 hours of history were seen"},
		{"another SLO's", func() []Bucket {
			b := hundreds(now, 5*day, none)
			for i := range b {
				b[i].SLO = "other"
			}
			return b
		}(), "Nothing was seen"},
		{"no traffic", func() []Bucket {
			b := hundreds(now, 5*day, none)
			for i := range b {
				b[i].Counts = Counts{}
			}
			return b
		}(), "No traffic was seen"},
		{"mostly gaps", slices.DeleteFunc(hundreds(now, 5*day, none), func(b Bucket) bool { return b.Start.Hour() > 6 }), "Only 35 of the 120 hours"},
	} {
		p := Predict(predicted, nil, c.buckets, now)
		if p.Enough || !strings.Contains(p.Why, c.says) || p.Probability != 0 || len(p.Fan) != 0 || !p.Gone.P50.IsZero() {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	if p := Predict(predicted, nil, hundreds(now, 24*time.Hour+bucketWidth, none), now); !p.Enough || p.Why != "" || p.Hours != 24 {
		t.Errorf("a day is enough: %+v", p)
	}
}

func TestSteadyBurnsEndWhenArithmeticSays(t *testing.T) {
	t.Parallel()
	now := predictStart.Add(40 * day)
	steady := func(ratio float64) func(time.Duration) float64 {
		return func(time.Duration) float64 { return 100 * ratio }
	}
	for _, c := range []struct {
		name   string
		window Window
		ratio  float64
		left   float64 // at the end
		gone   time.Duration
	}{
		{"half the budget lasts for ever", Window{}, 0.0005, 0.5, -1},
		{"nothing fails", Window{}, 0, 1, -1},
		{"twice the budget is gone now", Window{}, 0.002, -1, 0},
		// Ten days of twice the budget take all ten of what is allowed in thirty: the tenth of the month leaves a third.
		{"a month at twice the budget is half gone", Window{Calendar: MonthOn}, 0.002, -1, 5 * day},
	} {
		s := predicted
		s.Window = c.window
		p := Predict(s, nil, hundreds(now, 10*day, steady(c.ratio)), now) // 11 July
		if math.Abs(p.Left.P50-c.left) > 0.02 || math.Abs(p.Left.P90-p.Left.P10) > 0.02 {
			t.Errorf("%s: %+v left at the end, want %v", c.name, p.Left, c.left)
		}
		switch {
		case c.gone < 0 && (p.Probability != 0 || !p.Gone.P10.IsZero()):
			t.Errorf("%s: gone with %v at %v", c.name, p.Probability, p.Gone)
		case c.gone >= 0 && (p.Probability != 1 || p.Gone.P50.Sub(now.Add(c.gone)).Abs() > 18*time.Hour):
			t.Errorf("%s: gone with %v at %v, want at %v", c.name, p.Probability, p.Gone, now.Add(c.gone))
		}
	}
}

func TestABurnUnderWayGoesOnAsLongAsBurnsDo(t *testing.T) {
	t.Parallel()
	now := predictStart.Add(40 * day)
	// Every week an outage of 20 % for eight hours; the last began 20 minutes ago, or has ended just now.
	history := func(running bool) func(time.Duration) float64 {
		return func(age time.Duration) float64 {
			since := age % (7 * day)
			switch {
			case age <= 20*time.Minute && running, age > day && since < 8*time.Hour:
				return 20
			}
			return 0
		}
	}
	s := predicted
	s.Objective = 99
	running := Predict(s, nil, hundreds(now, 30*day, history(true)), now)
	over := Predict(s, nil, hundreds(now, 30*day, history(false)), now)
	if !running.Burning || over.Burning || running.Burns != 4 {
		t.Errorf("burning %v and %v, %d burns", running.Burning, over.Burning, running.Burns)
	}
	loss := over.Fan[1].P50 - running.Fan[1].P50 // two thirds of a day ahead
	if want := 7.5 * 20 / (720 * 1); math.Abs(loss-want) > want/2 {
		t.Errorf("a burn that goes on for about eight hours costs %v of the budget, want about %v", loss, want)
	}
}

func TestAPredictionIsTheSameWhateverTheOrder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	w := burnWorlds[0]
	buckets := w.buckets(rng, 20*day, w.incidents(rng, 20*day))
	now := predictStart.Add(20*day + 3*time.Minute)
	a := Predict(predicted, nil, buckets, now)
	rng.Shuffle(len(buckets), func(i, j int) { buckets[i], buckets[j] = buckets[j], buckets[i] })
	if diff := cmp.Diff(a, Predict(predicted, nil, buckets, now)); diff != "" {
		t.Errorf("(-in order +shuffled):\n%s", diff)
	}
}

func TestABudgetIsPredictedFromItsOwnBuckets(t *testing.T) {
	t.Parallel()
	now := predictStart.Add(40 * day)
	s := predicted
	s.GroupBy, s.BudgetBy = []string{"tenant", "region"}, []string{"tenant"}
	var both []Bucket
	for tenant, ratio := range map[string]float64{"acme": 0, "globex": 5} {
		for _, b := range hundreds(now, 10*day, func(time.Duration) float64 { return ratio }) {
			b.Tenant, b.Region = tenant, "eu"
			both = append(both, b)
		}
	}
	acme, globex := Predict(s, map[string]string{"tenant": "acme"}, both, now), Predict(s, map[string]string{"tenant": "globex"}, both, now)
	if acme.Probability != 0 || globex.Probability != 1 {
		t.Errorf("acme's budget is gone with %v, globex' with %v", acme.Probability, globex.Probability)
	}
	if all := Predict(s, nil, both, now); math.Abs(all.Left.P50-(1-25)) > 1 {
		t.Errorf("together %v is left", all.Left)
	}
}

// Whatever the history, quantiles are in order, times lie ahead, and a calendar budget never comes back.
func TestPredictionsHoldTogether(t *testing.T) {
	t.Parallel()
	windows := []Window{{}, {Rolling: 7 * day}, {Rolling: 90 * time.Minute}, {Calendar: Day}, {Calendar: MonthOn, Zone: "America/New_York"}, {Calendar: Year}}
	rapid.Check(t, func(r *rapid.T) {
		s := predicted
		s.Window = rapid.SampledFrom(windows).Draw(r, "window")
		now := predictStart.Add(60*day + time.Duration(rapid.IntRange(0, 100_000).Draw(r, "now"))*time.Second)
		days := rapid.IntRange(1, 40).Draw(r, "days")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0))
		gaps, idle, bad := rapid.Float64Range(0, 0.4).Draw(r, "gaps"), rapid.Float64Range(0, 0.9).Draw(r, "idle"), rapid.Float64Range(0, 0.1).Draw(r, "bad")
		var buckets []Bucket
		for _, b := range hundreds(now, time.Duration(days)*day, func(time.Duration) float64 { return 0 }) {
			switch {
			case rng.Float64() < gaps:
				continue
			case rng.Float64() < idle:
				b.Counts = Counts{}
			case rng.Float64() < bad:
				b.Good = math.Floor(rng.Float64() * 100)
			}
			buckets = append(buckets, b)
		}
		p := Predict(s, nil, buckets, now)
		if !p.Enough {
			if p.Why == "" || len(p.Fan) != 0 {
				r.Fatalf("%+v", p)
			}
			return
		}
		if p.Probability < 0 || p.Probability > 1 || len(p.Fan) < 2 || len(p.Fan) > fanPoints || !p.Fan[0].At.Equal(now) || !p.Fan[len(p.Fan)-1].At.Equal(p.Until) {
			r.Fatalf("%+v, %d points of fan", p.Brief(), len(p.Fan))
		}
		for i, f := range p.Fan {
			if !(f.P10 <= f.P50 && f.P50 <= f.P90 && f.P90 <= 1) || math.IsInf(f.P10, 0) {
				r.Fatalf("%+v", f)
			}
			if i > 0 && (!f.At.After(p.Fan[i-1].At) || s.Window.Calendar != "" && (f.P10 > p.Fan[i-1].P10+1e-9 || f.P90 > p.Fan[i-1].P90+1e-9)) {
				r.Fatalf("%+v after %+v", f, p.Fan[i-1])
			}
		}
		last := now
		for i, at := range []time.Time{p.Gone.P10, p.Gone.P50, p.Gone.P90} {
			if at.IsZero() != (p.Probability < []float64{0.1, 0.5, 0.9}[i]) || !at.IsZero() && (at.Before(last.Add(-time.Second)) || at.After(p.Until.Add(time.Hour))) {
				r.Fatalf("gone at %v with %v", p.Gone, p.Probability)
			}
			if !at.IsZero() {
				last = at
			}
		}
		if s.Window.Calendar != "" && p.Probability >= 0.5 != (p.Left.P50 <= 0) {
			r.Fatalf("gone with %v, and %v left at the end", p.Probability, p.Left)
		}
	})
}

func BenchmarkPredict(b *testing.B) {
	w := burnWorlds[0]
	rng := rand.New(rand.NewPCG(1, 1))
	now := predictStart.Add(30 * day)
	failing := w.incidents(rng, 30*day)
	buckets := hundreds(now, 30*day, func(age time.Duration) float64 {
		at := now.Add(-age)
		if slices.ContainsFunc(failing, func(i incidentAt) bool { return at.After(i.from) && at.Before(i.to) }) {
			return 10
		}
		return 0.01
	})
	for b.Loop() {
		if p := Predict(predicted, nil, buckets, now); !p.Enough || math.IsNaN(p.Probability) {
			b.Fatal(p)
		}
	}
	b.StopTimer()
	var f foretold
	for seed := range uint64(20) {
		for _, w := range burnWorlds {
			f.add(w.foretell(seed + 500))
		}
	}
	b.ReportMetric(100*f.covered/f.asked, "%-in-80%-interval")
	b.ReportMetric(f.loss/f.lastHour, "loss/line-last-hour")
	b.ReportMetric(f.loss/f.average, "loss/line-mean")
}
