package web

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// capacityOf is a shop whose load has a day's course, and a search of which nothing is known.
type capacityOf struct{ *world }

func (c capacityOf) Workloads() []string {
	if c.empty {
		return nil
	}
	return []string{"search-index-of-all-customers", "shop"}
}

func (c capacityOf) workload(name string) autoscale.Workload {
	return autoscale.Workload{Name: name, Service: "shop", Load: `sum(rate(http_requests_total{job="shop"}[5m]))`, Replicas: "shop_replicas", PerReplica: 50,
		Unit: "req/s", Min: 2, Max: 20, Horizon: manifest.Duration(15 * time.Minute), History: manifest.Duration(14 * 24 * time.Hour), Level: 0.9, Headroom: 0.2, Tolerance: 0.1}
}

func (c capacityOf) Outlook(_ context.Context, name string) (WorkloadOutlook, error) {
	if c.failing != nil {
		return WorkloadOutlook{}, c.failing
	}
	if name != "shop" && name != "search-index-of-all-customers" {
		return WorkloadOutlook{}, fault.New(fault.NotFound, "there is no workload %q", name)
	}
	w := c.workload(name)
	o := WorkloadOutlook{Workload: w, At: c.now}
	if name != "shop" {
		o.Decision = autoscale.Recommend(w, -1, forecast.Forecast{}, math.NaN(), c.now)
		return o, nil
	}
	r := rand.New(rand.NewPCG(1, 2))
	const n = 14 * 288
	for i := range n {
		at := c.now.Add(-time.Duration(n-1-i) * 5 * time.Minute)
		course := 260 - 180*math.Cos(2*math.Pi*float64(at.Hour()*60+at.Minute())/1440)
		o.Load = append(o.Load, forecast.Point{At: at, Value: course + 12*r.NormFloat64()})
		o.Replicas = append(o.Replicas, forecast.Point{At: at, Value: math.Ceil(course * 1.1 / 50)})
	}
	f, err := forecast.Make(o.Load, forecast.Options{Step: 5 * time.Minute, Horizon: 24 * time.Hour, Now: c.now})
	if err != nil {
		return o, err
	}
	ratio := 0.41
	o.Forecast, o.Held = f, &ForecastHeld{Forecasts: 20, Within: 0.912, Ratio: &ratio}
	o.Decision = autoscale.Recommend(w, 7, f, o.Load[n-1].Value, c.now)
	return o, nil
}

func (c capacityOf) Decisions(_ context.Context, _ access.Scope, name string, _ int) ([]autoscale.Decision, error) {
	if c.failing != nil || name != "shop" {
		return nil, c.failing
	}
	return []autoscale.Decision{{Workload: "shop", At: c.ago(10 * time.Minute), Current: 7, Desired: 11, Action: autoscale.ScaleOut, Reason: "Go from 7 to 11. Load is 390 req/s."},
		{Workload: "shop", At: c.ago(26 * time.Hour), Current: -1, Action: autoscale.Hold, Reason: "Hold: the number of replicas is unknown."}}, nil
}

func TestCapacityShowsWhatWorkloadsNeed(t *testing.T) {
	t.Parallel()
	app := newWorld().app(as(vic))
	list := get(t, app, "/capacity")
	sound(t, "capacity", list)
	for _, want := range []string{`href="/capacity/shop"`, "too few", "not known", "req/s", "within 15m"} {
		if !list.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	shop := get(t, app, "/capacity/shop")
	sound(t, "workload", shop)
	for _, want := range []string{`class="fan"`, "replicas take this", "2 to 20, each takes 50", "91.2 % of what came lay within", "error 0.41", "7 → 11", "Season", "1d", "is expected, within", "sum(rate("} {
		if !shop.has(want) {
			t.Errorf("the page of the workload does not say %q", want)
		}
	}
	if unknown := get(t, app, "/capacity/search-index-of-all-customers"); !unknown.has("none yet: too little history") || !unknown.has("No load has been seen") {
		t.Error("a workload of which nothing is known does not say so")
	}
	if answer := get(t, app, "/capacity/nothing"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("a workload that does not exist is answered %d", answer.StatusCode)
	}
	customer := newWorld().app(as(acme))
	if answer := get(t, customer, "/capacity"); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a tenant's person got %d", answer.StatusCode)
	}
	if get(t, customer, "/incidents").has(`href="/capacity"`) {
		t.Error("a tenant's person is led to what they may not see")
	}
}

func TestCapacitySaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	failing, empty := newWorld(), newWorld()
	failing.failing, empty.empty = errEngine, true
	if page := get(t, failing.app(as(ada)), "/capacity"); !page.has("not known") || !page.has("the load of shop") {
		t.Error("the page does not say that the load is not known")
	}
	if page := get(t, failing.app(as(ada)), "/capacity/shop"); !page.has("load and forecast") {
		t.Error("the page of the workload does not say what is missing")
	}
	if page := get(t, empty.app(as(ada)), "/capacity"); !page.has("No workload is defined") {
		t.Error("the page does not say how to define a workload")
	}
}
