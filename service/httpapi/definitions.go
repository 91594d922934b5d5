package httpapi

import (
	"context"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// filesInput is one request's definition files; each is bounded by manifest.MaxBytes besides.
type filesInput struct {
	Body struct {
		Files []manifest.File `json:"files" maxItems:"2000" doc:"YAML files: nines/v1 documents or Sloth's prometheus/v1."`
		Prune bool            `json:"prune,omitempty" doc:"Delete definitions that are not in the files."`
	}
}

type validation struct {
	Valid    bool               `json:"valid"`
	Problems []manifest.Problem `json:"problems" doc:"Every problem at once, in order of file and line."`
}

type outcomes struct {
	Outcomes []manifest.Outcome `json:"outcomes"`
}

type definitionFiles struct {
	Files []manifest.File `json:"files"`
}

type versions struct {
	Versions []manifest.Record `json:"versions" doc:"The newest first."`
}

func (a *API) mountDefinitions() {
	register(a, operation{id: "export-definitions", method: get, path: "/definitions", tag: "Definitions", role: access.Viewer,
		audience: operatorOnly, summary: "Export every definition in force as files"}, a.exportDefinitions)
	register(a, operation{id: "validate-definitions", method: post, path: "/definitions/validate", tag: "Definitions", role: access.Viewer,
		audience: operatorOnly, summary: "Find every problem of definition files", about: "Nothing is changed. Problems are an answer here, not an error."}, a.validate)
	register(a, operation{id: "diff-definitions", method: post, path: "/definitions/diff", tag: "Definitions", role: access.Editor,
		audience: operatorOnly, slow: true, summary: "Say what applying the files would do"}, a.diff)
	register(a, operation{id: "apply-definitions", method: post, path: "/definitions/apply", tag: "Definitions", role: access.Editor,
		audience: operatorOnly, slow: true, summary: "Make the files the definitions in force",
		about: "All or nothing: with any problem nothing is applied, and every problem is named with file and line."}, a.apply)
	register(a, operation{id: "list-definition-versions", method: get, path: "/definitions/{kind}/{name}/versions", tag: "Definitions",
		role: access.Viewer, audience: operatorOnly, summary: "Read a definition's history"}, a.definitionVersions)
}

func (a *API) exportDefinitions(ctx context.Context, _ *none) (*body[definitionFiles], error) {
	files, err := a.deps.Definitions.Export(ctx)
	return show(definitionFiles{list(files)}, err)
}

func (a *API) validate(ctx context.Context, in *filesInput) (*body[validation], error) {
	problems, err := a.deps.Definitions.Validate(ctx, in.Body.Files)
	return show(validation{Valid: len(problems) == 0, Problems: list(problems.Sorted())}, err)
}

func (a *API) diff(ctx context.Context, in *filesInput) (*body[outcomes], error) {
	done, err := a.deps.Definitions.Diff(ctx, access.PrincipalOf(ctx), in.Body.Files, in.Body.Prune)
	return show(outcomes{list(done)}, err)
}

func (a *API) apply(ctx context.Context, in *filesInput) (*body[outcomes], error) {
	done, err := a.deps.Definitions.Apply(ctx, access.PrincipalOf(ctx), in.Body.Files, in.Body.Prune)
	return show(outcomes{list(done)}, err)
}

func (a *API) definitionVersions(ctx context.Context, in *struct {
	Kind string `path:"kind" maxLength:"63" example:"SLO"`
	Name string `path:"name" maxLength:"63" example:"shop-availability"`
}) (*body[versions], error) {
	records, err := a.deps.Versions.DefinitionVersions(ctx, in.Kind, in.Name)
	if err == nil && len(records) == 0 {
		err = fault.New(fault.NotFound, "there is no %s %q", in.Kind, in.Name)
	}
	return show(versions{list(records)}, err)
}
