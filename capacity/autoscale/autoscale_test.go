package autoscale

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/manifest"
	"pgregory.net/rapid"
)

var now = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// shop takes 10 requests a second a replica and keeps a fifth free.
func shop() Workload {
	return Workload{
		Name: "shop", Service: "shop", PerReplica: 10, Unit: "req/s", Min: 1, Max: 20, Headroom: 0.2, Tolerance: 0.1, Level: 0.9,
		Horizon: manifest.Duration(15 * time.Minute), History: manifest.Duration(24 * time.Hour),
	}
}

// expecting is a fresh forecast with the given upper bound a few minutes ahead.
func expecting(upper float64) forecast.Forecast {
	return forecast.Forecast{
		At: now, Step: manifest.Duration(time.Minute), Level: 0.9, Method: "seasonal naive of 1d", Coverage: 1, History: 1440,
		Points: []forecast.Predicted{
			{At: now.Add(time.Minute), Mean: upper / 4, Upper: upper / 3}, {At: now.Add(10 * time.Minute), Mean: upper / 2, Upper: upper},
			{At: now.Add(2 * time.Hour), Mean: upper * 50, Upper: upper * 100}, // beyond the horizon
		},
	}
}

func TestHowManyReplicasAndWhy(t *testing.T) {
	t.Parallel()
	old := expecting(100)
	old.At = now.Add(-6 * time.Minute)
	holed := expecting(20)
	holed.Coverage = 0.3
	unknown := math.NaN()
	for name, c := range map[string]struct {
		current int
		load    float64
		f       forecast.Forecast
		desired int
		action  string
		reason  string // a part of it
	}{
		"the forecast asks for more":                   {4, 30, expecting(60), 8, ScaleOut, "Go from 4 to 8. Load is 30 req/s at its highest of the last 5m; within 15m at most 60 req/s is expected (95 % sure"},
		"the load asks for more than the forecast":     {4, 80, expecting(20), 10, ScaleOut, "With 20 % headroom that is 96 req/s, at 10 req/s a replica 10."},
		"a low forecast alone takes nothing away":      {8, 64, expecting(10), 8, Hold, "Hold at 8"},
		"a low load alone takes nothing away":          {8, 10, expecting(64), 8, Hold, "Hold at 8"},
		"both are low":                                 {8, 20, expecting(25), 3, ScaleIn, "Go from 8 to 3."},
		"exactly right":                                {6, 50, expecting(50), 6, Hold, "Hold at 6."},
		"a little less is no reason":                   {20, 155, expecting(155), 20, Hold, "19 would do as well, but the difference is within the tolerance of 10 %"},
		"a little more is none either":                 {10, 90, expecting(91), 10, Hold, "11 would do as well"},
		"unless the load does not fit any more":        {10, 101, expecting(60), 13, ScaleOut, "Go from 10 to 13."},
		"more than there may be":                       {10, 300, expecting(100), 20, ScaleOut, "above max 20: the service will be short of 16."},
		"at max already":                               {20, 300, expecting(100), 20, Hold, "short of 16"},
		"nothing to do":                                {1, 0, expecting(0), 1, Hold, "Min is 1."},
		"fewer than there must be":                     {0, 0, expecting(0), 1, ScaleOut, "0 replicas are outside of min 1 and max 20"},
		"more than there may be now":                   {30, 5, expecting(5), 1, ScaleIn, "30 replicas are outside"},
		"too many, and no forecast":                    {30, 5, forecast.Forecast{}, 20, ScaleIn, "go to 20"},
		"no forecast, more load":                       {2, 50, forecast.Forecast{}, 6, ScaleOut, "there is no forecast yet"},
		"no forecast, less load":                       {9, 5, forecast.Forecast{}, 9, Hold, "without a forecast nothing is taken away"},
		"a forecast from a holed history, less load":   {9, 5, holed, 9, Hold, "only 30 % of the history was seen"},
		"a forecast from a holed history, more load":   {1, 50, holed, 6, ScaleOut, "Go from 1 to 6."},
		"the forecast is old":                          {4, 30, old, 4, Hold, "is 6m0s old. Nothing is changed"},
		"the load is unknown":                          {4, unknown, expecting(100), 4, Hold, "the load is unknown"},
		"the load is no load":                          {4, -1, expecting(100), 4, Hold, "the load is unknown"},
		"the replicas are unknown":                     {-1, 30, expecting(100), -1, Hold, "the number of replicas is unknown"},
		"a forecast without a number says nothing":     {2, 50, expecting(math.Inf(1)), 6, ScaleOut, "Go from 2 to 6."},
		"a hair above a whole number is not a replica": {4, 0.3 / 0.1 * 10 / 1.2, expecting(1), 3, ScaleIn, "a replica 3."},
	} {
		d := Recommend(shop(), c.current, c.f, c.load, now)
		if d.Desired != c.desired || d.Action != c.action || !strings.Contains(d.Reason, c.reason) {
			t.Errorf("%s: %s, %d; %s", name, d.Action, d.Desired, d.Reason)
		}
		if !d.DryRun || d.Workload != "shop" || d.Service != "shop" || !d.At.Equal(now) {
			t.Errorf("%s: the decision does not say whose it is: %+v", name, d)
		}
	}
}

func TestADecisionRecordsWhatItRestsOn(t *testing.T) {
	t.Parallel()
	d := Recommend(shop(), 4, expecting(60), 30, now)
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var again Decision
	if err := json.Unmarshal(raw, &again); err != nil {
		t.Fatal(err)
	}
	in := again.Inputs
	if in.Load == nil || *in.Load != 30 || in.Forecast == nil || in.Forecast.Upper != 60 || !in.Forecast.At.Equal(now.Add(10*time.Minute)) || *in.Need != 8 {
		t.Errorf("the inputs are %s", raw)
	}
	for _, want := range []string{`"dryRun":true`, `"horizon":"15m"`, `"perReplica":10`, `"action":"scale-out"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the JSON lacks %s: %s", want, raw)
		}
	}
	if raw, err = json.Marshal(Recommend(shop(), 4, forecast.Forecast{}, math.NaN(), now)); err != nil || !strings.Contains(string(raw), `"load":null`) {
		t.Errorf("what is unknown is null: %s %v", raw, err)
	}
}

func TestWhatHoldsForEveryDecision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := shop()
		w.Min = rapid.IntRange(1, 10).Draw(t, "min")
		w.Max = w.Min + rapid.IntRange(0, 50).Draw(t, "more")
		w.PerReplica = rapid.Float64Range(0.1, 1000).Draw(t, "perReplica")
		w.Headroom = rapid.Float64Range(0, 2).Draw(t, "headroom")
		w.Tolerance = rapid.Float64Range(0, 0.5).Draw(t, "tolerance")
		current := rapid.IntRange(0, 100).Draw(t, "current")
		load := rapid.Float64Range(0, 1e5).Draw(t, "load")
		upper := rapid.Float64Range(0, 1e5).Draw(t, "upper")
		f := expecting(upper)
		if rapid.Bool().Draw(t, "no forecast") {
			f = forecast.Forecast{}
		}
		d := Recommend(w, current, f, load, now)
		if d.Desired < w.Min || d.Desired > w.Max {
			t.Fatalf("%d is not between %d and %d", d.Desired, w.Min, w.Max)
		}
		if fits := float64(d.Desired) * w.PerReplica; d.Desired < w.Max && fits < load*(1-1e-6) {
			t.Fatalf("%d replicas take %v, and the load is %v", d.Desired, fits, load)
		}
		if d.Desired < current && current <= w.Max {
			if len(f.Points) == 0 || Recommend(w, current, expecting(0), load, now).Desired >= current || Recommend(w, current, f, 0, now).Desired >= current {
				t.Fatalf("replicas were taken away though load or forecast alone asks for them: %s", d.Reason)
			}
		}
		if again := Recommend(w, d.Desired, f, load, now); again.Action != Hold {
			t.Fatalf("it flaps: first %s, then %s", d.Reason, again.Reason)
		}
		if more := Recommend(w, current, f, load*1.5+1, now); len(f.Points) > 0 && more.Desired < d.Desired {
			t.Fatalf("more load, fewer replicas: %d at %v, %d at %v", d.Desired, load, more.Desired, load*1.5+1)
		}
	})
}

const definition = `apiVersion: nines/v1
kind: Workload
metadata: {name: shop}
spec:
  service: shop
  load: sum(rate(http_requests_total{job="shop"}[1m]))
  replicas: max(shop_replicas)
  perReplica: 50
  unit: req/s
  min: 2
  max: 20
  horizon: 30m
  history: 7d
  headroom: 25%
  level: 0.95
`

func read(t testing.TB, text string) (Workload, manifest.Problems) {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "w.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%d documents, %v", len(docs), problems)
	}
	return ReadWorkload(docs[0])
}

func TestAWorkloadIsReadAsWritten(t *testing.T) {
	t.Parallel()
	w, problems := read(t, definition)
	want := Workload{
		Name: "shop", Service: "shop", Load: `sum(rate(http_requests_total{job="shop"}[1m]))`, Replicas: "max(shop_replicas)", PerReplica: 50, Unit: "req/s",
		Min: 2, Max: 20, Horizon: manifest.Duration(30 * time.Minute), History: manifest.Duration(7 * 24 * time.Hour), Headroom: 0.25, Tolerance: 0.1, Level: 0.95,
	}
	if len(problems) > 0 || w != want {
		t.Errorf("got %+v, %v", w, problems)
	}
	if w.Step() != 5*time.Minute || shop().Step() != time.Minute {
		t.Errorf("steps are %v and %v", w.Step(), shop().Step())
	}
	if got := w.RecentLoad(); got != "max_over_time((\nsum(rate(http_requests_total{job=\"shop\"}[1m]))\n)[5m:15s])" {
		t.Errorf("the recent load is asked for by %q", got)
	}
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	t.Parallel()
	w, problems := read(t, "apiVersion: nines/v1\nkind: Workload\nmetadata: {name: x}\nspec: {service: s, load: a, replicas: b, perReplica: 1, max: 3}\n")
	if len(problems) > 0 || w.Min != 1 || w.Horizon.Std() != DefaultHorizon || w.History.Std() != DefaultHistory ||
		w.Headroom != DefaultHeadroom || w.Tolerance != DefaultTolerance || w.Level != DefaultLevel || w.Unit != DefaultUnit {
		t.Errorf("got %+v, %v", w, problems)
	}
}

func TestEveryProblemOfAWorkloadIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, problems := read(t, `apiVersion: nines/v1
kind: Workload
metadata: {name: shop}
spec:
  load: sum(rate(x[1m])
  replicas: x[5m]
  perReplica: 0
  min: 0
  max: -1
  horizon: 10s
  history: 100d
  headroom: 20
  tolerance: much
  level: 1
  minn: 3
`)
	want := []string{
		"w.yaml:4: spec.service: is missing",
		"w.yaml:5: spec.load: is not PromQL: unclosed left parenthesis",
		"w.yaml:6: spec.replicas: is a range vector; it must be an instant vector",
		"w.yaml:7: spec.perReplica: 0 is not positive",
		"w.yaml:8: spec.min: is 0; write 1 to 100000",
		"w.yaml:9: spec.max: is -1, which is below min (0)",
		"w.yaml:10: spec.horizon: is 10s; write 1m to 1d",
		"w.yaml:11: spec.history: is 100d; the most is 60d",
		"w.yaml:12: spec.headroom: 20 is not between 0 and 5; write 20% or 0.2",
		`w.yaml:13: "much" is not a share; write 20% or 0.2`,
		"w.yaml:14: spec.level: 1 is not between 0.5 and 1",
		"w.yaml:15: spec.minn: is not a known field; did you mean min?",
	}
	got := problems.Sorted()
	if len(got) != len(want) {
		t.Fatalf("%d problems: %v", len(got), got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i].String(), want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

func FuzzReadWorkload(f *testing.F) {
	f.Add(definition)
	f.Add("apiVersion: nines/v1\nkind: Workload\nmetadata: {name: x}\nspec: {headroom: [1], level: .nan, perReplica: .inf, load: {}, horizon: 9999999999y}\n")
	f.Add("apiVersion: nines/v1\nkind: Workload\nmetadata: {name: x}\nspec: {service: s, load: a, replicas: b, perReplica: 1, max: 3, tolerance: 0x1p-2%}\n")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f", Text: text})
		for _, d := range docs {
			w, problems := ReadWorkload(d)
			if len(problems) > 0 {
				continue
			}
			got := Recommend(w, w.Min, forecast.Forecast{}, w.PerReplica, now)
			if got.Desired < w.Min || got.Desired > w.Max || w.Step() <= 0 {
				t.Errorf("%+v was accepted and recommends %d", w, got.Desired)
			}
		}
	})
}
