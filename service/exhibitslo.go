package service

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/service/signals"
	"github.com/nines-sre/nines/slo"
)

// exhibitPoints is how many steps a kept series has at most.
const exhibitPoints = 60

// promises keeps how the promises concerned went: the incident's own first, then others of its service.
func (g gatherer) promises(ctx context.Context, blank incidents.Exhibit, i incidents.Incident) ([]incidents.Exhibit, error) {
	ids, more := g.concerned(i)
	if len(ids) == 0 {
		blank.Missing = "The incident is about no promise, and its service has none."
		return []incidents.Exhibit{blank}, nil
	}
	var kept []incidents.Exhibit
	for _, id := range ids {
		e := blank
		e.Subject = id
		if err := g.promise(ctx, &e, i.Tenant); err != nil {
			return nil, err
		}
		kept = append(kept, e)
	}
	if more > 0 {
		last := &kept[len(kept)-1]
		last.Missing = strings.TrimSpace(fmt.Sprintf("%s %d more promises of the service are not kept.", last.Missing, more))
	}
	return kept, nil
}

func (g gatherer) concerned(i incidents.Incident) (ids []string, more int) {
	catalog := g.catalog()
	if _, ok := catalog.SLO(i.SLO); ok {
		ids = append(ids, i.SLO)
	}
	for _, v := range catalog.SLOs() {
		if i.Service == "" || v.SLO.Service != i.Service || v.SLO.ID == i.SLO {
			continue
		}
		if ids = append(ids, v.SLO.ID); len(ids) > incidents.MaxExhibitSLOs {
			ids, more = ids[:incidents.MaxExhibitSLOs], more+1
		}
	}
	return ids, more
}

// promise keeps the series of one promise. While the metrics engine is away a series without any point is no answer.
func (g gatherer) promise(ctx context.Context, e *incidents.Exhibit, tenant string) error {
	e.Asked = e.Subject
	found, err := g.history(ctx, access.Operator(), e.Subject, tenant, intelligence.Span{From: e.From, To: e.To, Points: exhibitPoints})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		if err := g.ready(ctx); err != nil {
			return fault.Wrap(fault.Unavailable, err, "The metrics engine does not answer, and the ledger has nothing of this time")
		}
		e.Missing = "Nothing was counted for it in this time."
		return nil
	}
	e.Outcome, e.Seen = incidents.ExhibitKept, len(found)
	for _, p := range found {
		e.Content.Points = append(e.Content.Points, incidents.SLOPoint{
			At: p.At.UTC(), Remaining: number(p.Remaining), Burn: number(p.Burn), Errors: p.Errors, Total: p.Total})
	}
	last := found[len(found)-1]
	e.Content.Budget = number(last.Remaining)
	e.Missing = unseen(found, e.From, e.To)
	return nil
}

// unseen says what of a span a series does not show.
func unseen(found []intelligence.BurnPoint, from, to time.Time) string {
	step := found[0].Step
	for _, p := range found {
		step = min(step, p.Step)
	}
	if step <= 0 {
		return ""
	}
	last := found[len(found)-1].At
	var text []string
	if to.Sub(last) > step {
		text = append(text, fmt.Sprintf("It ends at %s UTC: what came after was not counted yet.", last.UTC().Format(time.TimeOnly)))
	}
	if expected := int(last.Sub(from) / step); len(found) < expected {
		text = append(text, fmt.Sprintf("%d of %d steps of %s were not seen.", expected-len(found), expected, step))
	}
	return strings.Join(text, " ")
}

func number(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// exemplarQueries are expressions that select the series a promise is counted from, those of errors first.
func exemplarQueries(s slo.SLI) []string {
	var queries []string
	if s.Histogram != "" {
		name := s.Histogram + "_bucket"
		if s.Native {
			name = s.Histogram
		}
		queries = append(queries, name+s.Selector)
	}
	for _, query := range []string{s.ErrorQuery, s.TotalQuery, s.GoodQuery} {
		if query != "" {
			queries = append(queries, strings.ReplaceAll(query, "{{.window}}", "5m"))
		}
	}
	return queries
}

// traceLabels are the names under which libraries put a trace's ID into exemplars.
var traceLabels = []string{"trace_id", "traceID", "traceId", "TraceID", "traceid"}

// keepExemplars keeps each trace once: with slowest those of the highest values, else the latest. Those of another tenant's
// series are left out.
func (g gatherer) keepExemplars(e *incidents.Exhibit, found []prom.Exemplar, tenant string, slowest bool) {
	found = slices.DeleteFunc(slices.Clone(found), func(x prom.Exemplar) bool {
		of, has := x.Series["tenant"]
		return traceOf(x) == "" || tenant != "" && has && of != tenant
	})
	slices.SortStableFunc(found, func(a, b prom.Exemplar) int {
		if c := cmp.Compare(b.Value, a.Value); slowest && c != 0 {
			return c
		}
		return b.At.Compare(a.At)
	})
	seen := map[string]bool{}
	for _, x := range found {
		id := traceOf(x)
		if seen[id] {
			continue
		}
		if len(seen) == incidents.MaxTraces {
			e.More = true
			return
		}
		seen[id] = true
		e.Content.Traces = append(e.Content.Traces, incidents.ExhibitTrace{ID: id, At: x.At, Value: number(x.Value),
			Service: cmp.Or(x.Series["service"], x.Series["job"]), URL: g.config.traceLink(id)})
	}
}

func traceOf(x prom.Exemplar) string {
	for _, name := range traceLabels {
		if id := x.Labels[name]; signals.IsTraceID(id) {
			return id
		}
	}
	return ""
}
