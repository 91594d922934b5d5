package httpapi

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/promguard"
)

type forecastInput struct {
	Query   string   `query:"query" required:"true" maxLength:"8192" doc:"PromQL." example:"sum(rate(shop_requests_total[5m]))"`
	Horizon string   `query:"horizon" default:"1d" maxLength:"32" doc:"How far ahead." example:"7d"`
	Step    string   `query:"step" default:"15m" maxLength:"32" example:"15m"`
	History string   `query:"history" default:"14d" maxLength:"32" doc:"How far back to look." example:"28d"`
	Limit   string   `query:"limit" maxLength:"32" doc:"The value whose reaching is predicted." example:"1200"`
	Tiers   []string `query:"tier,explode" maxItems:"20" doc:"Steps of capacity; the reaching of the next one is predicted."`
	Level   float64  `query:"level" default:"0.9" exclusiveMinimum:"0" exclusiveMaximum:"1" doc:"Of the prediction interval."`
	Zone    string   `query:"zone" maxLength:"64" doc:"By whose clocks the workload's days go." example:"Europe/Berlin"`
	Counter bool     `query:"counter" doc:"The query counts up; its growth a second is forecast."`
	Floor   string   `query:"floor" maxLength:"32" doc:"No prediction is below; 0 where no value is negative." example:"0"`
	Cap     string   `query:"cap" maxLength:"32" doc:"No prediction is above." example:"100"`
	Events  []string `query:"event,explode" maxItems:"200" doc:"What is known to be special, as NAME=FROM/TO or NAME=FROM/TO/FACTOR." example:"sale=2026-11-27T00:00:00Z/2026-11-28T00:00:00Z"`
}

type keptForecasts struct {
	Forecasts []forecast.Kept `json:"forecasts" doc:"The newest first."`
}

// Bounds of a forecast: they keep one question within what the engine answers in time.
const (
	longestHistory    = 90 * 24 * time.Hour
	longestHorizon    = 400 * 24 * time.Hour
	mostForecastSteps = 11_000
)

func (a *API) mountForecasts() {
	const tag = "Capacity"
	register(a, operation{id: "forecast", method: get, path: "/capacity/forecast", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "Where a PromQL query's series is going, and when a limit is reached",
		about:   "The forecast is kept, and compared with what came when its time has come; intervals follow how the last ones held."}, a.forecast)
	register(a, operation{id: "anomalies", method: get, path: "/capacity/anomalies", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "What a PromQL query's series did that forecasts made before did not expect"}, a.anomalies)
	register(a, operation{id: "list-forecasts", method: get, path: "/capacity/forecasts", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List kept forecasts with what they were made from and how they came out, the newest first"}, a.forecasts)
	for _, property := range []string{"held", "reached", "tier"} {
		a.mayBeNull("ForecastSeries", property)
	}
	a.mayBeNull("ForecastKept", "score")
}

func (a *API) forecast(ctx context.Context, in *forecastInput) (*body[ForecastAnswer], error) {
	if err := promguard.Check(in.Query); err != nil {
		return nil, err
	}
	r, err := in.request()
	if err != nil {
		return nil, err
	}
	r.By = access.PrincipalOf(ctx).ID
	return show(a.deps.Intelligence.Forecast(ctx, r))
}

func (a *API) anomalies(ctx context.Context, in *struct {
	Query   string   `query:"query" required:"true" maxLength:"8192" doc:"PromQL." example:"sum(rate(shop_requests_total[5m]))"`
	Window  string   `query:"window" default:"1d" maxLength:"32" doc:"How far back to look for anomalies." example:"1d"`
	Horizon string   `query:"horizon" default:"1h" maxLength:"32" doc:"A forecast is made for each such span." example:"1h"`
	Step    string   `query:"step" default:"5m" maxLength:"32" example:"5m"`
	History string   `query:"history" default:"14d" maxLength:"32" doc:"How much of the past before the window is known." example:"14d"`
	Level   float64  `query:"level" default:"0.99" exclusiveMinimum:"0" exclusiveMaximum:"1" doc:"Of the intervals that values should lie in."`
	Zone    string   `query:"zone" maxLength:"64" doc:"By whose clocks the workload's days go." example:"Europe/Berlin"`
	Counter bool     `query:"counter" doc:"The query counts up; its growth a second is looked at."`
	Events  []string `query:"event,explode" maxItems:"200" doc:"What is known to be special, as NAME=FROM/TO."`
}) (*body[forecast.Anomalies], error) {
	if err := promguard.Check(in.Query); err != nil {
		return nil, err
	}
	r, err := forecastInput{Query: in.Query, Horizon: in.Horizon, Step: in.Step, History: in.History, Level: in.Level, Zone: in.Zone, Counter: in.Counter, Events: in.Events}.request()
	if err != nil {
		return nil, err
	}
	window, err := model.ParseDuration(in.Window)
	if err != nil || window <= 0 || time.Duration(window) > longestHistory {
		e := fault.New(fault.Invalid, "the search's parameters have problems")
		e.Details = []fault.Detail{{Where: "query.window", Message: "must be a duration such as 1d, at most 90d"}}
		return nil, e
	}
	return show(a.deps.Intelligence.Anomalies(ctx, r, time.Duration(window)))
}

func (a *API) forecasts(ctx context.Context, in *struct {
	ID      string `query:"id" format:"uuid" maxLength:"36"`
	Subject string `query:"subject" maxLength:"63" doc:"A workload." example:"shop"`
	Query   string `query:"query" maxLength:"8192" doc:"PromQL, exactly as it was asked."`
	Judged  bool   `query:"judged" doc:"Only those whose time has come."`
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}) (*body[keptForecasts], error) {
	found, err := a.deps.Forecasts.Forecasts(ctx, access.PrincipalOf(ctx).Scope(),
		ForecastFilter{ID: in.ID, Subject: in.Subject, Query: in.Query, Judged: in.Judged, Limit: in.Limit})
	return show(keptForecasts{list(found)}, err)
}

// request reads spans and numbers and checks them together, naming every problem at once.
func (in forecastInput) request() (ForecastRequest, error) {
	r := ForecastRequest{Query: in.Query, Level: in.Level, Zone: in.Zone, Counter: in.Counter}
	e := fault.New(fault.Invalid, "the forecast's parameters have problems")
	bad := func(where, message string) {
		e.Details = append(e.Details, fault.Detail{Where: "query." + where, Message: message})
	}
	span := func(where, text string, most time.Duration) time.Duration {
		d, err := model.ParseDuration(text)
		if err != nil || d <= 0 || time.Duration(d) > most {
			bad(where, "must be a duration such as 15m or 7d, at most "+model.Duration(most).String())
		}
		return time.Duration(d)
	}
	number := func(where, text string) *float64 {
		if text == "" {
			return nil
		}
		x, err := finite(text)
		if err != nil {
			bad(where, "is not a number")
		}
		return &x
	}
	r.Horizon = span("horizon", in.Horizon, longestHorizon)
	r.History = span("history", in.History, longestHistory)
	r.Step = span("step", in.Step, longestHistory)
	if r.Step > 0 && max(r.History, r.Horizon)/r.Step > mostForecastSteps {
		bad("step", "is too small for these spans; at most 11000 steps")
	}
	r.Limit, r.Floor, r.Cap = number("limit", in.Limit), number("floor", in.Floor), number("cap", in.Cap)
	for _, text := range in.Tiers {
		if tier := number("tier", strings.TrimSpace(text)); tier != nil {
			r.Tiers = append(r.Tiers, *tier)
		}
	}
	if _, err := time.LoadLocation(in.Zone); err != nil {
		bad("zone", "is not a time zone; write one such as Europe/Berlin")
	}
	for _, text := range in.Events {
		event, err := forecast.ParseEvent(text)
		if err != nil {
			bad("event", fault.Public(err).Message)
			continue
		}
		r.Events = append(r.Events, event)
	}
	if len(e.Details) > 0 {
		return ForecastRequest{}, e
	}
	return r, nil
}
