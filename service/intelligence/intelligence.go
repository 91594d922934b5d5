// Package intelligence answers questions over everything Nines knows: how promises stand, what is at risk and who is on
// it, what an incident cost, what a customer was given, where load is going and what usage costs. It keeps nothing and
// changes nothing (a scaling recommendation is recorded), and it has no rules of its own about promises, incidents or
// forecasts: those are the domain's. Every answer keeps to the asker's scope.
package intelligence

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// What is promised for each kind of question, and the deadline that every one of them has.
const (
	QueryTime    = 5 * time.Second
	AnalysisTime = 30 * time.Second
)

// Kinds and outcomes as Deps.Observe is told them.
const (
	Query    = "query"
	Analysis = "analysis"

	OutcomeOK      = "ok"
	OutcomeRefused = "refused" // because of what was asked, or the asker left
	OutcomeTimeout = "timeout"
	OutcomeError   = "error"
)

// Ledger reads closed buckets.
type Ledger interface {
	// ClosedUntil returns the time up to which the SLO's buckets are final; the zero time where there are none yet.
	ClosedUntil(ctx context.Context, slo string) (time.Time, error)
	// Buckets returns the buckets in scope that start within [from, to), in order of SLO and start; "" is all SLOs, all
	// tenants.
	Buckets(ctx context.Context, scope access.Scope, slo, tenant string, from, to time.Time) ([]slo.Bucket, error)
}

// Incidents reads incidents. What is not in scope is a fault.NotFound.
type Incidents interface {
	Incidents(ctx context.Context, scope access.Scope, f incidents.Filter) ([]incidents.Incident, error)
	Incident(ctx context.Context, scope access.Scope, idOrNumber string) (incidents.Incident, error)
	Timeline(ctx context.Context, scope access.Scope, id string) ([]incidents.Event, error)
	Attempts(ctx context.Context, scope access.Scope, id string) ([]incidents.Attempt, error)
}

// Definitions is one consistent set of what was applied.
type Definitions interface {
	SLOs() []slo.Versioned // ordered by id
	SLO(id string) (slo.Versioned, bool)
	Contract(tenant string) (c slo.Contract, version int, ok bool)
	Workload(name string) (autoscale.Workload, bool)
	PriceSheets() []cost.PriceSheet
	CostBudgets() []cost.Budget // ordered by name
}

// Metrics asks the metrics engine. Mistakes in the expression are fault.Invalid, an engine that is away fault.Unavailable.
type Metrics interface {
	Query(ctx context.Context, expr string, at time.Time) ([]Sample, error)
	// QueryRange evaluates at from, from+step and so on up to and including to.
	QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error)
}

// Sample is one element of an instant query's result.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Series is one series of a range query's result.
type Series struct {
	Labels map[string]string
	Points []forecast.Point
}

// Decisions keeps scaling recommendations.
type Decisions interface {
	RecordDecision(ctx context.Context, d autoscale.Decision) error
}

// Deps is all that the Service asks of the rest.
type Deps struct {
	Ledger      Ledger
	Live        slo.SampleSource // increments younger than the ledger
	Incidents   Incidents
	Definitions func() Definitions // those in force; asked once for each question
	Metrics     Metrics
	Decisions   Decisions
	Forecasts   Forecasts     // nil: they are not kept, and so not judged
	Corrections Corrections   // nil: there are none
	Bucket      time.Duration // width of the ledger's buckets; five minutes unless set
	// Observe, where set, hears of every question: its kind, its outcome and how long it took.
	Observe func(ctx context.Context, kind, outcome string, took time.Duration)
	Log     *slog.Logger     // discards unless set
	Now     func() time.Time // time.Now unless set
}

// Service answers questions. All methods may be called at the same time. Errors are *fault.Error; a question that took
// longer than its kind may is a fault.Timeout.
type Service struct {
	Deps
	statuses    *cache[statusKey, StatusAnswer]
	corrected   *cache[struct{}, []slo.Correction]
	predictions predictions
	keptMu      sync.Mutex
	kept        map[string]time.Time // when a workload's forecast was last kept
}

// New returns a Service.
func New(d Deps) *Service {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Observe == nil {
		d.Observe = func(context.Context, string, string, time.Duration) {}
	}
	return &Service{Deps: d, statuses: newCache[statusKey, StatusAnswer](statusesKept, d.Now),
		corrected: newCache[struct{}, []slo.Correction](correctionsKept, d.Now), kept: map[string]time.Time{}}
}

func (s *Service) now() time.Time { return s.Now().UTC() }

func (s *Service) bucket() time.Duration { return cmp.Or(s.Bucket, 5*time.Minute) }

var tracer = otel.Tracer("github.com/nines-sre/nines/service/intelligence")

// ask runs one question: with a span, its kind's deadline and a measurement.
func ask[T any](ctx context.Context, s *Service, kind, name string, answer func(context.Context) (T, error)) (T, error) {
	ctx, span := tracer.Start(ctx, "intelligence."+name, trace.WithAttributes(attribute.String("nines.question.kind", kind)))
	defer span.End()
	limit := QueryTime
	if kind == Analysis {
		limit = AnalysisTime
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	got, err := answer(limited)
	if err != nil {
		err = late(limited, err, limit)
		span.RecordError(err)
		span.SetStatus(codes.Error, fault.KindOf(err).String())
		var none T
		got = none
	}
	s.Observe(ctx, kind, outcomeOf(ctx, err), time.Since(began))
	return got, err
}

// late says of an error that comes from the deadline that it does.
func late(ctx context.Context, err error, limit time.Duration) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || fault.KindOf(err) == fault.Timeout {
		return err
	}
	return fault.Wrap(fault.Timeout, err, "no answer within %s; ask for less, such as a shorter span", limit)
}

func outcomeOf(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return OutcomeOK
	case errors.Is(ctx.Err(), context.Canceled):
		return OutcomeRefused
	}
	switch fault.KindOf(err) {
	case fault.Timeout:
		return OutcomeTimeout
	case fault.Internal, fault.Unavailable:
		return OutcomeError
	}
	return OutcomeRefused
}

// intervalOf is the SLO's base interval; definitions made in code may leave it out.
func intervalOf(s slo.SLO) time.Duration { return cmp.Or(s.Interval, slo.DefaultInterval) }

// arriving is how far behind now an increment may still be on its way.
func arriving(s slo.SLO) time.Duration {
	interval := intervalOf(s)
	return cmp.Or(s.Settle, slo.SettleFor(interval)) + 2*interval
}
