package intelligence

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// Defaults of a ForecastRequest.
const (
	DefaultHorizon = 24 * time.Hour
	DefaultStep    = 15 * time.Minute
	DefaultHistory = 14 * 24 * time.Hour
)

// mostSteps is how many points Prometheus answers for one series of a range query.
const mostSteps = 11_000

// adaptedTo is how many judged forecasts of the same query the level of the next one is adapted to.
const adaptedTo = 100

// Forecasts keeps forecasts and how they came out.
type Forecasts interface {
	// KeepForecast stores a forecast and returns its ID.
	KeepForecast(ctx context.Context, k forecast.Kept) (string, error)
	// Judged returns the newest judged forecasts of a query on a grid, the newest first.
	Judged(ctx context.Context, query string, step time.Duration, most int) ([]forecast.Kept, error)
	// Due returns forecasts whose time has come and that have not been judged.
	Due(ctx context.Context, now time.Time, most int) ([]forecast.Kept, error)
	// Judge stores how one came out; nil where nothing of what came was to be seen.
	Judge(ctx context.Context, id string, at time.Time, score *forecast.Score) error
	// PutOff has one judged later.
	PutOff(ctx context.Context, id string, at, again time.Time) error
}

// ForecastRequest asks where a series is going. What is zero has its default.
type ForecastRequest struct {
	Query   string        // PromQL with one series as its result
	Horizon time.Duration // how far ahead
	Step    time.Duration // distance of the points
	History time.Duration // how far back to look
	Limit   *float64      // the value whose reaching is predicted; nil for none
	Tiers   []float64     // steps of capacity: the reaching of the next one is predicted
	Level   float64       // of the prediction interval, in (0, 1); 0.9 unless set
	Zone    string        // IANA, by whose clocks the workload's days go; UTC unless set
	Counter bool          // the query counts up; its growth a second is forecast
	Floor   *float64      // no prediction is below
	Cap     *float64      // or above
	Events  []forecast.Event
	By      string // who asks, for the record
}

// ForecastAnswer is where it is going.
type ForecastAnswer struct {
	ID       string            `json:"id"` // under which the forecast is kept; "" where it could not be
	Query    string            `json:"query"`
	At       time.Time         `json:"at"`     // when it was asked
	Labels   map[string]string `json:"labels"` // of the series
	Observed []forecast.Point  `json:"-"`      // the history that it rests on
	Forecast forecast.Forecast `json:"forecast"`
	Adapted  float64           `json:"adapted"` // the level that was computed so that intervals hold as often as asked for
	Held     *Held             `json:"held"`    // how the last ones of this query came out; null where none has been judged
	Limit    *float64          `json:"limit"`
	Reached  *forecast.Reach   `json:"reached"` // null where no limit was asked about
	Tier     *forecast.Reach   `json:"tier"`    // of the next tier; null where none is left
}

// Held is how the last forecasts of a query came out.
type Held struct {
	Forecasts int      `json:"forecasts"` // how many were judged
	Within    float64  `json:"within"`    // share of what came that lay within the interval
	Ratio     *float64 `json:"ratio"`     // of the error over that of repeating the last cycle; null where that was exact
}

// Forecast predicts the series of a query, with an interval, and when it reaches the limit. The forecast is kept, to be
// judged when its time has come; intervals follow how the last ones of the same query held. A query whose result is not
// exactly one series is a fault.Invalid that says how to make it one; so is a history that is too short.
func (s *Service) Forecast(ctx context.Context, r ForecastRequest) (ForecastAnswer, error) {
	return ask(ctx, s, Analysis, "forecast", func(ctx context.Context) (ForecastAnswer, error) {
		r.Horizon, r.Step = cmp.Or(r.Horizon, DefaultHorizon), cmp.Or(r.Step, DefaultStep)
		r.History, r.Level = cmp.Or(r.History, DefaultHistory), cmp.Or(r.Level, forecast.DefaultLevel)
		if r.Step <= 0 || r.History < r.Step || r.History/r.Step >= mostSteps {
			return ForecastAnswer{}, fault.New(fault.Invalid, "step: the history must be 1 to %d steps long", mostSteps-1)
		}
		zone, err := time.LoadLocation(r.Zone)
		if err != nil {
			return ForecastAnswer{}, fault.New(fault.Invalid, "zone: %q is not a time zone; write one such as Europe/Berlin", clip(r.Zone))
		}
		now := s.now()
		one, err := s.oneSeries(ctx, r.Query, now.Add(-r.History), now, r.Step)
		if err != nil {
			return ForecastAnswer{}, err
		}
		past := s.judged(ctx, r.Query, r.Step)
		adapted := forecast.Adapt(r.Level, forecast.Held(past))
		f, err := forecast.Make(one.Points, forecast.Options{Step: r.Step, Horizon: r.Horizon, Level: adapted, Now: now, Zone: zone,
			Counter: r.Counter, Floor: r.Floor, Cap: r.Cap, Events: r.Events})
		if err != nil {
			return ForecastAnswer{}, err
		}
		f.Level = r.Level
		a := ForecastAnswer{Query: r.Query, At: now, Labels: one.Labels, Observed: one.Points, Forecast: f, Adapted: adapted, Held: heldBefore(past), Limit: r.Limit}
		if r.Limit != nil {
			reached := f.Reach(*r.Limit)
			a.Reached = &reached
		}
		if tier, ok := f.NextTier(r.Tiers); ok {
			reached := f.Reach(tier)
			a.Tier = &reached
		}
		k := forecast.NewKept(f, now)
		k.By, k.Query, k.Labels = r.By, r.Query, one.Labels
		k.Inputs = forecast.Inputs{Step: manifest.Duration(r.Step), Horizon: manifest.Duration(r.Horizon), History: manifest.Duration(r.History),
			Zone: r.Zone, Counter: r.Counter, Level: r.Level, Adapted: adapted, Events: r.Events}
		a.ID = s.keep(ctx, k)
		return a, nil
	})
}

// AnomalyRequest asks what a series did that its forecasts did not expect. The forecasts are made of its Query, Step,
// History, Level, Zone, Counter and Events, each for Horizon.
type AnomalyRequest struct {
	ForecastRequest
	Window time.Duration // how far back to look for anomalies
}

// Anomalies compares the newest values of a query's series with forecasts that are made of what was known before them.
func (s *Service) Anomalies(ctx context.Context, r AnomalyRequest) (forecast.Anomalies, error) {
	return ask(ctx, s, Analysis, "anomalies", func(ctx context.Context) (forecast.Anomalies, error) {
		if r.Step <= 0 || r.Window <= 0 || (r.History+r.Window)/r.Step >= mostSteps {
			return forecast.Anomalies{}, fault.New(fault.Invalid, "step: history and window together must be 1 to %d steps long", mostSteps-1)
		}
		zone, err := time.LoadLocation(r.Zone)
		if err != nil {
			return forecast.Anomalies{}, fault.New(fault.Invalid, "zone: %q is not a time zone; write one such as Europe/Berlin", clip(r.Zone))
		}
		now := s.now()
		one, err := s.oneSeries(ctx, r.Query, now.Add(-r.Window-r.History), now, r.Step)
		if err != nil {
			return forecast.Anomalies{}, err
		}
		return forecast.FindAnomalies(one.Points, forecast.Options{Step: r.Step, Horizon: r.Horizon, Level: r.Level, Zone: zone, Counter: r.Counter,
			Events: r.Events, Now: now}, now.Add(-r.Window))
	})
}

// keep stores a forecast. That it cannot be kept is no reason to keep the answer from who asked.
func (s *Service) keep(ctx context.Context, k forecast.Kept) string {
	if s.Forecasts == nil {
		return ""
	}
	id, err := s.Forecasts.KeepForecast(ctx, k)
	if err != nil {
		s.Log.WarnContext(ctx, "a forecast is not kept and so will not be judged", "error", err)
		return ""
	}
	return id
}

// judged returns how the last forecasts of a query came out; nothing where that cannot be read.
func (s *Service) judged(ctx context.Context, query string, step time.Duration) []forecast.Kept {
	if s.Forecasts == nil {
		return nil
	}
	past, err := s.Forecasts.Judged(ctx, query, step, adaptedTo)
	if err != nil {
		s.Log.WarnContext(ctx, "how the last forecasts came out is not known", "error", err)
	}
	return past
}

func heldBefore(past []forecast.Kept) *Held {
	h := Held{}
	missed, naive := 0.0, 0.0
	for _, k := range past {
		if k.Score != nil {
			h.Forecasts++
			h.Within += k.Score.Within
			missed, naive = missed+k.Score.Error, naive+k.Score.Naive
		}
	}
	if h.Forecasts == 0 {
		return nil
	}
	h.Within /= float64(h.Forecasts)
	if naive > 0 {
		ratio := missed / naive
		h.Ratio = &ratio
	}
	return &h
}

// judgedAtOnce is how many forecasts one turn judges, and retryJudging how long one waits whose series cannot be asked for.
const (
	judgedAtOnce = 200
	retryJudging = 10 * time.Minute
)

// JudgeForecasts compares forecasts whose time has come with what came, and returns how many were judged. One whose series
// cannot be asked for is put off; it holds up no other.
func (s *Service) JudgeForecasts(ctx context.Context) (int, error) {
	now := s.now()
	due, err := s.Forecasts.Due(ctx, now, judgedAtOnce)
	if err != nil {
		return 0, err
	}
	judged := 0
	for _, k := range due {
		if err := s.judge(ctx, k, now); err != nil {
			if fault.KindOf(err) == fault.Unavailable || ctx.Err() != nil {
				return judged, err // the engine is away, for all of them
			}
			if err := s.Forecasts.PutOff(ctx, k.ID, now, now.Add(retryJudging)); err != nil {
				return judged, err
			}
			continue
		}
		judged++
	}
	return judged, nil
}

func (s *Service) judge(ctx context.Context, k forecast.Kept, now time.Time) error {
	from, to := k.Span()
	step := k.Inputs.Step.Std()
	// A long span is asked for in parts; the truth at the kept points and a cycle before is all that is needed.
	var came []forecast.Point
	for at := from; !at.After(to); at = at.Add(mostSteps / 2 * step) {
		end := at.Add((mostSteps/2 - 1) * step)
		if end.After(to) {
			end = to
		}
		found, err := s.Metrics.QueryRange(ctx, k.Query, at, end, step)
		if err != nil {
			return fmt.Errorf("ask for what came: %w", err)
		}
		for _, series := range found {
			if len(found) == 1 || sameLabels(series.Labels, k.Labels) {
				came = append(came, series.Points...)
			}
		}
	}
	if k.Inputs.Counter {
		came = forecast.Rates(came, step)
	}
	if score, seen := k.Judge(came, now); seen {
		return s.Forecasts.Judge(ctx, k.ID, now, &score)
	}
	return s.Forecasts.Judge(ctx, k.ID, now, nil)
}

func sameLabels(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if b[name] != value {
			return false
		}
	}
	return true
}
