package slo

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// lab runs generated rules in Prometheus' own rule engine, in virtual time: scrapes and evaluations happen in the order
// of their times, and a scrape becomes visible only when it is committed.
type lab struct {
	t       testing.TB
	db      *tsdb.DB
	engine  *promql.Engine
	groups  []*rules.Group
	scrapes []scrape
	now     time.Time
	skip    func(time.Time) bool // evaluations that do not happen
	fired   map[string]time.Time // alert, by sloth_tier and tenant, to when it first fired
}

// scrape is the samples of one scrape; a NaN that is value.StaleNaN ends a series.
type scrape struct {
	at, committed time.Time
	samples       map[string]float64 // by series as text: name{label="value"}
}

var labStart = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

func newLab(t testing.TB, slos ...SLO) *lab {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = int64(100 * 24 * time.Hour / time.Millisecond)
	opts.EnableNativeHistograms = true
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	l := &lab{t: t, db: db, now: labStart, fired: map[string]time.Time{}, skip: func(time.Time) bool { return false }}
	l.engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 50e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true})
	l.load(slos)
	return l
}

func (l *lab) load(slos []SLO) {
	var all []RuleGroups
	for _, s := range slos {
		rg, err := s.Rules()
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, rg)
	}
	text, err := MarshalRules(all)
	if err != nil {
		l.t.Fatal(err)
	}
	l.loadText(text)
}

// loadText loads a rule file.
func (l *lab) loadText(text []byte) {
	file := filepath.Join(l.t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		l.t.Fatal(err)
	}
	m := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{}, QueryFunc: rules.EngineQueryFunc(l.engine, l.db), Context: l.t.Context(), Appendable: l.db, Queryable: l.db,
		Logger: slog.New(slog.DiscardHandler), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	groups, errs := m.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		l.t.Fatal(errs)
	}
	for _, g := range groups {
		l.groups = append(l.groups, g)
	}
	slices.SortFunc(l.groups, func(a, b *rules.Group) int { return strings.Compare(a.Name(), b.Name()) })
}

// scrapeAt adds a scrape that is visible at once.
func (l *lab) scrapeAt(at time.Duration, samples map[string]float64) { l.scrapeLate(at, 0, samples) }

// scrapeLate adds a scrape that is stamped at a time and committed later.
func (l *lab) scrapeLate(at, later time.Duration, samples map[string]float64) {
	l.scrapes = append(l.scrapes, scrape{labStart.Add(at), labStart.Add(at + later), samples})
}

// run evaluates the groups at each of their slots up to the time; slots lie a little after whole intervals, as in life.
func (l *lab) run(until time.Duration) {
	l.t.Helper()
	slices.SortStableFunc(l.scrapes, func(a, b scrape) int { return a.committed.Compare(b.committed) })
	const step = 500 * time.Millisecond
	for end := labStart.Add(until); l.now.Before(end); {
		l.now = l.now.Add(step)
		for len(l.scrapes) > 0 && !l.scrapes[0].committed.After(l.now) {
			l.commit(l.scrapes[0])
			l.scrapes = l.scrapes[1:]
		}
		for _, g := range l.groups {
			if l.now.UnixMilli()%g.Interval().Milliseconds() == step.Milliseconds()%g.Interval().Milliseconds() && !l.skip(l.now) {
				l.eval(g)
			}
		}
	}
}

func (l *lab) commit(s scrape) {
	app := l.db.Appender(l.t.Context())
	for text, v := range s.samples {
		if _, err := app.Append(0, parseSeries(l.t, text), s.at.UnixMilli(), v); err != nil {
			l.t.Fatal(text, err)
		}
	}
	if err := app.Commit(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) eval(g *rules.Group) {
	l.t.Helper()
	g.Eval(l.t.Context(), l.now)
	for _, r := range g.Rules() {
		if err := r.LastError(); err != nil {
			l.t.Fatalf("%s at %s: %v\n%s", r.Name(), l.now.Sub(labStart), err, r.Query())
		}
	}
	for _, a := range l.firing() {
		if _, before := l.fired[a]; !before {
			l.fired[a] = l.now
		}
	}
}

// firing returns "tier" or "tier tenant" of each alert that fires now, sorted.
func (l *lab) firing() []string {
	out := []string{}
	for _, a := range l.alerts() {
		out = append(out, strings.TrimSpace(a.Labels.Get("sloth_tier")+" "+a.Labels.Get("tenant")))
	}
	slices.Sort(out)
	return out
}

func (l *lab) alerts() []*rules.Alert {
	var out []*rules.Alert
	for _, g := range l.groups {
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					out = append(out, a)
				}
			}
		}
	}
	return out
}

// sum returns the sum of everything a selector recorded.
func (l *lab) sum(selector string) float64 {
	l.t.Helper()
	total := 0.0
	for _, v := range l.query(fmt.Sprintf("sum(sum_over_time(%s[90d]))", selector)) {
		total += v
	}
	return total
}

// query returns the instant vector at the lab's time by label text.
func (l *lab) query(expr string) map[string]float64 {
	l.t.Helper()
	out := map[string]float64{}
	for _, s := range l.vector(expr, l.now) {
		out[s.Metric.DropMetricName().String()] = s.F
	}
	return out
}

func (l *lab) vector(expr string, at time.Time) promql.Vector {
	l.t.Helper()
	q, err := l.engine.NewInstantQuery(l.t.Context(), l.db, nil, expr, at)
	if err != nil {
		l.t.Fatal(err)
	}
	defer q.Close()
	res := q.Exec(l.t.Context())
	if res.Err != nil {
		l.t.Fatal(res.Err)
	}
	vector, err := res.Vector()
	if err != nil {
		l.t.Fatal(err)
	}
	return vector
}

// increments reads what the rules recorded, as a SampleSource does.
func (l *lab) increments(s SLO) []IncrementSeries {
	l.t.Helper()
	q, err := l.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		l.t.Fatal(err)
	}
	defer q.Close()
	read := func(metric string) map[Series]map[int64]float64 {
		out := map[Series]map[int64]float64{}
		set := q.Select(l.t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", metric), labels.MustNewMatcher(labels.MatchEqual, "sloth_id", s.ID))
		for set.Next() {
			id := s.SeriesOf(set.At().Labels().Map())
			out[id] = map[int64]float64{}
			for it := set.At().Iterator(nil); it.Next() != 0; {
				if at, v := it.At(); !value.IsStaleNaN(v) {
					out[id][at] = v
				}
			}
		}
		return out
	}
	errors := read(s.errorDelta())
	var out []IncrementSeries
	for id, totals := range read(s.totalDelta()) {
		one := IncrementSeries{Series: id}
		for at, v := range totals {
			one.Points = append(one.Points, Increment{At: time.UnixMilli(at).UTC(), Total: v, Errors: errors[id][at]})
		}
		out = append(out, one)
	}
	return out
}

func parseSeries(t testing.TB, text string) labels.Labels {
	t.Helper()
	q, err := parseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	vs, _ := q.selector()
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, m := range vs.LabelMatchers {
		b.Set(m.Name, m.Value)
	}
	return b.Labels()
}

// readOne reads a document of one SLO and fails on any problem.
func readOne(t testing.TB, text string) SLO {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "slo.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatal(problems, len(docs))
	}
	s, problems := ReadSLO(docs[0])
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

const shopText = `
apiVersion: nines/v1
kind: SLO
metadata: {name: availability, labels: {tier: "1"}}
spec:
  service: shop
  objective: 99.9
  sli:
    events: {errors: 'http_requests_total{job="shop",code=~"5.."}', total: 'http_requests_total{job="shop"}'}
  groupBy: [tenant, region]
`

func shop(t testing.TB) SLO { return readOne(t, shopText) }

// readText reads a document of one SLO and returns its problems.
func readText(t testing.TB, text string) (SLO, manifest.Problems) {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "slo.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatal(problems, len(docs))
	}
	return ReadSLO(docs[0])
}
