package simulate

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// peaky is minutes of a service that fills within a quarter of an hour every morning and afternoon.
func peaky(days int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	out := make([]float64, days*1440)
	for i := range out {
		minute := i % 1440
		level := 300 + 2400/(1+math.Exp(-float64(minute-480)/4)) - 2400/(1+math.Exp(-float64(minute-1080)/12))
		out[i] = max(0, level*(1+0.03*r.NormFloat64()))
	}
	return out
}

// spiky is a flat load with bursts that come without warning.
func spiky(days int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	out, burst := make([]float64, days*1440), 0.0
	for i := range out {
		if burst *= 0.85; r.IntN(300) == 0 {
			burst = 500 + 2500*r.Float64()
		}
		out[i] = max(0, 400*(1+0.03*r.NormFloat64())+burst)
	}
	return out
}

// smooth is a slow day's course that an HPA follows without trouble.
func smooth(days int) []float64 {
	out := make([]float64, days*1440)
	for i := range out {
		out[i] = 2000 - 800*math.Cos(2*math.Pi*float64(i)/1440)
	}
	return out
}

func studied(t *testing.T, values []float64, provisioning time.Duration) Study {
	t.Helper()
	l := mustLoad(t, recorded(time.Minute, values...), Hold)
	s := DefaultSetup(provisioning)
	s.PerReplica, s.WarmUp = s.ForPeak(l, 40), WarmUpFor(l.Length())
	got, err := Plan{Setup: s, HPA: DefaultHPA(0.7, s.Min, s.Max), Target: 0.7, Specs: []Spec{{Kind: KindHPA}, {Kind: KindPredictive}}}.Run(l)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Each case is decided on the earlier two thirds of the days, and checked on the later ones, which the decision has not
// seen.
func TestTheGateActsWhereItWinsAndDeclinesWhereItWouldLose(t *testing.T) {
	t.Parallel()
	both := []time.Duration{90 * time.Second, 5 * time.Minute}
	for name, c := range map[string]struct {
		values       []float64
		provisioning []time.Duration
		acts         bool
		reason       string
	}{
		"a steep morning":     {peaky(10, 1), both, true, "Predictive may act"},
		"another":             {peaky(12, 9), both[:1], true, "Predictive may act"},
		"bursts unannounced":  {spiky(10, 1), both, false, "Forecast only"},
		"other bursts":        {spiky(12, 4), both[1:], false, "Forecast only"},
		"a slow day's course": {smooth(10), both[1:], false, "nothing to win"},
		"three days":          {peaky(3, 1), both, false, "days were judged and 3 are needed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, provisioning := range c.provisioning {
				got := studied(t, c.values, provisioning)
				judged := got.Judged[0]
				early := judged.Trial.Verdict
				if early.Acts() != c.acts || !strings.Contains(early.Reason, c.reason) {
					t.Errorf("%s of provisioning: on the earlier days the gate says: %s", provisioning, early.Reason)
				}
				if judged.Verdict.Acts() != c.acts {
					t.Errorf("%s of provisioning: on all days the gate says: %s", provisioning, judged.Verdict.Reason)
				}
				if c.acts && (judged.Trial.Ratio == nil || *judged.Trial.Ratio > 0.8 || judged.Trial.Days < 2) {
					t.Errorf("%s of provisioning: the gate lets it act, and on %v later days the ratio is %v", provisioning, judged.Trial.Days, ratios([]*float64{judged.Trial.Ratio}))
				}
			}
		})
	}
}

func TestTheGateSaysWhyItDeclines(t *testing.T) {
	t.Parallel()
	sweep := func(days int, under ...float64) Sweep { // of each target from 60 % on, for an hour of 100 replicas each day
		s := Sweep{}
		for i, u := range under {
			s.Targets = append(s.Targets, 0.6+0.05*float64(i))
			r := Result{}
			for range days {
				r.Days = append(r.Days, Tally{seen: 86400, under: u / 100 * 86400, replicas: float64(100-10*i) * 86400})
			}
			s.Results = append(s.Results, r)
		}
		return s
	}
	hpa := sweep(6, 1, 2, 4, 8, 16)
	half := sweep(6, 0.5, 1, 2, 4, 8)
	turning := sweep(6, 0.5, 1, 2, 4, 8)
	for _, r := range turning.Results {
		for i := 3; i < 6; i++ {
			r.Days[i].under *= 2.2
		}
		for i := range 3 {
			r.Days[i].under /= 4
		}
	}
	for name, c := range map[string]struct {
		ours   Sweep
		gate   Gate
		to     int
		mode   string
		reason string
	}{
		"half":                  {half, DefaultGate(0.7), 6, ModePredictive, "0.5 times as much capacity is missing"},
		"too few days":          {half, DefaultGate(0.7), 2, ModeForecastOnly, "2.0 days were judged and 3 are needed"},
		"no such target":        {half, DefaultGate(0.42), 6, ModeForecastOnly, "no replay had a target of 42 %"},
		"worse":                 {sweep(6, 2, 4, 8, 16, 32), DefaultGate(0.7), 6, ModeForecastOnly, "would lose"},
		"a little better":       {sweep(6, 0.9, 1.8, 3.6, 7.2, 14.4), DefaultGate(0.7), 6, ModeForecastOnly, "too small"},
		"better but at the end": {sweep(6, 0.2, 0.4, 0.8, 1.6, 17), DefaultGate(0.7), 6, ModeForecastOnly, "loses at others"},
		"not in the later half": {turning, DefaultGate(0.7), 6, ModeForecastOnly, "does not last"},
		"never so cheap":        {sweep(6, 0.5), DefaultGate(0.7), 6, ModeForecastOnly, "are not enough"},
	} {
		v := c.gate.Judge(hpa, c.ours, 0, c.to)
		if v.Mode != c.mode || !strings.Contains(v.Reason, c.reason) {
			t.Errorf("%s: %s: %s", name, v.Mode, v.Reason)
		}
	}
	flat := sweep(6, 0, 0, 0.01, 0.02, 0.5)
	if v := DefaultGate(0.7).Judge(flat, half, 0, 6); v.Acts() || !strings.Contains(v.Reason, "nothing to win; the HPA at 70 % misses 0.01 %") {
		t.Errorf("an HPA that misses nothing: %s", v.Reason)
	}
}

func TestAStudyShowsEveryPolicyAskedFor(t *testing.T) {
	t.Parallel()
	l := mustLoad(t, recorded(time.Minute, peaky(6, 3)...), Hold)
	s := DefaultSetup(90 * time.Second)
	s.PerReplica, s.WarmUp = s.ForPeak(l, 40), WarmUpFor(l.Length())
	var specs []Spec
	for _, name := range []string{"hpa", "keda", "predictive", "fixed:12", "oracle"} {
		spec, err := ParseSpec(name)
		if err != nil || spec.String() != name {
			t.Fatalf("%s is read as %s: %v", name, spec, err)
		}
		specs = append(specs, spec)
	}
	steps, total := 0, 0
	p := Plan{Setup: s, HPA: DefaultHPA(0.7, 1, 1000), Target: 0.72, Specs: specs, Sweep: true, Progress: func(done, of int, _ string) { steps, total = done, of }}
	got, err := p.Run(l)
	if err != nil {
		t.Fatal(err)
	}
	if steps != total || total == 0 {
		t.Errorf("progress ends at %d of %d", steps, total)
	}
	by := map[string]Outcome{}
	for _, o := range got.Outcomes {
		by[o.Policy] = o
	}
	switch {
	case len(by) != 5 || *by["hpa"].Target != 0.72 || by["fixed:12"].Target != nil:
		t.Errorf("outcomes %+v", got.Outcomes)
	case !near(by["fixed:12"].ReplicaHoursPD, 12*24):
		t.Errorf("a fixed fleet of 12 takes %v replica-hours a day", by["fixed:12"].ReplicaHoursPD)
	case by["oracle"].Under != 0 || by["oracle"].ReplicaHoursPD >= by["hpa"].ReplicaHoursPD*1.2:
		t.Errorf("the oracle: %+v", by["oracle"])
	case by["predictive"].Under >= by["hpa"].Under:
		t.Errorf("with a forecast %v %% are missing, without %v %%", by["predictive"].Under, by["hpa"].Under)
	case by["hpa"].Speedup == nil || *by["hpa"].Speedup <= 1:
		t.Errorf("an HPA is no better than a fixed fleet: %v", by["hpa"].Speedup)
	}
	if len(got.Frontiers) != 3 || len(got.Frontiers["hpa"]) != 15 || len(got.Judged) != 1 || got.Judged[0].Bounds.Judged == 0 {
		t.Errorf("frontiers %d, of the HPA %d, judged %+v", len(got.Frontiers), len(got.Frontiers["hpa"]), got.Judged)
	}
	if got.WarmUp.Std() != 48*time.Hour || !got.From.Equal(monday.Add(48*time.Hour)) {
		t.Errorf("scoring begins at %s after %s", got.From, got.WarmUp)
	}
	for _, bad := range []string{"", "vpa", "fixed", "fixed:many", "fixed:-1", "hpa:3", "predictive:"} {
		if _, err := ParseSpec(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("policy %q: %v", bad, err)
		}
	}
	for name, change := range map[string]func(*Plan){
		"name a policy":              func(p *Plan) { p.Specs = nil },
		"there is no model \"pool\"": func(p *Plan) { p.Specs = []Spec{{Kind: KindPredictive, Model: "pool"}} },
		"the target is":              func(p *Plan) { p.Target = 0 },
		"warm-up":                    func(p *Plan) { p.WarmUp = 100 * 24 * time.Hour },
		"perReplica":                 func(p *Plan) { p.PerReplica = 0 },
	} {
		q := p
		change(&q)
		if _, err := q.Run(l); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
