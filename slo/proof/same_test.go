package proof

import (
	"bytes"
	"context"
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

	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// stored is one sample as it was scraped, and when the engine has it.
type stored struct {
	set       labels.Labels
	at        int64
	v         float64
	committed time.Time
}

// samples returns everything the world stored, in the order of commits: each scrape some random time after its timestamp,
// below late.
func (s simulated) samples(t *testing.T, late time.Duration) []stored {
	t.Helper()
	q, err := s.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r := rand.New(rand.NewPCG(3, 4))
	delays := map[int64]time.Duration{} // of one scrape, by its timestamp
	var out []stored
	for set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")); set.Next(); {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			at, v := it.At()
			if _, known := delays[at]; !known {
				delays[at] = time.Duration(r.Int64N(int64(late)))
			}
			out = append(out, stored{set.At().Labels(), at, v, time.UnixMilli(at).Add(delays[at])})
		}
	}
	slices.SortStableFunc(out, func(a, b stored) int { return a.committed.Compare(b.committed) })
	return out
}

// live runs the SLO's rules at every minute, in Prometheus' rule engine, over samples that come as late as they do, and
// returns the sums of the increments of errors and of all that they recorded.
func (s simulated) live(t *testing.T, of slo.SLO, late time.Duration) (errors, total float64) {
	t.Helper()
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	group := increments(t, of, db)
	rest := s.samples(t, late)
	for now := epoch.Add(500 * time.Millisecond); now.Before(s.end); now = now.Add(time.Minute) {
		app := db.Appender(context.Background())
		for ; len(rest) > 0 && !rest[0].committed.After(now); rest = rest[1:] {
			if _, err := app.Append(0, rest[0].set, rest[0].at, rest[0].v); err != nil {
				t.Fatal(rest[0].set, err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		group.Eval(context.Background(), now)
	}
	return sumOf(t, db, "slo:sli_errors:delta1m"), sumOf(t, db, "slo:sli_total:delta1m")
}

// increments loads the group of the SLO's rules that records its increments.
func increments(t *testing.T, of slo.SLO, db *tsdb.DB) *rules.Group {
	t.Helper()
	var text bytes.Buffer
	if err := slo.WriteRules(&text, []slo.SLO{of}, slo.RuleOptions{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	m := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{}, QueryFunc: rules.EngineQueryFunc(engine(), db), Context: t.Context(), Appendable: db, Queryable: db,
		Logger: slog.New(slog.DiscardHandler), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	groups, errs := m.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range groups {
		if strings.HasPrefix(g.Name(), "sloth-slo-sli-recordings-api-") {
			return g
		}
	}
	t.Fatal("no group records increments")
	return nil
}

func sumOf(t *testing.T, db storage.Queryable, metric string) float64 {
	t.Helper()
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	sum := 0.0
	for set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", metric)); set.Next(); {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			if _, v := it.At(); !value.IsStaleNaN(v) {
				sum += v
			}
		}
	}
	return sum
}

// TestRulesRecordLiveWhatIsEvaluatedAfterwards: the budgets of the worlds are computed by range queries over all that a
// world stored. Rules that run minute by minute, on scrapes that come up to nine seconds late, must record the same, which
// scrapes later than the settle time would break.
func TestRulesRecordLiveWhatIsEvaluatedAfterwards(t *testing.T) {
	t.Parallel()
	w := world{name: "crashes, failed scrapes, lazy errors", days: .25, rate: constant(3), errors: constant(.05), lazy: true, jitter: 900,
		pods: every(2000, 2, .25, true), failed: func(_ int, r dice) bool { return r.Float64() < .05 }}
	of, _ := w.promise(t)
	s := w.simulate(t, 1)
	totalQuery, errorQuery, err := of.IncrementQueries()
	if err != nil {
		t.Fatal(err)
	}
	var wantErrors, wantTotal float64
	s.each(t, errorQuery, func(_ map[string]string, _ time.Time, v float64) { wantErrors += v })
	s.each(t, totalQuery, func(_ map[string]string, _ time.Time, v float64) { wantTotal += v })
	errors, total := s.live(t, of, 9*time.Second)
	if errors != wantErrors || total != wantTotal || errors == 0 {
		t.Errorf("live rules recorded %v errors of %v, evaluated afterwards they are %v of %v", errors, total, wantErrors, wantTotal)
	}
	if _, late := s.live(t, of, 40*time.Second); late == wantTotal {
		t.Error("scrapes beyond the settle time made no difference: this comparison cannot fail")
	}
}

// TestWorldsKnowWhatTheyLose holds the simulator to its own books: what processes exposed last, and what they took with
// them, is all that happened.
func TestWorldsKnowWhatTheyLose(t *testing.T) {
	t.Parallel()
	w := world{name: "pods", days: .1, rate: constant(5), errors: constant(.1), pods: every(1000, 2, .1, false)}
	s := w.simulate(t, 1)
	q, err := s.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	seen := 0.0
	for set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "requests_total")); set.Next(); {
		last := 0.0
		for it := set.At().Iterator(nil); it.Next() != 0; {
			if _, v := it.At(); !value.IsStaleNaN(v) {
				last = v
			}
		}
		seen += last
	}
	// Those that still run have counted on since their last scrape: two pods, 5 requests a second, at most 30 seconds.
	if open := s.truth.Total - s.lost.Total - seen; open < 0 || open > 5*30*1.5 {
		t.Errorf("of %v events %v were seen and %v lost; %v are missing", s.truth.Total, seen, s.lost.Total, open)
	}
	if s.lost.Total == 0 || s.lost.Errors() >= s.lost.Total {
		t.Errorf("lost %+v", s.lost)
	}
}
