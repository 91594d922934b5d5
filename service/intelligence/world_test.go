package intelligence

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The time in the tests' world, on the border of a bucket.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// The tests' promises: one with a budget for each tenant, in two regions, and one shared by all.
var (
	shop = slo.Versioned{Version: 3, SLO: slo.SLO{
		ID: "shop-availability", Service: "shop", Name: "availability", Objective: 99.9, Interval: time.Minute, Settle: 10 * time.Second,
		GroupBy: []string{"tenant", "region"}, BudgetBy: []string{"tenant"},
	}}
	api = slo.Versioned{Version: 1, SLO: slo.SLO{
		ID: "nines-api", Service: "nines", Name: "api", Objective: 99, Interval: time.Minute, Settle: 10 * time.Second,
	}}
)

// world is everything that the service asks, in memory.
type world struct {
	mu        sync.Mutex
	closed    map[string]time.Time
	buckets   []slo.Bucket
	live      map[string][]slo.IncrementSeries
	slos      []slo.Versioned
	contracts map[string]slo.Contract
	workloads map[string]autoscale.Workload
	sheets    []cost.PriceSheet
	caps      []cost.Budget
	open      []incidents.Incident
	events    []incidents.Event
	instant   map[string][]Sample
	ranged    map[string][]Series
	decisions []autoscale.Decision
	outcomes  []string
	reads     int // of buckets

	ledgerErr, liveErr, incidentsErr, metricsErr error
	liveHangs                                    bool
}

func newWorld() *world {
	return &world{
		closed: map[string]time.Time{shop.SLO.ID: ago(5 * time.Minute), api.SLO.ID: ago(5 * time.Minute)},
		live:   map[string][]slo.IncrementSeries{}, slos: []slo.Versioned{api, shop}, contracts: map[string]slo.Contract{},
		workloads: map[string]autoscale.Workload{}, instant: map[string][]Sample{}, ranged: map[string][]Series{},
	}
}

func (w *world) service() *Service {
	return New(Deps{Ledger: w, Live: w, Incidents: incidentStore{w}, Definitions: func() Definitions { return w }, Metrics: engine{w}, Decisions: w,
		Observe: func(_ context.Context, kind, outcome string, _ time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.outcomes = append(w.outcomes, kind+" "+outcome)
		}, Now: func() time.Time { return now }})
}

const width = 5 * time.Minute

// fill adds a bucket of one series for each five minutes in [from, to).
func (w *world) fill(v slo.Versioned, tenant, region string, from, to time.Time, errors, total float64) {
	for at := from; at.Before(to); at = at.Add(width) {
		w.buckets = append(w.buckets, slo.Bucket{
			Series: slo.Series{SLO: v.SLO.ID, Tenant: tenant, Region: region, Group: "{}"}, Start: at, Width: width,
			Counts: slo.Counts{Good: total - errors, Total: total}, Seen: 5, Expect: 5, Version: v.Version,
		})
	}
}

// goLive adds an increment of one series for each minute in (from, to].
func (w *world) goLive(v slo.Versioned, tenant string, from, to time.Time, errors, total float64) {
	s := slo.IncrementSeries{Series: slo.Series{SLO: v.SLO.ID, Tenant: tenant, Group: "{}"}}
	for at := from.Add(time.Minute); !at.After(to); at = at.Add(time.Minute) {
		s.Points = append(s.Points, slo.Increment{At: at, Errors: errors, Total: total})
	}
	w.live[v.SLO.ID] = append(w.live[v.SLO.ID], s)
}

func (w *world) ClosedUntil(_ context.Context, id string) (time.Time, error) {
	return w.closed[id], w.ledgerErr
}

func (w *world) Buckets(_ context.Context, scope access.Scope, id, tenant string, from, to time.Time) ([]slo.Bucket, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	var out []slo.Bucket
	for _, b := range w.buckets {
		// Scope is left out on purpose: the service must not lean on storage alone.
		if (id == "" || b.SLO == id) && (tenant == "" || b.Tenant == tenant) && !b.Start.Before(from) && b.Start.Before(to) {
			out = append(out, b)
		}
	}
	return out, w.ledgerErr
}

func (w *world) Increments(ctx context.Context, s slo.SLO, from, to time.Time) ([]slo.IncrementSeries, error) {
	if w.liveHangs {
		<-ctx.Done()
		return nil, fault.Wrap(fault.Timeout, ctx.Err(), "the engine does not answer")
	}
	var out []slo.IncrementSeries
	for _, one := range w.live[s.ID] {
		kept := slo.IncrementSeries{Series: one.Series}
		for _, p := range one.Points {
			if p.At.After(from) && !p.At.After(to) {
				kept.Points = append(kept.Points, p)
			}
		}
		out = append(out, kept)
	}
	return out, w.liveErr
}

func (w *world) SLOs() []slo.Versioned { return w.slos }
func (w *world) SLO(id string) (slo.Versioned, bool) {
	i := slices.IndexFunc(w.slos, func(v slo.Versioned) bool { return v.SLO.ID == id })
	if i < 0 {
		return slo.Versioned{}, false
	}
	return w.slos[i], true
}
func (w *world) Contract(tenant string) (slo.Contract, int, bool) {
	c, ok := w.contracts[tenant]
	return c, 7, ok
}
func (w *world) Workload(name string) (autoscale.Workload, bool) {
	v, ok := w.workloads[name]
	return v, ok
}
func (w *world) PriceSheets() []cost.PriceSheet { return w.sheets }
func (w *world) CostBudgets() []cost.Budget     { return w.caps }
func (w *world) RecordDecision(_ context.Context, d autoscale.Decision) error {
	w.decisions = append(w.decisions, d)
	return nil
}

type incidentStore struct{ *world }

func (w incidentStore) Incidents(_ context.Context, _ access.Scope, f incidents.Filter) ([]incidents.Incident, error) {
	var out []incidents.Incident
	for _, i := range w.open {
		if slices.Contains(f.States, i.State) {
			out = append(out, i)
		}
	}
	return out, w.incidentsErr
}

func (w incidentStore) Incident(_ context.Context, _ access.Scope, id string) (incidents.Incident, error) {
	for _, i := range w.open {
		if i.ID == id || fmt.Sprint(i.Number) == id {
			return i, nil
		}
	}
	return incidents.Incident{}, fault.New(fault.NotFound, "there is no incident %q", id)
}
func (w incidentStore) Timeline(context.Context, access.Scope, string) ([]incidents.Event, error) {
	return w.events, nil
}
func (w incidentStore) Attempts(context.Context, access.Scope, string) ([]incidents.Attempt, error) {
	return nil, nil
}

type engine struct{ *world }

func (w engine) Query(_ context.Context, expr string, _ time.Time) ([]Sample, error) {
	return w.instant[expr], w.metricsErr
}
func (w engine) QueryRange(_ context.Context, expr string, _, _ time.Time, _ time.Duration) ([]Series, error) {
	return w.ranged[expr], w.metricsErr
}

var (
	operator = access.Operator()
	acme     = access.Tenant("acme")
	bg       = context.Background()
)

// twoCustomers is a healthy day for acme and globex on both promises.
func twoCustomers() *world {
	w := newWorld()
	for _, tenant := range []string{"acme", "globex"} {
		w.fill(shop, tenant, "eu", ago(24*time.Hour), ago(5*time.Minute), 0, 1000)
		w.goLive(shop, tenant, ago(5*time.Minute), now, 0, 200)
	}
	w.fill(api, "", "", ago(24*time.Hour), ago(5*time.Minute), 0, 100)
	w.goLive(api, "", ago(5*time.Minute), now, 0, 20)
	return w
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var inSevenMinutes = now.Add(7 * time.Minute)

// burningIncident is acme's open incident about the shop, at step 1 of 2.
func burningIncident() incidents.Incident {
	slack := incidents.Target{Slack: &incidents.SlackTarget{URL: incidents.Secret{Env: "SLACK"}}}
	return incidents.Incident{
		ID: "i-1", Number: 41, Tenant: "acme", SLO: shop.SLO.ID, Service: "shop", Title: "shop availability burns", Severity: incidents.Critical,
		State: incidents.Triggered, Labels: map[string]string{"tenant": "acme"}, Step: 1, NextEscalationAt: &inSevenMinutes,
		Policy:    incidents.Policy{Name: "oncall", Steps: []incidents.Step{{Targets: []incidents.Target{slack}}, {Delay: time.Minute, Targets: []incidents.Target{slack}}}},
		StartedAt: ago(20 * time.Minute), OpenedAt: ago(20 * time.Minute),
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }
