package httpapi

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/common/model"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/promguard"
)

type forecastInput struct {
	Query   string  `query:"query" required:"true" maxLength:"8192" doc:"PromQL." example:"sum(rate(shop_requests_total[5m]))"`
	Horizon string  `query:"horizon" default:"1d" maxLength:"32" doc:"How far ahead." example:"7d"`
	Step    string  `query:"step" default:"15m" maxLength:"32" example:"15m"`
	History string  `query:"history" default:"14d" maxLength:"32" doc:"How far back to look." example:"28d"`
	Limit   string  `query:"limit" maxLength:"32" doc:"The value whose reaching is predicted." example:"1200"`
	Level   float64 `query:"level" default:"0.9" exclusiveMinimum:"0" exclusiveMaximum:"1" doc:"Of the prediction interval."`
}

type decisions struct {
	Decisions []autoscale.Decision `json:"decisions" doc:"The newest first."`
}

// Bounds of a forecast: they keep one question within what the engine answers in time.
const (
	longestHistory    = 90 * 24 * time.Hour
	longestHorizon    = 400 * 24 * time.Hour
	mostForecastSteps = 11_000
)

func (a *API) mountCapacity() {
	const tag = "Capacity"
	register(a, operation{id: "forecast", method: get, path: "/capacity/forecast", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "Where a PromQL query's series are going, and when a limit is reached"}, a.forecast)
	register(a, operation{id: "recommend", method: post, path: "/capacity/recommendations/{workload}", tag: tag, role: access.Editor,
		audience: operatorOnly, slow: true, summary: "Recommend a workload's replicas, and record why", about: "A dry run: nothing is scaled."}, a.recommend)
	register(a, operation{id: "list-recommendations", method: get, path: "/capacity/recommendations", tag: tag, role: access.Viewer,
		audience: operatorOnly, summary: "List recorded recommendations, the newest first"}, a.recommendations)
	a.mayBeNull("AutoscaleInputs", "forecast")
}

// mayBeNull documents that a property is an object or null, which the schema generator cannot tell from a pointer.
func (a *API) mayBeNull(schema, property string) {
	properties := a.huma.OpenAPI().Components.Schemas.Map()[schema].Properties
	properties[property] = &huma.Schema{AnyOf: []*huma.Schema{properties[property], {Type: "null"}}}
}

func (a *API) forecast(ctx context.Context, in *forecastInput) (*body[ForecastAnswer], error) {
	if err := promguard.Check(in.Query); err != nil {
		return nil, err
	}
	r, err := in.request()
	if err != nil {
		return nil, err
	}
	return show(a.deps.Intelligence.Forecast(ctx, r))
}

func (a *API) recommend(ctx context.Context, in *struct {
	Workload string `path:"workload" maxLength:"63" example:"shop"`
}) (*body[autoscale.Decision], error) {
	return show(a.deps.Intelligence.Recommend(ctx, in.Workload))
}

func (a *API) recommendations(ctx context.Context, in *struct {
	Workload string `query:"workload" maxLength:"63" example:"shop"`
	Limit    int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}) (*body[decisions], error) {
	found, err := a.deps.Decisions.Decisions(ctx, access.PrincipalOf(ctx).Scope(), in.Workload, in.Limit)
	return show(decisions{list(found)}, err)
}

// request reads the spans and the limit and checks them together, naming every problem at once.
func (in forecastInput) request() (ForecastRequest, error) {
	r := ForecastRequest{Query: in.Query, Level: in.Level}
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
	r.Horizon = span("horizon", in.Horizon, longestHorizon)
	r.History = span("history", in.History, longestHistory)
	r.Step = span("step", in.Step, longestHistory)
	if r.Step > 0 && max(r.History, r.Horizon)/r.Step > mostForecastSteps {
		bad("step", "is too small for these spans; at most 11000 steps")
	}
	if in.Limit != "" {
		limit, err := finite(in.Limit)
		if err != nil {
			bad("limit", "is not a number")
		}
		r.Limit = &limit
	}
	if len(e.Details) > 0 {
		return ForecastRequest{}, e
	}
	return r, nil
}
