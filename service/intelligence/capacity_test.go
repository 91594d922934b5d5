package intelligence

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// rising is a series that rises by one each step up to now.
func rising(n int, step time.Duration) Series {
	s := Series{Labels: map[string]string{"disk": "a"}}
	for i := range n {
		s.Points = append(s.Points, forecast.Point{At: ago(time.Duration(n-1-i) * step), Value: float64(i)})
	}
	return s
}

func TestAForecastSaysWhenALimitIsReached(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.ranged["disk"] = []Series{rising(2*96, 15*time.Minute)}
	limit, never := 215.0, 1e9
	got := must[ForecastAnswer](t)(w.service().Forecast(bg, ForecastRequest{Query: "disk", History: 48 * time.Hour, Limit: &limit}))
	if len(got.Forecast.Points) != 96 || got.Labels["disk"] != "a" || got.Forecast.Level != 0.9 {
		t.Errorf("%d points, %v, level %v", len(got.Forecast.Points), got.Labels, got.Forecast.Level)
	}
	if got.Reached == nil || got.Reached.Mean == nil || !got.Reached.Mean.After(now) {
		t.Errorf("the limit is reached %+v", got.Reached)
	}
	if far := must[ForecastAnswer](t)(w.service().Forecast(bg, ForecastRequest{Query: "disk", Limit: &never})); far.Reached == nil || far.Reached.Mean != nil {
		t.Errorf("a limit out of reach: %+v", far.Reached)
	}
	if none := must[ForecastAnswer](t)(w.service().Forecast(bg, ForecastRequest{Query: "disk"})); none.Reached != nil {
		t.Errorf("no limit was asked about: %+v", none.Reached)
	}
}

func TestAForecastRefusesWhatItCannotPredict(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.ranged["two"] = []Series{rising(100, 15*time.Minute), rising(100, 15*time.Minute)}
	w.ranged["short"] = []Series{rising(2, 15*time.Minute)}
	for name, c := range map[string]struct {
		request ForecastRequest
		want    string
	}{
		"several series": {ForecastRequest{Query: "two"}, "2 series"},
		"no data":        {ForecastRequest{Query: "none"}, "no data"},
		"short history":  {ForecastRequest{Query: "short"}, ""},
		"too many steps": {ForecastRequest{Query: "two", Step: time.Second}, "steps"},
		"step too long":  {ForecastRequest{Query: "two", Step: time.Hour, History: time.Minute}, "steps"},
	} {
		if _, err := w.service().Forecast(bg, c.request); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.metricsErr = fault.New(fault.Unavailable, "away")
	if _, err := w.service().Forecast(bg, ForecastRequest{Query: "short"}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without an engine: %v", err)
	}
}

func workload() autoscale.Workload {
	return autoscale.Workload{Name: "shop", Service: "shop", Load: "load", Replicas: "replicas", PerReplica: 10, Unit: "req/s", Min: 1, Max: 20,
		Horizon: manifest.Duration(15 * time.Minute), History: manifest.Duration(24 * time.Hour), Headroom: 0.2, Tolerance: 0.1, Level: 0.9}
}

func TestARecommendationIsRecordedWithItsReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		load, replicas []Sample
		history        []Series
		want           int
		action         string
	}{
		"more load than replicas":              {[]Sample{{Value: 50}}, []Sample{{Value: 3}}, nil, 6, autoscale.ScaleOut},
		"no load known":                        {nil, []Sample{{Value: 3}}, nil, 3, autoscale.Hold},
		"load is not a number":                 {[]Sample{{Value: math.NaN()}}, []Sample{{Value: 3}}, nil, 3, autoscale.Hold},
		"no replicas known":                    {[]Sample{{Value: 50}}, nil, nil, -1, autoscale.Hold},
		"nothing taken away on the load alone": {[]Sample{{Value: 5}}, []Sample{{Value: 9}}, nil, 9, autoscale.Hold},
		"steady history allows less":           {[]Sample{{Value: 30}}, []Sample{{Value: 9}}, []Series{steady(30)}, 4, autoscale.ScaleIn},
	} {
		w := newWorld()
		w.workloads["shop"] = workload()
		w.instant[workload().RecentLoad()], w.instant["replicas"], w.ranged["load"] = c.load, c.replicas, c.history
		d := must[autoscale.Decision](t)(w.service().Recommend(bg, "shop"))
		if d.Desired != c.want || d.Action != c.action || !d.DryRun || d.Reason == "" {
			t.Errorf("%s: %+v", name, d)
		}
		if len(w.decisions) != 1 || w.decisions[0].Reason != d.Reason {
			t.Errorf("%s: recorded %+v", name, w.decisions)
		}
		if _, err := json.Marshal(d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func steady(load float64) Series {
	var s Series
	for at := ago(24 * time.Hour); !at.After(now); at = at.Add(workload().Step()) {
		s.Points = append(s.Points, forecast.Point{At: at, Value: load})
	}
	return s
}

func TestNothingIsRecordedWhereTheEngineIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.workloads["shop"] = workload()
	w.metricsErr = fault.New(fault.Unavailable, "away")
	if _, err := w.service().Recommend(bg, "shop"); !fault.Is(err, fault.Unavailable) || len(w.decisions) != 0 {
		t.Errorf("%v, recorded %v", err, w.decisions)
	}
	if _, err := w.service().Recommend(bg, "nope"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown workload: %v", err)
	}
	w.metricsErr = nil
	w.instant[workload().RecentLoad()] = []Sample{{Value: 1}, {Value: 2}}
	if _, err := w.service().Recommend(bg, "shop"); !fault.Is(err, fault.Invalid) {
		t.Errorf("two loads: %v", err)
	}
}

func priced(t *testing.T, name, currency string) cost.PriceSheet {
	t.Helper()
	decimal := func(text string) cost.Decimal {
		d, ok := cost.ParseDecimal(text)
		if !ok {
			t.Fatal(text)
		}
		return d
	}
	return cost.PriceSheet{Name: name, Currency: currency, Items: []cost.Item{
		{Name: "requests", Query: "requests[{{.window}}]", Per: decimal("1000"), Unit: "requests", Price: decimal("0.50")},
		{Name: "storage", Query: "storage[{{.window}}]", Per: decimal("1"), Unit: "GB", Price: decimal("0.10")},
	}}
}

func TestCostsAreAskedOverThePeriodAndSplitByTenant(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.sheets = []cost.PriceSheet{priced(t, "cloud", "EUR")}
	w.instant["requests[1d]"] = []Sample{{Labels: map[string]string{"tenant": "acme"}, Value: 4000}, {Labels: map[string]string{"tenant": "globex"}, Value: 2000}}
	w.instant["storage[1d]"] = []Sample{{Labels: map[string]string{"tenant": "acme"}, Value: 10}, {Value: 5}}
	s := w.service()
	all := must[cost.Report](t)(s.Cost(bg, operator, ago(24*time.Hour), now.Add(time.Hour))) // ends now
	if all.Total.String() != "4.50" || len(all.Rows) != 4 || !all.To.Equal(now) {
		t.Errorf("total %s, %d rows, to %v", all.Total, len(all.Rows), all.To)
	}
	mine := must[cost.Report](t)(s.Cost(bg, acme, ago(24*time.Hour), now))
	text, _ := json.Marshal(mine)
	if mine.Total.String() != "3.00" || len(mine.Rows) != 2 || strings.Contains(string(text), "globex") || strings.Contains(string(text), cost.NoTenant) {
		t.Errorf("acme sees %s", text)
	}
	for name, c := range map[string]struct {
		change   func()
		from, to time.Time
		want     fault.Kind
	}{
		"a period ahead":     {func() {}, now.Add(time.Hour), now.Add(2 * time.Hour), fault.Invalid},
		"a period backwards": {func() {}, now, ago(time.Hour), fault.Invalid},
		"mixed currencies":   {func() { w.sheets = []cost.PriceSheet{priced(t, "a", "EUR"), priced(t, "b", "USD")} }, ago(time.Hour), now, fault.Invalid},
		"no sheet":           {func() { w.sheets = nil }, ago(time.Hour), now, fault.NotFound},
	} {
		c.change()
		if _, err := s.Cost(bg, operator, c.from, c.to); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		w.sheets = []cost.PriceSheet{priced(t, "cloud", "EUR")}
	}
}
