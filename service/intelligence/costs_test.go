package intelligence

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/focus"
	"github.com/nines-sre/nines/capacity/cost/plan"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

// promMetrics asks a real PromQL engine over series that begin at the given time.
type promMetrics struct {
	engine  *promql.Engine
	storage promqlStorage
	begin   time.Time // what is second 0 in the storage
}

type promqlStorage = storage.Queryable

func (m promMetrics) at(t time.Time) time.Time { return time.Unix(0, 0).Add(t.Sub(m.begin)) }

func (m promMetrics) Query(ctx context.Context, expr string, at time.Time) ([]Sample, error) {
	q, err := m.engine.NewInstantQuery(ctx, m.storage, nil, expr, m.at(at))
	if err != nil {
		return nil, err
	}
	defer q.Close()
	vector, err := q.Exec(ctx).Vector()
	var out []Sample
	for _, s := range vector {
		out = append(out, Sample{Labels: s.Metric.Map(), Value: s.F})
	}
	return out, err
}

func (m promMetrics) QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error) {
	q, err := m.engine.NewRangeQuery(ctx, m.storage, nil, expr, m.at(from), m.at(to), step)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	defer q.Close()
	matrix, err := q.Exec(ctx).Matrix()
	var out []Series
	for _, s := range matrix {
		one := Series{Labels: s.Metric.Map()}
		for _, p := range s.Floats {
			one.Points = append(one.Points, forecast.Point{At: m.begin.Add(time.Duration(p.T) * time.Millisecond), Value: p.F})
		}
		out = append(out, one)
	}
	return out, err
}

// cluster is four hours of a cluster with one node of 8 vCPUs and 32 GiB: acme's shop asks for 2 vCPUs and uses 3 from the
// third hour on, globex's api runs in the first two hours only, and the monitoring is shared.
const cluster = `load 1m
  kube_node_status_capacity{node="n1",resource="cpu"} 8x240
  kube_node_status_capacity{node="n1",resource="memory"} 34359738368x240
  kube_node_labels{node="n1",label_topology_kubernetes_io_region="eu",label_node_kubernetes_io_instance_type="n2"} 1x240
  kube_node_info{node="n1",provider_id="gce://p/z/n1"} 1x240
  kube_pod_info{namespace="shop",pod="shop-1",node="n1"} 1x240
  kube_pod_labels{namespace="shop",pod="shop-1",label_app="shop",label_team="core"} 1x240
  kube_namespace_labels{namespace="shop",label_tenant="acme"} 1x240
  kube_pod_container_resource_requests{namespace="shop",pod="shop-1",container="app",resource="cpu",node="n1"} 2x240
  kube_pod_container_resource_requests{namespace="shop",pod="shop-1",container="app",resource="memory",node="n1"} 8589934592x240
  container_cpu_usage_seconds_total{namespace="shop",pod="shop-1",container="app"} 0+60x120 7380+180x119
  container_cpu_usage_seconds_total{namespace="shop",pod="shop-1",container="POD"} 0+600x240
  kube_pod_info{namespace="api",pod="api-1",node="n1"} 1x120 _x120
  kube_pod_labels{namespace="api",pod="api-1",label_tenant="globex",label_service="api"} 1x120 _x120
  kube_pod_container_resource_requests{namespace="api",pod="api-1",container="app",resource="cpu",node="n1"} 1x120 stale _x119
  kube_pod_info{namespace="monitoring",pod="prom-1",node="n1"} 1x240
  kube_pod_container_resource_requests{namespace="monitoring",pod="prom-1",container="prom",resource="cpu",node="n1"} 1x240
  kube_persistentvolumeclaim_resource_requests_storage_bytes{namespace="shop",persistentvolumeclaim="data"} 107374182400x240
  kube_service_spec_type{namespace="shop",service="shop",type="LoadBalancer"} 1x240
  kubecost_pod_network_egress_bytes_total{namespace="shop",pod_name="shop-1",internet="true",same_region="false",same_zone="false"} 0+17895697.066666x240
  kubecost_pod_network_egress_bytes_total{namespace="shop",pod_name="shop-1",internet="false",same_region="true",same_zone="true"} 0+99999999x240
  orders{tenant="acme"} 0+10x240
`

func clusterSheet(t testing.TB) cost.PriceSheet {
	t.Helper()
	d := func(text string) cost.Decimal {
		v, ok := cost.ParseDecimal(text)
		if !ok {
			t.Fatal(text)
		}
		return v
	}
	return cost.PriceSheet{Name: "cloud", Currency: "EUR", Items: []cost.Item{{Name: "orders", Query: "increase(orders[{{.window}}])", Per: d("1000"), Unit: "orders", Price: d("5")}},
		Rates: []cost.Rate{{Resource: cost.CPU, Price: d("1"), Place: cost.Place{Provider: "gcp", Region: "eu"}}, {Resource: cost.RAM, Price: d("0.25")},
			{Resource: cost.Storage, Price: d("0.01")}, {Resource: cost.LoadBalancer, Price: d("0.5")}, {Resource: cost.Egress, Class: cost.Internet, Price: d("2")}},
		Shared:   []cost.Shared{{Name: "platform", Namespaces: []string{"monitoring"}, Split: cost.Proportional}},
		Overhead: []cost.Shared{{Name: "plane", Monthly: d("720"), Split: cost.Nobody}}}
}

// clusterService answers about the cluster; it began four hours ago.
func clusterService(t testing.TB) (*Service, *world, time.Time) {
	t.Helper()
	series := promqltest.LoadedStorage(t.(*testing.T), cluster)
	t.Cleanup(func() { series.Close() })
	w, begin := newWorld(), now.Truncate(time.Hour).Add(-4*time.Hour)
	w.sheets = []cost.PriceSheet{clusterSheet(t)}
	s := w.service()
	s.Metrics = promMetrics{promqltest.NewTestEngine(t.(*testing.T), false, 5*time.Minute, 1_000_000), series, begin}
	return s, w, begin
}

func TestAClusterIsAllocatedFromItsMetrics(t *testing.T) {
	t.Parallel()
	s, w, begin := clusterService(t)
	w.fill(shop, "acme", "eu", begin, begin.Add(4*time.Hour), 1, 10)
	got, err := s.Showback(bg, operator, begin, begin.Add(4*time.Hour), allocation.ByTenant)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for _, r := range got.Rows {
		k := strings.Join(strings.Fields(fmt.Sprint(r.Category, " ", r.Tenant, " ", r.Service, " ", r.Resource, " ", r.From)), " ")
		lines[k] = r.Cost.String()
	}
	want := map[string]string{
		"workload acme shop cpu": "10.00",                                                                            // 2 requested and 1 used for two hours, then 3 used
		"workload acme shop ram": "8.00",                                                                             // 8 GiB of 32 at 0.25
		"workload acme storage":  "4.00", "workload acme load-balancer": "2.00", "workload acme shop egress": "8.00", // traffic within the zone is free
		"workload acme orders": "12.00", "workload globex api cpu": "2.00", "idle cpu": "16.00", "idle ram": "24.00",
		"overhead amount plane": "4.00", "shared acme cpu platform": "3.83", "shared globex cpu platform": "0.17",
	}
	for k, v := range want {
		if !near(euro(t, lines[k]), euro(t, v)) && !almost(lines[k], v) {
			t.Errorf("%s costs %s, want %s", k, lines[k], v)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines: %v", len(lines), lines)
	}
	sum := got.Workload.Add(got.Idle).Add(got.Shared).Add(got.Overhead)
	if !sum.Equal(got.Total) {
		t.Errorf("the parts are %s, the total %s", sum, got.Total)
	}
	for _, u := range got.Units {
		if u.Tenant == "acme" && u.Service == "shop" && (u.Requests != 480 || u.Good != 432 || u.PerRequest == nil) {
			t.Errorf("a request costs %+v", u)
		}
	}
	if i := slices.IndexFunc(got.Coverage, func(c allocation.Coverage) bool { return c.Source == "memory usage" }); i < 0 || got.Coverage[i].Hours != 0 {
		t.Errorf("that no memory usage was seen is not told: %+v", got.Coverage)
	}
	mine, err := s.Showback(bg, acme, begin, begin.Add(4*time.Hour), allocation.ByResource)
	if err != nil || slices.ContainsFunc(mine.Rows, func(r allocation.Row) bool { return r.Tenant != "acme" }) || mine.Total.Sign() == 0 {
		t.Errorf("acme sees %+v, %v", mine.Rows, err)
	}
}

func euro(t testing.TB, text string) float64 {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return -1
	}
	f, _ := r.Float64()
	return f
}

// almost allows what increase() makes of the edges of a window.
func almost(a, b string) bool {
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	if !ok1 || !ok2 {
		return false
	}
	off := new(big.Rat).Sub(x, y)
	return off.Abs(off).Cmp(big.NewRat(7, 100)) <= 0
}

func TestAMonthIsExportedAsBillingDataThatValidates(t *testing.T) {
	t.Parallel()
	s, _, begin := clusterService(t)
	table, err := s.ExportCost(bg, begin, begin.Add(4*time.Hour), "Operations")
	if err != nil {
		t.Fatal(err)
	}
	if problems, n := table.Validate(focus.Options{}); n > 0 || len(table.Rows) == 0 {
		t.Errorf("%d rows, problems %v", len(table.Rows), problems)
	}
}

func TestWhatIfAndSavingsComeFromTheSameFleet(t *testing.T) {
	t.Parallel()
	s, _, begin := clusterService(t)
	d, err := s.CostWhatIf(bg, begin, begin.Add(4*time.Hour), []string{"price.cpu=x2"})
	if err != nil || d.After.Total.Sub(d.Before.Total).String() != "32.00" { // 8 vCPUs, four hours, one euro more
		t.Errorf("got %s, %v", d.After.Total.Sub(d.Before.Total), err)
	}
	if _, err := s.CostWhatIf(bg, begin, begin.Add(4*time.Hour), nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("no change: %v", err)
	}
	found, err := s.CostSavings(bg, 1)
	if err != nil || len(found.Savings) != 0 || len(found.Coverage) == 0 {
		t.Errorf("four hours are no evidence: %+v, %v", found, err)
	}
}

// itemsWorld has forty days of one item: 100 euros a day, and 400 ten days ago.
func itemsWorld(t *testing.T) *world {
	w := newWorld()
	w.sheets = []cost.PriceSheet{priced(t, "cloud", "EUR")}
	w.sheets[0].Items = w.sheets[0].Items[1:] // storage: 0.10 a GB
	midnight := now.Truncate(24 * time.Hour)
	series := Series{Labels: map[string]string{"tenant": "acme"}}
	for i := 40; i >= 1; i-- {
		quantity := 1000.0
		if i == 10 {
			quantity = 4000
		}
		series.Points = append(series.Points, forecast.Point{At: midnight.AddDate(0, 0, 1-i), Value: quantity})
	}
	w.ranged["storage[1d]"] = []Series{series}
	return w
}

func TestTheMonthsEndBudgetsAndAnomaliesComeFromTheDays(t *testing.T) {
	t.Parallel()
	w := itemsWorld(t)
	amount, _ := cost.ParseDecimal("3000")
	w.caps = []cost.Budget{{Name: "acme", Scope: cost.Scope{Tenant: "acme"}, Monthly: amount, Alerts: cost.DefaultAlerts()},
		{Name: "globex", Scope: cost.Scope{Tenant: "globex"}, Monthly: amount, Alerts: cost.DefaultAlerts()}}
	s := w.service()
	growth := plan.Growth{Expected: decimalOf(t, "10"), Low: decimalOf(t, "0"), High: decimalOf(t, "20")}
	o, err := s.CostOutlook(bg, plan.OutlookRequest{Growth: &growth, Users: 100, Months: 18})
	if err != nil {
		t.Fatal(err)
	}
	passed := now.Truncate(24*time.Hour).Day() - 1
	if o.MonthEnd.Expected == nil || len(o.Path) != 18 || o.Path[0].Mean.Sub(o.Path[0].Lower).Sign() <= 0 || o.Days != 30 {
		t.Errorf("got %+v", o)
	}
	spent := int64(100 * passed)
	if passed >= 10 {
		spent += 300
	}
	if want := cost.Round(big.NewRat(spent, 1), "EUR"); !o.MonthEnd.Spent.Equal(want) {
		t.Errorf("%s spent, want %s", o.MonthEnd.Spent, want)
	}
	budgets, err := s.CostBudgets(bg)
	if err != nil || len(budgets) != 2 || !budgets[0].Spent.Equal(o.MonthEnd.Spent) || budgets[1].Spent.Sign() != 0 {
		t.Errorf("got %+v, %v", budgets, err)
	}
	found, err := s.CostAnomalies(bg, 40, 0.95)
	if err != nil || len(found.Anomalies) != 1 || found.Anomalies[0].Off.String() != "300.00" || found.Anomalies[0].Tenant != "acme" {
		t.Errorf("got %+v, %v", found, err)
	}
	w.caps[0].Currency = "USD"
	if _, err := s.CostBudgets(bg); !fault.Is(err, fault.Invalid) {
		t.Errorf("a budget in dollars: %v", err)
	}
}

func decimalOf(t testing.TB, text string) cost.Decimal {
	t.Helper()
	d, ok := cost.ParseDecimal(text)
	if !ok {
		t.Fatal(text)
	}
	return d
}

func TestCreditsOwedForAMonthAreACostOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.sheets = []cost.PriceSheet{priced(t, "cloud", "EUR")}
	w.sheets[0].Fees = map[string]cost.Decimal{"acme": decimalOf(t, "1000"), "stranger": decimalOf(t, "5")}
	w.contracts["acme"] = slo.Contract{Tenant: "acme", Promises: []slo.Promise{{SLO: shop.SLO.ID, Objective: 99.9, Credits: []slo.CreditTier{{Below: 99.9, Credit: 10.1}}}}}
	last := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	w.fill(shop, "acme", "eu", last.Add(-24*time.Hour), last, 100, 1000)
	got, err := w.service().Showback(bg, operator, last.AddDate(0, -1, 0), last, allocation.ByTenant)
	if err != nil {
		t.Fatal(err)
	}
	var owed []string
	for _, r := range got.Rows {
		owed = append(owed, fmt.Sprint(r.Category, " ", r.Tenant, " ", r.Resource, " ", r.Cost))
	}
	if diff := cmp.Diff([]string{"overhead acme sla-credit 101.00"}, owed); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(strings.Join(got.Missing, "\n"), "fee of stranger, and no contract") {
		t.Errorf("missing: %v", got.Missing)
	}
}
