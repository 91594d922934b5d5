package backtest

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// lab runs rule files in Prometheus' own rule engine over stored samples, in virtual time, and answers a replay's
// questions from the same samples.
type lab struct {
	t      *testing.T
	db     *tsdb.DB
	engine *promql.Engine
	groups []labGroup
}

type labGroup struct {
	*rules.Group
	every, offset time.Duration
	recorders     map[string]*recorder
}

func newLab(t *testing.T, all ...Series) *lab {
	t.Helper()
	l := &lab{t: t, db: openDB(t)}
	l.engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 5e7, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	store(t, l.db, all...)
	return l
}

// load adds the groups whose names begin with one of the prefixes, in the order in which they are evaluated where they
// fall together.
func (l *lab) load(text string, offsets map[string]time.Duration, prefixes ...string) {
	l.t.Helper()
	file := filepath.Join(l.t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	m := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{}, QueryFunc: rules.EngineQueryFunc(l.engine, l.db), Context: l.t.Context(), Appendable: l.db, Queryable: l.db,
		Logger: slog.New(slog.DiscardHandler), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	groups, errs := m.LoadGroups(30*time.Second, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		l.t.Fatal(errs)
	}
	for _, prefix := range prefixes {
		found := 0
		for _, g := range groups {
			if strings.HasPrefix(g.Name(), prefix) {
				l.groups = append(l.groups, labGroup{g, g.Interval(), offsets[prefix], map[string]*recorder{}})
				found++
			}
		}
		if found == 0 {
			l.t.Fatalf("no group is named %s...", prefix)
		}
	}
}

// run evaluates the groups and returns each alert from firing to resolved, named by the label.
func (l *lab) run(from, to time.Time, tierLabel string, keep ...string) []Alert {
	l.t.Helper()
	for now := from.Add(time.Second); !now.After(to); now = now.Add(time.Second) {
		for i := range l.groups {
			if g := &l.groups[i]; now.Add(-g.offset).UnixNano()%int64(g.every) == 0 {
				l.eval(g, now, tierLabel, keep)
			}
		}
	}
	var out []Alert
	for _, g := range l.groups {
		for _, r := range g.recorders {
			out = append(out, r.end()...)
		}
	}
	return inOrder(out)
}

func (l *lab) eval(g *labGroup, now time.Time, tierLabel string, keep []string) {
	l.t.Helper()
	g.Eval(l.t.Context(), now)
	firing := map[string]bool{}
	for _, r := range g.Rules() {
		if err := r.LastError(); err != nil {
			l.t.Fatalf("%s: %v\n%s", r.Name(), err, r.Query())
		}
	}
	for _, r := range g.AlertingRules() {
		for _, a := range r.ActiveAlerts() {
			if a.State != rules.StateFiring {
				continue
			}
			one := Alert{Tier: a.Labels.Get(tierLabel), Severity: a.Labels.Get("sloth_severity"), Labels: pick(a.Labels.Map(), keep)}
			key := one.Tier + keyOf(one.Labels)
			firing[key] = true
			if g.recorders[key] == nil {
				g.recorders[key] = &recorder{alert: one}
			}
		}
	}
	for key, r := range g.recorders {
		r.at(now, firing[key])
	}
}

func inOrder(all []Alert) []Alert {
	for i := range all {
		all[i].Fired, all[i].Reset = all[i].Fired.UTC(), all[i].Reset.UTC()
	}
	slices.SortFunc(all, func(a, b Alert) int {
		return strings.Compare(a.Tier+keyOf(a.Labels)+a.Fired.Format(time.RFC3339), b.Tier+keyOf(b.Labels)+b.Fired.Format(time.RFC3339))
	})
	return all
}

// Range implements Source by the engine.
func (l *lab) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error) {
	q, err := l.engine.NewRangeQuery(ctx, l.db, nil, expr, from, to, step)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	m, err := q.Exec(ctx).Matrix()
	if err != nil {
		return nil, err
	}
	var out []Series
	for _, s := range m {
		one := Series{Labels: s.Metric.Map()}
		for _, p := range s.Floats {
			one.At, one.Values = append(one.At, p.T), append(one.Values, p.F)
		}
		out = append(out, one)
	}
	return out, nil
}

// Samples implements Source by what is stored.
func (l *lab) Samples(ctx context.Context, selector string, from, to time.Time) ([]Series, error) {
	matchers, err := parser.ParseMetricSelector(selector)
	if err != nil {
		return nil, err
	}
	q, err := l.db.Querier(from.UnixMilli()+1, to.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer q.Close()
	var out []Series
	set := q.Select(ctx, true, nil, matchers...)
	for set.Next() {
		one := Series{Labels: set.At().Labels().Map()}
		for it := set.At().Iterator(nil); it.Next() != 0; {
			if at, v := it.At(); !value.IsStaleNaN(v) {
				one.At, one.Values = append(one.At, at), append(one.Values, v)
			}
		}
		out = append(out, one)
	}
	return out, set.Err()
}

// Increments implements Source by what the rules recorded.
func (l *lab) Increments(ctx context.Context, s slo.SLO, from, to time.Time) ([]slo.IncrementSeries, error) {
	totals, err := l.Samples(ctx, s.TotalSeries(), from, to)
	if err != nil {
		return nil, err
	}
	failed, err := l.Samples(ctx, s.ErrorSeries(), from, to)
	if err != nil {
		return nil, err
	}
	errorsAt := map[slo.Series]map[int64]float64{}
	for _, one := range failed {
		at := map[int64]float64{}
		for i, ms := range one.At {
			at[ms] = one.Values[i]
		}
		errorsAt[s.SeriesOf(one.Labels)] = at
	}
	var out []slo.IncrementSeries
	for _, one := range totals {
		id := s.SeriesOf(one.Labels)
		points := slo.IncrementSeries{Series: id}
		for i, ms := range one.At {
			points.Points = append(points.Points, slo.Increment{At: time.UnixMilli(ms).UTC(), Total: one.Values[i], Errors: errorsAt[id][ms]})
		}
		out = append(out, points)
	}
	return out, nil
}

// spell is a span of trouble.
type spell struct {
	from, to time.Duration
	ratio    float64
}

// traffic makes the counters of one instance and tenant, scraped every 30 seconds, with up beside them.
type traffic struct {
	tenant  string
	rate    float64 // events a scrape
	base    float64 // error ratio on good days
	trouble []spell
	gap     spell         // no scrapes
	phase   time.Duration // of the scrapes
	resets  time.Duration // a restart every so often
}

func (w traffic) series(length time.Duration) []Series {
	random := rand.New(rand.NewPCG(uint64(len(w.tenant)), 7))
	name := func(metric string, more ...string) *Series {
		s := &Series{Labels: map[string]string{"__name__": metric, "job": "shop", "instance": "i-" + w.tenant}}
		for i := 0; i+1 < len(more); i += 2 {
			s.Labels[more[i]] = more[i+1]
		}
		return s
	}
	good, bad, up := name("http_requests_total", "code", "200", "tenant", w.tenant), name("http_requests_total", "code", "500", "tenant", w.tenant), name("up")
	var ok, failed, lost float64
	for at := w.phase; at < length; at += 30 * time.Second {
		ratio := w.base
		for _, s := range w.trouble {
			if at > s.from && at <= s.to {
				ratio = s.ratio
			}
		}
		n := math.Floor(w.rate + random.Float64())
		lost += n * ratio
		e := math.Floor(lost)
		lost -= e
		ok, failed = ok+n-e, failed+e
		if w.resets > 0 && at%w.resets < 30*time.Second {
			ok, failed = n, 0
		}
		if at > w.gap.from && at <= w.gap.to {
			continue
		}
		for _, p := range []struct {
			s *Series
			v float64
		}{{good, ok}, {bad, failed}, {up, 1}} {
			p.s.At, p.s.Values = append(p.s.At, begin.Add(at).UnixMilli()), append(p.s.Values, p.v)
		}
	}
	return []Series{*good, *bad, *up}
}

// shop is an SLO by tenant over a week, so that its windows are short.
func shop(window time.Duration) slo.SLO {
	return slo.SLO{
		ID: "shop-availability", Service: "shop", Name: "availability", Objective: 99.9, Window: slo.Window{Rolling: window}, Spec: "nines/v1",
		SLI:     slo.SLI{TotalQuery: `http_requests_total{job="shop"}`, ErrorQuery: `http_requests_total{job="shop",code=~"5.."}`},
		GroupBy: []string{"tenant"}, BudgetBy: []string{"tenant"},
	}.Defaulted()
}

const hour, minute = time.Hour, time.Minute

// eventful is twenty hours of three tenants: plenty, some and hardly any traffic.
func eventful() []Series {
	return slices.Concat(
		traffic{tenant: "acme", rate: 3000, base: 0.0004, phase: 7 * time.Second, resets: 5 * hour, trouble: []spell{
			{3 * hour, 3*hour + 10*minute, 1}, {6 * hour, 8 * hour, 0.007}, {12 * hour, 17 * hour, 0.0045}}}.series(20*hour),
		traffic{tenant: "globex", rate: 5, base: 0, phase: 19 * time.Second, gap: spell{9 * hour, 9*hour + 20*minute, 0}, trouble: []spell{
			{4 * hour, 6 * hour, 0.05}, {8*hour + 50*minute, 9*hour + 30*minute, 0.3}}}.series(20*hour),
		traffic{tenant: "initech", rate: 0.2, base: 0.02, phase: 3 * time.Second, trouble: []spell{{10 * hour, 12 * hour, 0.6}}}.series(20*hour),
	)
}

// TestOurAlertsAreThoseOfTheRuleEngine runs the generated rules and the replay over the same scrapes.
func TestOurAlertsAreThoseOfTheRuleEngine(t *testing.T) {
	t.Parallel()
	s := shop(7 * 24 * hour)
	l := newLab(t, eventful()...)
	groups, err := s.Rules()
	if err != nil {
		t.Fatal(err)
	}
	text, err := slo.MarshalRules([]slo.RuleGroups{groups})
	if err != nil {
		t.Fatal(err)
	}
	// Groups of one moment: the tickets first, so that they see what the moment before recorded.
	l.load(string(text), nil, "sloth-slo-alerts-", "sloth-slo-sli-recordings-shop", "sloth-slo-sli-recordings-long-")
	until := begin.Add(20 * hour)
	want := l.run(begin, until, "sloth_tier", "tenant")
	tiers := map[string]int{}
	for _, a := range want {
		tiers[a.Tier]++
	}
	if len(tiers) != 4 {
		t.Fatalf("the history must make every tier fire; it fired %v", tiers)
	}
	for _, recorded := range []bool{false, true} {
		t.Run(fmt.Sprintf("recorded=%v", recorded), func(t *testing.T) {
			r, err := Read(t.Context(), l, s, Options{From: begin, To: until, Recorded: recorded})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, inOrder(r.Result().Rules[0].Alerts)); diff != "" {
				t.Errorf("rule engine (-) and replay (+):\n%s", diff)
			}
		})
	}
}

// TestPeersAlertsAreThoseOfTheRuleEngine runs rules of the shapes that Sloth and Pyrra generate.
func TestPeersAlertsAreThoseOfTheRuleEngine(t *testing.T) {
	t.Parallel()
	s := shop(30 * 24 * hour)
	s.GroupBy, s.BudgetBy = nil, nil
	all := traffic{tenant: "acme", rate: 3000, base: 0.0004, phase: 7 * time.Second, resets: 2 * hour, gap: spell{5 * hour, 5*hour + 10*minute, 0}, trouble: []spell{
		{hour, hour + 10*minute, 1}, {4 * hour, 5*hour + 30*minute, 0.02}}}.series(7 * hour)
	until := begin.Add(7 * hour)
	for _, c := range []struct {
		rules   peerRules
		text    string
		offsets map[string]time.Duration
		groups  []string
	}{
		{slothRules(s, 30*time.Second), slothText(), map[string]time.Duration{"alerts": 15 * time.Second}, []string{"recordings", "alerts"}},
		{pyrraRules(s), pyrraText(pyrraRules(s)), nil, []string{"pyrra"}},
	} {
		t.Run(c.rules.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, all...)
			l.load(c.text, c.offsets, c.groups...)
			want := l.run(begin, until, "tier")
			if len(want) < 3 {
				t.Fatalf("too little fires to compare: %v", want)
			}
			r, err := Read(t.Context(), l, s, Options{From: begin, To: until, Peers: true})
			if err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(r.peerAll(c.rules), func(a Alert) bool { return a.Fired.After(until) })
			if diff := cmp.Diff(want, inOrder(got)); diff != "" {
				t.Errorf("rule engine (-) and replay (+):\n%s", diff)
			}
		})
	}
}

func ratioText(w time.Duration) string {
	return fmt.Sprintf(`sum(rate(http_requests_total{job="shop",code=~"5.."}[%[1]s])) / sum(rate(http_requests_total{job="shop"}[%[1]s]))`, labelDuration(w))
}

func slothText() string {
	var b strings.Builder
	b.WriteString("groups:\n- name: recordings\n  rules:\n")
	for _, w := range []time.Duration{5 * minute, 30 * minute, hour, 2 * hour, 6 * hour, 24 * hour, 72 * hour} {
		fmt.Fprintf(&b, "  - {record: 'slo:sli_error:ratio_rate%s', expr: '%s'}\n", labelDuration(w), ratioText(w))
	}
	leg := func(short, long string, factor float64) string {
		return fmt.Sprintf("(slo:sli_error:ratio_rate%s > (%g * 0.001) and slo:sli_error:ratio_rate%s > (%g * 0.001))", short, factor, long, factor)
	}
	b.WriteString("- name: alerts\n  rules:\n")
	fmt.Fprintf(&b, "  - {alert: A, expr: '%s or %s', labels: {tier: page, sloth_severity: page}}\n", leg("5m", "1h", 14.4), leg("30m", "6h", 6))
	fmt.Fprintf(&b, "  - {alert: A, expr: '%s or %s', labels: {tier: ticket, sloth_severity: ticket}}\n", leg("2h", "1d", 3), leg("6h", "3d", 1))
	return b.String()
}

func pyrraText(p peerRules) string {
	var b strings.Builder
	b.WriteString("groups:\n- name: pyrra\n  rules:\n")
	for _, w := range p.windows() {
		fmt.Fprintf(&b, "  - {record: 'http_requests:burnrate%s', expr: '%s'}\n", labelDuration(w), ratioText(w))
	}
	for _, t := range p.tiers {
		fmt.Fprintf(&b, "  - {alert: ErrorBudgetBurn, expr: 'http_requests:burnrate%s > (%g) and http_requests:burnrate%s > (%g)', for: %s, labels: {tier: %s, sloth_severity: %s}}\n",
			labelDuration(t.short), t.limit, labelDuration(t.long), t.limit, labelDuration(t.hold), t.name, t.severity)
	}
	return b.String()
}
