package packs

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// lab runs a pack's rules in Prometheus' own rule engine, in virtual time, over series as an exporter shows them.
type lab struct {
	t      *testing.T
	db     *tsdb.DB
	engine *promql.Engine
	groups []*rules.Group
	now    time.Time
	grown  map[string]float64 // of counters
}

func newLab(t *testing.T, slos []slo.SLO) *lab {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.EnableNativeHistograms = true
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	l := &lab{t: t, db: db, now: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), grown: map[string]float64{}}
	l.engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 50e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true})
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, ruleText(t, slos), 0o600); err != nil {
		t.Fatal(err)
	}
	m := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{}, QueryFunc: rules.EngineQueryFunc(l.engine, db), Context: t.Context(), Appendable: db, Queryable: db,
		Logger: slog.New(slog.DiscardHandler), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	groups, errs := m.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, name := range slices.Sorted(keys(groups)) {
		l.groups = append(l.groups, groups[name])
	}
	return l
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// ruleText is the rules as nines slo generate writes them.
func ruleText(t testing.TB, slos []slo.SLO) []byte {
	t.Helper()
	var all []slo.RuleGroups
	for _, s := range slos {
		groups, err := s.Rules()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, groups)
	}
	text, err := slo.MarshalRules(all)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// readSLOs reads a pack's documents as nines validate does.
func readSLOs(t testing.TB, f manifest.File) []slo.SLO {
	t.Helper()
	docs, problems := manifest.Read(f)
	var out []slo.SLO
	for _, d := range docs {
		s, more := slo.ReadSLO(d)
		problems = append(problems, more...)
		out = append(out, s)
	}
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, f.Text)
	}
	return out
}

// run scrapes at each step and evaluates each group at its slots, in order.
func (l *lab) run(span, step time.Duration, series []series, broken bool) {
	l.t.Helper()
	for end := l.now.Add(span); l.now.Before(end); {
		l.now = l.now.Add(step)
		l.scrape(series, broken)
		at := l.now.Add(11 * time.Second) // past the scrape and the time that increments look behind now
		for _, g := range l.groups {
			if l.now.UnixMilli()%g.Interval().Milliseconds() == 0 {
				l.eval(g, at)
			}
		}
	}
}

func (l *lab) eval(g *rules.Group, at time.Time) {
	l.t.Helper()
	g.Eval(l.t.Context(), at)
	for _, r := range g.Rules() {
		if err := r.LastError(); err != nil {
			l.t.Fatalf("%s: %v\n%s", r.Name(), err, r.Query())
		}
	}
}

func (l *lab) scrape(all []series, broken bool) {
	l.t.Helper()
	app := l.db.Appender(l.t.Context())
	for _, s := range all {
		name, err := parser.ParseMetric(s.text)
		if err != nil {
			l.t.Fatal(s.text, err)
		}
		if s.kind == nativeSeries {
			_, err = app.AppendHistogram(0, name, l.now.UnixMilli(), nil, l.native(s, broken))
		} else {
			_, err = app.Append(0, name, l.now.UnixMilli(), l.value(s, broken))
		}
		if err != nil {
			l.t.Fatal(s.text, err)
		}
	}
	if err := app.Commit(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) value(s series, broken bool) float64 {
	v := s.healthy
	if broken {
		v = s.broken
	}
	switch s.kind {
	case counterSeries:
		l.grown[s.text] += v
		return l.grown[s.text]
	case ageSeries:
		return float64(l.now.Unix()) - v
	}
	return v
}

// native is a histogram with one bucket up to a quarter of a second and one far above; healthy and broken are how many
// events of ten fall into the first at each scrape.
func (l *lab) native(s series, broken bool) *histogram.FloatHistogram {
	fast := s.healthy
	if broken {
		fast = s.broken
	}
	l.grown[s.text+"fast"] += fast
	l.grown[s.text+"all"] += 10
	all := l.grown[s.text+"all"]
	return &histogram.FloatHistogram{
		Schema: 0, Count: all, Sum: all,
		PositiveSpans:   []histogram.Span{{Offset: -2, Length: 1}, {Offset: 3, Length: 1}}, // (1/8, 1/4] and (2, 4]
		PositiveBuckets: []float64{l.grown[s.text+"fast"], all - l.grown[s.text+"fast"]},
	}
}

// firing returns the ids of the SLOs that have an alert now.
func (l *lab) firing() map[string]bool {
	out := map[string]bool{}
	for _, g := range l.groups {
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					out[a.Labels.Get("sloth_id")] = true
				}
			}
		}
	}
	return out
}

// query returns the sum of what the expression yields, and false where it yields nothing.
func (l *lab) query(expr string) (float64, bool) {
	l.t.Helper()
	q, err := l.engine.NewInstantQuery(l.t.Context(), l.db, nil, expr, l.now.Add(11*time.Second))
	if err != nil {
		l.t.Fatal(err)
	}
	defer q.Close()
	vector, err := q.Exec(l.t.Context()).Vector()
	if err != nil {
		l.t.Fatal(err)
	}
	sum := 0.0
	for _, s := range vector {
		sum += s.F
	}
	return sum, len(vector) > 0
}
