package service

import (
	"context"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/service/web"
	"github.com/nines-sre/nines/slo"
)

// The edges don't know one another. Here the answers of the intelligence service are put into the words of the API and
// of the pages.

// buildIntelligence joins ledger, engine, incidents and definitions into the service that answers questions.
func (p *plane) buildIntelligence(context.Context) error {
	p.intelligence = intelligence.New(intelligence.Deps{
		Ledger: p.db, Live: p.engine, Incidents: p.db, Metrics: engineMetrics{p.engine}, Decisions: p.db, Forecasts: keptForecasts{p.db},
		Corrections: correctionsInForce{p.db}, Bucket: p.config.LedgerBucket,
		Definitions: func() intelligence.Definitions { return questionDefinitions{p.definitions.Catalog()} },
		Observe:     p.metrics.intelligence.Observe, Log: p.log,
	})
	return nil
}

// questionDefinitions shows a catalog as the intelligence service asks for it.
type questionDefinitions struct{ *definitions.Catalog }

// Contract returns the tenant's contract and the version of its definition.
func (q questionDefinitions) Contract(tenant string) (slo.Contract, int, bool) {
	c, ok := q.Catalog.Contract(tenant)
	return c.Contract, c.Version, ok
}

// pageDefinitions shows the definitions in force as the pages ask for them.
type pageDefinitions struct{ *definitions.Service }

// SLO returns the SLO of that id.
func (d pageDefinitions) SLO(id string) (slo.Versioned, bool) { return d.Catalog().SLO(id) }

// Contracts returns every tenant's contract, ordered by tenant.
func (d pageDefinitions) Contracts() []slo.Contract {
	var out []slo.Contract
	for _, c := range d.Catalog().Contracts() {
		out = append(out, c.Contract)
	}
	return out
}

// engineMetrics asks the metrics engine in the intelligence service's words.
type engineMetrics struct{ *prom.Client }

// Query evaluates the expression at a time.
func (m engineMetrics) Query(ctx context.Context, expr string, at time.Time) ([]intelligence.Sample, error) {
	found, err := m.Client.Query(ctx, expr, at)
	out := make([]intelligence.Sample, 0, len(found))
	for _, s := range found {
		out = append(out, intelligence.Sample{Labels: s.Labels, Value: s.Value})
	}
	return out, err
}

// QueryRange evaluates the expression over a span.
func (m engineMetrics) QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]intelligence.Series, error) {
	found, err := m.Client.QueryRange(ctx, expr, from, to, step)
	out := make([]intelligence.Series, 0, len(found))
	for _, s := range found {
		series := intelligence.Series{Labels: s.Labels}
		for _, point := range s.Points {
			series.Points = append(series.Points, forecastPoint(point))
		}
		out = append(out, series)
	}
	return out, err
}

// insight is what the API's and the pages' words of the intelligence service share.
type insight struct{ *intelligence.Service }

func (i insight) statuses(ctx context.Context, scope access.Scope, sloID, tenant string) (intelligence.StatusAnswer, error) {
	return i.Service.Statuses(ctx, scope, intelligence.StatusFilter{SLO: sloID, Tenant: tenant})
}

// apiInsight answers in the API's words.
type apiInsight struct{ insight }

// Statuses returns how promises stand, and what the figures lack.
func (i apiInsight) Statuses(ctx context.Context, scope access.Scope, sloID, tenant string) ([]slo.Status, []string, error) {
	answer, err := i.statuses(ctx, scope, sloID, tenant)
	return answer.Plain(), answer.Missing, err
}

// BurnDown returns how the window's error budget went, and where it is going.
func (i apiInsight) BurnDown(ctx context.Context, scope access.Scope, sloID, tenant string, points int) ([]httpapi.BurnPoint, slo.Prediction, error) {
	found, err := i.Service.BurnDown(ctx, scope, sloID, tenant, points)
	out := make([]httpapi.BurnPoint, 0, len(found.Points))
	for _, b := range found.Points {
		out = append(out, httpapi.BurnPoint{At: b.At, Remaining: b.Remaining, Burn: b.Burn, Errors: b.Errors, Total: b.Total, Partial: b.Partial})
	}
	return out, found.Prediction, err
}

// Posture says which promises are at risk.
func (i apiInsight) Posture(ctx context.Context, scope access.Scope) (httpapi.Posture, error) {
	p, err := i.Service.Posture(ctx, scope)
	if err != nil {
		return httpapi.Posture{}, err
	}
	out := httpapi.Posture{At: p.At, Headline: p.Headline, Level: string(p.Level), Promises: p.Tally.Promises,
		AtRisk: []httpapi.PostureRisk{}, Missing: p.Missing}
	for _, r := range p.Promises {
		if r.State != intelligence.Fine {
			out.AtRisk = append(out.AtRisk, postureRisk(r))
		}
	}
	return out, nil
}

func postureRisk(r intelligence.PromiseRisk) httpapi.PostureRisk {
	out := httpapi.PostureRisk{SLO: r.SLO, Service: r.Service, Name: r.Name, Labels: r.Labels, Why: r.Reason,
		Remaining: r.Remaining, Burn: r.Burn, Incidents: []httpapi.PostureIncident{}}
	if !r.Exhausted.IsZero() {
		out.Exhausted = &r.Exhausted
	}
	for _, i := range r.Incidents {
		out.Incidents = append(out.Incidents, httpapi.PostureIncident{ID: i.ID, Number: i.Number, State: string(i.State), Severity: string(i.Severity), Who: i.Who})
	}
	return out
}

// Forecast says where a series is going.
func (i apiInsight) Forecast(ctx context.Context, r httpapi.ForecastRequest) (httpapi.ForecastAnswer, error) {
	f, err := i.Service.Forecast(ctx, intelligence.ForecastRequest(r))
	if err != nil {
		return httpapi.ForecastAnswer{}, err
	}
	series := httpapi.NewForecastSeries(f.Labels, f.Forecast, thinned(f.Observed, mostObserved))
	series.Held = (*httpapi.ForecastHeld)(f.Held)
	series.Reached, series.Tier = f.Reached, f.Tier
	if f.Reached != nil {
		series.Mean, series.Earliest, series.Latest = f.Reached.Mean, f.Reached.Earliest, f.Reached.Latest
	}
	return httpapi.ForecastAnswer{ID: f.ID, Query: f.Query, At: f.At, Level: f.Forecast.Level, Series: []httpapi.ForecastSeries{series}}, nil
}

// Anomalies says what a series did that its forecasts did not expect.
func (i apiInsight) Anomalies(ctx context.Context, r httpapi.ForecastRequest, window time.Duration) (forecast.Anomalies, error) {
	return i.Service.Anomalies(ctx, intelligence.AnomalyRequest{ForecastRequest: intelligence.ForecastRequest(r), Window: window})
}

// mostObserved is how many points of the history go with a forecast, for a plot.
const mostObserved = 1000

// thinned returns every so many of the points, the newest among them.
func thinned(points []forecast.Point, most int) []forecast.Point {
	every := (len(points) + most - 1) / most
	if every <= 1 {
		return points
	}
	var out []forecast.Point
	for i := (len(points) - 1) % every; i < len(points); i += every {
		out = append(out, points[i])
	}
	return out
}

// webInsight answers in the pages' words.
type webInsight struct{ insight }

// Statuses returns how promises stand.
func (i webInsight) Statuses(ctx context.Context, scope access.Scope, sloID, tenant string) ([]slo.Status, error) {
	answer, err := i.statuses(ctx, scope, sloID, tenant)
	return answer.Plain(), err
}

// History returns a promise's points in a span.
func (i webInsight) History(ctx context.Context, scope access.Scope, sloID, tenant string, span web.Span) ([]web.Point, error) {
	found, err := i.Service.History(ctx, scope, sloID, tenant, intelligence.Span(span))
	out := make([]web.Point, 0, len(found))
	for _, b := range found {
		out = append(out, web.Point{At: b.At, Step: b.Step, Remaining: b.Remaining, Burn: b.Burn, Errors: b.Errors, Total: b.Total})
	}
	return out, err
}

// Prediction says whether a promise's budget lasts, with its fan.
func (i webInsight) Prediction(ctx context.Context, scope access.Scope, sloID, tenant string) (slo.Prediction, error) {
	return i.Service.Prediction(ctx, scope, sloID, tenant)
}

// Posture is all of it in one sentence.
func (i webInsight) Posture(ctx context.Context, scope access.Scope) (web.Posture, error) {
	p, err := i.Service.Posture(ctx, scope)
	return web.Posture{Headline: p.Headline, Level: string(p.Level), Missing: p.Missing}, err
}

// Impact is what an incident cost.
func (i webInsight) Impact(ctx context.Context, scope access.Scope, of incidents.Incident) (incidents.Impact, error) {
	return i.Service.Impact(ctx, scope, of)
}
