package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/capacity/trace"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

// recorded makes a trace of values a step apart; NaN is a missing row.
func recorded(step time.Duration, values ...float64) trace.Trace {
	t := trace.Trace{Step: step}
	for i, v := range values {
		if !math.IsNaN(v) {
			t.Points = append(t.Points, forecast.Point{At: monday.Add(time.Duration(i) * step), Value: v})
		}
	}
	return t
}

func mustLoad(t testing.TB, tr trace.Trace, between Between) Load {
	t.Helper()
	l, err := NewLoad(tr, DefaultTick, between)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// setup is replicas that take a hundred each, 85 of it within the SLO.
func setup(provisioning time.Duration) Setup {
	s := DefaultSetup(provisioning)
	s.PerReplica = 100
	return s
}

func mustReplay(t testing.TB, l Load, s Setup, p Policy) Score {
	t.Helper()
	r, err := Replay(l, s, p)
	if err != nil {
		t.Fatal(err)
	}
	return r.Score()
}

// script is a policy of so many replicas from each tick on.
type script func(tick int) int

func (s script) Replicas(v View) int { return s(v.Tick) }

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9*max(1, math.Abs(b)) }

func TestScoresAreThoseWorkedByHand(t *testing.T) {
	t.Parallel()
	// An hour each of: one that trains, a demand of 2, a demand of 4.
	l := mustLoad(t, recorded(time.Hour, 255, 170, 340), Hold)
	s := setup(0)
	s.WarmUp = time.Hour
	got := mustReplay(t, l, s, Fixed(3))
	for name, c := range map[string][2]float64{
		"days":                  {got.Days, 2. / 24},
		"θU, a quarter of half": {got.Under, 12.5},
		"θO, a half of half":    {got.Over, 25},
		"τU":                    {got.UnderTime, 50},
		"τO":                    {got.OverTime, 50},
		"demand moved twice":    {got.Instability, 200. / 480},
		"85 of 340 in half":     {got.Violations, 100 * 85. / 510},
		"replica-hours":         {got.ReplicaHours, 6},
		"a day":                 {got.ReplicaHoursPD, 72},
		"events":                {got.EventsPD, 0},
	} {
		if !near(c[0], c[1]) {
			t.Errorf("%s: %v, want %v", name, c[0], c[1])
		}
	}
	better := Score{Under: 12.5 / 2, Over: 25. / 8, UnderTime: 50, OverTime: 50}
	if e := better.SpeedupOver(got); e == nil || !near(*e, 2) {
		t.Errorf("twice, eight times, once and once as good is a speed-up of 2, not %v", e)
	}
	if e := (Score{Over: 1}).SpeedupOver(got); e != nil {
		t.Errorf("a speed-up over zero is %v", *e)
	}
}

func TestAReplicaCountsWhenItIsReadyAndIsPaidForFromItsBeginning(t *testing.T) {
	t.Parallel()
	l := mustLoad(t, recorded(time.Minute, slices.Repeat([]float64{255}, 60)...), Hold)
	for _, provisioning := range []time.Duration{0, 90 * time.Second, 5 * time.Minute} {
		got := mustReplay(t, l, setup(provisioning), script(func(tick int) int {
			if tick < 40 {
				return 1
			}
			return 3
		}))
		// It begins with 3; from tick 1 to 40 there is 1, and until the others are ready.
		late := 40 + max(0, provisioning.Seconds()/15-1)
		if want := 100 * late / 240; !near(got.UnderTime, want) {
			t.Errorf("%s: short for %v %% of the time, want %v", provisioning, got.UnderTime, want)
		}
		if want := (40 + 200*3) / 240.; !near(got.ReplicaHours, want) {
			t.Errorf("%s: %v replica-hours, want %v", provisioning, got.ReplicaHours, want)
		}
	}
}

func TestTheYoungestReplicasGoFirst(t *testing.T) {
	t.Parallel()
	f := fleet{provisioning: time.Minute}
	f.scale(seconds(0), 3)
	f.scale(seconds(60), 5)
	f.scale(seconds(90), 9)
	f.scale(seconds(100), 4)
	for at, want := range map[int]int{100: 3, 119: 3, 120: 4} {
		if got := f.ready(seconds(at)); got != want || f.total != 4 {
			t.Errorf("at %d s %d of %d are ready, want %d of 4", at, got, f.total, want)
		}
	}
}

func TestWhoseMetricsCount(t *testing.T) {
	t.Parallel()
	m := DefaultSetup(0).Metering // 15 s that are 30 s old, five minutes of initialisation
	for name, c := range map[string]struct {
		provisioning    time.Duration
		age             int
		counted, loaded int
	}{
		"starting":                          {90 * time.Second, 89, 0, 0},
		"ready, not sampled since":          {90 * time.Second, 134, 0, 0},
		"ready and sampled":                 {90 * time.Second, 135, 4, 4},
		"starting beyond initialisation":    {400 * time.Second, 399, 0, 0},
		"past initialisation, idle then":    {300 * time.Second, 300, 4, 0},
		"past initialisation, loaded since": {300 * time.Second, 330, 4, 4},
	} {
		f := fleet{provisioning: c.provisioning}
		f.scale(seconds(0), 4)
		if counted, loaded := f.counted(seconds(c.age), m); counted != c.counted || loaded != c.loaded {
			t.Errorf("%s: %d count and %d had load, want %d and %d", name, counted, loaded, c.counted, c.loaded)
		}
	}
}

func TestTheHPAFollowsAStepOfLoad(t *testing.T) {
	t.Parallel()
	// 140 is 2 replicas at 70 %; then ten times that. 30 s later the controller sees 700 % and adds 4, doubles to 12,
	// and with starting pods as idle stops where 1400/(n × 100) is within 10 % of 70 %, or is done at 20.
	values := append(slices.Repeat([]float64{140}, 20), slices.Repeat([]float64{1400}, 20)...)
	l := mustLoad(t, recorded(time.Minute, values...), Hold)
	var seen []int
	hpa := NewReactive(DefaultHPA(0.7, 1, 100))
	if _, err := Replay(l, setup(90*time.Second), policyFunc(func(v View) int {
		n := hpa.Replicas(v)
		seen = append(seen, n)
		return n
	})); err != nil {
		t.Fatal(err)
	}
	if got, want := seen[78:86], []int{2, 2, 2, 2, 6, 12, 20, 20}; !slices.Equal(got, want) {
		t.Errorf("replicas every 15 s from 30 s before the step: %v, want %v", got, want)
	}
	if last := seen[len(seen)-1]; last != 20 {
		t.Errorf("in the end there are %d", last)
	}
}

type policyFunc func(View) int

func (f policyFunc) Replicas(v View) int { return f(v) }

// wavy is days of a service's minutes: a day's course, slow weather and noise.
func wavy(days int, seed uint64, noise float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	out, weather := make([]float64, days*1440), 0.0
	for i := range out {
		weather = 0.998*weather + 0.01*r.NormFloat64()
		x := 2 * math.Pi * float64(i%1440) / 1440
		level := 1500 - 1200*math.Cos(x) + 300*math.Sin(3*x)
		out[i] = max(0, level*math.Exp(weather+noise*r.NormFloat64()))
	}
	return out
}

func TestTheOracleMissesNothingAndPaysLeast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 3000), 20, 60).Draw(t, "load")
		l, err := NewLoad(recorded(time.Minute, values...), DefaultTick, Hold)
		if err != nil {
			t.Fatal(err)
		}
		s := setup(time.Duration(rapid.IntRange(0, 400).Draw(t, "provisioning")) * time.Second)
		s.WarmUp = 7 * time.Minute // before that nobody could have begun replicas in time
		bound, err := Replay(l, s, NewOracle(l, s))
		if err != nil {
			t.Fatal(err)
		}
		if got := bound.Score(); got.Under != 0 || got.Violations != 0 {
			t.Fatalf("the oracle is short: %+v", got)
		}
		// Whoever always has one replica less than the oracle is short at some time, unless one is the least there is.
		o := NewOracle(l, s)
		at := rapid.IntRange(28, l.Ticks()-2).Draw(t, "where less is tried")
		less, err := Replay(l, s, policyFunc(func(v View) int {
			n := o.Replicas(v)
			if v.Tick == at {
				n--
			}
			return n
		}))
		if err != nil {
			t.Fatal(err)
		}
		ahead := max(1, int((s.Provisioning+l.Tick-1)/l.Tick))
		if less.Score().Under == 0 && at+ahead < l.Ticks() {
			t.Fatalf("at tick %d a replica less does no harm", at)
		}
	})
}

func TestNothingIsForecastFromTheFuture(t *testing.T) {
	t.Parallel()
	past := wavy(5, 1, 0.05)
	for _, cut := range []int{2*1440 + 7, 3 * 1440, 4*1440 + 613} {
		replay := func(future func(i int) float64) ([]int, Outlook) {
			values := slices.Clone(past)
			for i := cut; i < len(values); i++ {
				values[i] = future(i)
			}
			l := mustLoad(t, recorded(time.Minute, values...), Hold)
			s := setup(5 * time.Minute)
			o := NewOutlook(l, s, Foresight{Kept: 5 * time.Minute}, Autoregression())
			p := NewPredictive(DefaultHPA(0.7, 1, 1000), s, o, 0.7)
			var replicas []int
			if _, err := Replay(l, s, policyFunc(func(v View) int {
				replicas = append(replicas, p.Replicas(v))
				return replicas[v.Tick]
			})); err != nil {
				t.Fatal(err)
			}
			return replicas, o
		}
		a, first := replay(func(i int) float64 { return past[i] })
		b, second := replay(func(i int) float64 { return 10 * past[len(past)-1-i%1440] })
		ticks := cut * 4
		if !slices.Equal(a[:ticks], b[:ticks]) {
			t.Errorf("another future from minute %d on changes replicas before it", cut)
		}
		if slices.Equal(a[ticks:], b[ticks:]) {
			t.Errorf("another future from minute %d on changes nothing after it, so the test shows nothing", cut)
		}
		for n := range cut {
			if u, v := first.upper[n], second.upper[n]; u != v && !(math.IsNaN(u) && math.IsNaN(v)) {
				t.Fatalf("the bound made in minute %d knows what begins in minute %d", n, cut)
			}
		}
		if first.Told == 0 {
			t.Error("nothing was forecast")
		}
	}
}

func TestBoundsHoldAsOftenAsAsked(t *testing.T) {
	t.Parallel()
	for _, level := range []float64{0.8, 0.9, 0.95} {
		values := wavy(12, 7, 0.1)
		for i := 8 * 1440; i < len(values); i++ { // from then on the noise is another
			values[i] *= math.Exp(0.2 * math.Sin(float64(i*i%97)))
		}
		l := mustLoad(t, recorded(time.Minute, values...), Hold)
		o := NewOutlook(l, setup(90*time.Second), Foresight{Level: level, Kept: 5 * time.Minute}, Autoregression())
		if math.Abs(o.Coverage()-level) > 0.02 || o.Judged < 9*1440 {
			t.Errorf("of bounds that should hold %.0f %% of the time, %.1f %% of %d did", 100*level, 100*o.Coverage(), o.Judged)
		}
	}
}

func TestAForecastOnlyEverAddsReplicas(t *testing.T) {
	t.Parallel()
	l := mustLoad(t, recorded(time.Minute, wavy(4, 3, 0.1)...), Hold)
	s := setup(90 * time.Second)
	reactive := mustReplay(t, l, s, NewReactive(DefaultHPA(0.7, 1, 1000)))
	// A predictor that always says nothing will come must change nothing.
	nothing := NewOutlook(l, s, Foresight{}, func(Question) (float64, bool) { return 0, true })
	if got := mustReplay(t, l, s, NewPredictive(DefaultHPA(0.7, 1, 1000), s, nothing, 0.7)); got != reactive {
		t.Errorf("a forecast of nothing took replicas away: %+v, the HPA alone %+v", got, reactive)
	}
	silent := NewOutlook(l, s, Foresight{}, func(Question) (float64, bool) { return 1e9, false })
	if got := mustReplay(t, l, s, NewPredictive(DefaultHPA(0.7, 1, 1000), s, silent, 0.7)); got != reactive || silent.Told != 0 {
		t.Errorf("a forecast that could not be made changed something: %+v", got)
	}
	much := NewOutlook(l, s, Foresight{}, func(Question) (float64, bool) { return 1e6, true })
	if got := mustReplay(t, l, s, NewPredictive(DefaultHPA(0.7, 1, 50), s, much, 0.7)); got.ReplicaHoursPD > 50*24 || got.ReplicaHoursPD < 49*24 {
		t.Errorf("a forecast beyond max gives %v replica-hours a day", got.ReplicaHoursPD)
	}
}

func TestWhatIsUnknownIsNotScoredAndNotForecast(t *testing.T) {
	t.Parallel()
	values := wavy(3, 5, 0.02)
	for i := 2 * 1440; i < 2*1440+300; i++ {
		values[i] = math.NaN()
	}
	tr := recorded(time.Minute, values...)
	l := mustLoad(t, tr, Hold)
	if l.Unseen < 299*time.Minute || l.Unseen > 300*time.Minute || len(l.Notes()) != 1 {
		t.Errorf("%s are unknown: %q", l.Unseen, l.Notes())
	}
	if got := mustReplay(t, l, setup(0), Fixed(40)); !near(got.Days, 3-l.Unseen.Hours()/24) {
		t.Errorf("%v days are scored", got.Days)
	}
	short := recorded(time.Minute, 1, 2, math.NaN(), math.NaN(), 5, 6)
	bridged := mustLoad(t, short, Line)
	if bridged.Unseen != 0 || bridged.Bridged == 0 || !near(bridged.at[8], 3) || !near(bridged.at[2], 1.5) {
		t.Errorf("a gap of two steps is not on a straight line: %v", bridged.at)
	}
	if held := mustLoad(t, short, Hold); held.at[15] != 2 || held.at[16] != 5 {
		t.Errorf("a gap of two steps is not held: %v", held.at)
	}
}

func TestWhatCannotBeReplayedIsRefused(t *testing.T) {
	t.Parallel()
	good := recorded(time.Minute, 1, 2, 3)
	for name, c := range map[string]struct {
		tr   trace.Trace
		tick time.Duration
		want string
	}{
		"one point":       {recorded(time.Minute, 1), DefaultTick, "needs two or more"},
		"a negative load": {recorded(time.Minute, 1, -2), DefaultTick, "a load is never negative"},
		"no tick":         {good, 0, "must be positive"},
		"too long":        {recorded(100000*time.Hour, 1, 2), time.Second, "too many"},
	} {
		if _, err := NewLoad(c.tr, c.tick, Hold); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := mustLoad(t, good, Hold)
	for name, change := range map[string]func(*Setup){
		"perReplica": func(s *Setup) { s.PerReplica = 0 },
		"usable":     func(s *Setup) { s.Usable = 1.1 },
		"min":        func(s *Setup) { s.Max = 0 },
		"durations":  func(s *Setup) { s.Provisioning = -1 },
		"warm-up":    func(s *Setup) { s.WarmUp = time.Hour },
	} {
		s := setup(0)
		change(&s)
		if _, err := Replay(l, s, Fixed(1)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
