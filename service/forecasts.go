package service

import (
	"context"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/web"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	jobForecasts    = "judge-forecasts"
	forecastsEvery  = time.Minute
	forecastsKept   = 90 * 24 * time.Hour
	forgetForecasts = 5000 // a turn
	accuracyOf      = 20   // judged forecasts of each subject
	accuracySince   = 14 * 24 * time.Hour
)

// keptForecasts is storage in the intelligence service's words.
type keptForecasts struct{ *postgres.DB }

// Judged returns the newest judged forecasts of a query on a grid.
func (k keptForecasts) Judged(ctx context.Context, query string, step time.Duration, most int) ([]forecast.Kept, error) {
	return k.Forecasts(ctx, access.Operator(), postgres.ForecastFilter{Query: query, Step: step, Judged: true, Limit: most})
}

// Due returns forecasts whose time has come.
func (k keptForecasts) Due(ctx context.Context, now time.Time, most int) ([]forecast.Kept, error) {
	return k.DueForecasts(ctx, now, most)
}

// Judge stores how one came out.
func (k keptForecasts) Judge(ctx context.Context, id string, at time.Time, score *forecast.Score) error {
	return k.JudgeForecast(ctx, id, at, score)
}

// PutOff has one judged later.
func (k keptForecasts) PutOff(ctx context.Context, id string, at, again time.Time) error {
	return k.PutOffForecast(ctx, id, at, again)
}

// forecastLog is storage in the API's words.
type forecastLog struct{ *postgres.DB }

// Forecasts returns kept forecasts, the newest first.
func (f forecastLog) Forecasts(ctx context.Context, scope access.Scope, filter httpapi.ForecastFilter) ([]forecast.Kept, error) {
	return f.DB.Forecasts(ctx, scope, postgres.ForecastFilter(filter))
}

// webCapacity shows workloads in the pages' words.
type webCapacity struct{ plane *plane }

// Workloads returns the names of all workloads, in order.
func (c webCapacity) Workloads() []string { return c.plane.definitions.Catalog().Workloads() }

// Outlook returns how a workload's load goes and where it is going.
func (c webCapacity) Outlook(ctx context.Context, workload string) (web.WorkloadOutlook, error) {
	o, err := c.plane.intelligence.WorkloadOutlook(ctx, workload)
	return web.WorkloadOutlook{Workload: o.Workload, At: o.At, Load: o.Load, Replicas: o.Replicas, Forecast: o.Forecast,
		Held: (*web.ForecastHeld)(o.Held), Decision: o.Decision}, err
}

// Decisions returns what was decided about a workload's replicas.
func (c webCapacity) Decisions(ctx context.Context, scope access.Scope, workload string, limit int) ([]autoscale.Decision, error) {
	return c.plane.db.Decisions(ctx, scope, workload, limit)
}

// accuracy tells how forecasts come out.
type accuracy struct {
	judged *prometheus.CounterVec
	ratio  *prometheus.GaugeVec
	within *prometheus.GaugeVec
	level  *prometheus.GaugeVec
	bias   *prometheus.GaugeVec
	of     *prometheus.GaugeVec
}

// asked is the subject of people's questions, which have none of their own.
const asked = "questions"

func newAccuracy(registry prometheus.Registerer) *accuracy {
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"subject"})
		registry.MustRegister(g)
		return g
	}
	a := &accuracy{
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nines_forecasts_judged_total",
			Help: "Forecasts compared with what came."}, []string{"outcome"}),
		ratio: gauge("nines_forecast_error_ratio",
			"Mean absolute error of the last 20 judged forecasts over that of repeating the last cycle; below 1 they were worth making."),
		within: gauge("nines_forecast_within_ratio", "Share of what came that lay within the interval, of the last 20 judged forecasts."),
		level:  gauge("nines_forecast_level_ratio", "The share that should lie within the interval, of the same forecasts."),
		bias: gauge("nines_forecast_bias_ratio",
			"Mean error over mean absolute error of the same forecasts: 1 is always too high, -1 always too low."),
		of: gauge("nines_forecast_accuracy_forecasts", "How many judged forecasts the accuracy is over."),
	}
	registry.MustRegister(a.judged)
	for _, outcome := range []string{"judged", "failed"} {
		a.judged.WithLabelValues(outcome)
	}
	return a
}

// tell sets the figures of all subjects; a subject without judged forecasts has none.
func (a *accuracy) tell(all []postgres.ForecastAccuracy) {
	for _, g := range []*prometheus.GaugeVec{a.ratio, a.within, a.level, a.bias, a.of} {
		g.Reset()
	}
	for _, f := range all {
		subject := f.Subject
		if subject == "" {
			subject = asked
		}
		if f.Ratio != nil {
			a.ratio.WithLabelValues(subject).Set(*f.Ratio)
		}
		a.within.WithLabelValues(subject).Set(f.Within)
		a.level.WithLabelValues(subject).Set(f.Level)
		a.bias.WithLabelValues(subject).Set(f.Bias)
		a.of.WithLabelValues(subject).Set(float64(f.Forecasts))
	}
}

// judgeForecasts compares forecasts with what came and forgets old ones.
func (p *plane) judgeForecasts(a *accuracy) func(context.Context) error {
	return func(ctx context.Context) error {
		judged, err := p.intelligence.JudgeForecasts(ctx)
		a.judged.WithLabelValues("judged").Add(float64(judged))
		if err != nil {
			a.judged.WithLabelValues("failed").Inc()
			return err
		}
		now := time.Now().UTC()
		figures, err := p.db.ForecastAccuracy(ctx, now.Add(-accuracySince), accuracyOf)
		if err != nil {
			return err
		}
		a.tell(figures)
		_, err = p.db.ForgetForecasts(ctx, now.Add(-forecastsKept), forgetForecasts)
		return err
	}
}
