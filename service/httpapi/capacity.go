package httpapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/internal/access"
)

type decisions struct {
	Decisions []autoscale.Decision `json:"decisions" doc:"The newest first."`
}

func (a *API) mountCapacity() {
	const tag = "Capacity"
	a.mountForecasts()
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
