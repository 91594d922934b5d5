package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Corrections keeps what says how spans of the ledger count. Changes are audited in the same transaction.
type Corrections interface {
	// Corrections returns those that touch what the principal may see, the newest first; a tenant's people see neither
	// notes nor who did it.
	Corrections(ctx context.Context, who access.Principal, f CorrectionFilter) ([]Correction, error)
	// PreviewCorrection says what a correction would change; nothing is.
	PreviewCorrection(ctx context.Context, who access.Principal, c slo.Correction) (CorrectionPreview, error)
	AddCorrection(ctx context.Context, who access.Principal, c slo.Correction) (Correction, error)
	RevokeCorrection(ctx context.Context, who access.Principal, id, reason string) (Correction, error)
}

// CorrectionFilter narrows a list of corrections. The zero filter is all in force.
type CorrectionFilter struct {
	SLO      string
	Tenant   string    // those that touch this tenant
	From, To time.Time // those whose span overlaps; zero is open
	Revoked  bool      // also those that count no more
	Limit    int       // 1 to 500
}

// Correction is a correction with what follows from it.
type Correction struct {
	slo.Correction
	EffectiveFrom time.Time `json:"effectiveFrom" doc:"The whole ledger buckets inside of the stated span."`
	EffectiveTo   time.Time `json:"effectiveTo"`
	Retroactive   bool      `json:"retroactive" doc:"It was made after its span had begun."`
}

// CorrectionPreview is what a correction would change.
type CorrectionPreview struct {
	EffectiveFrom time.Time      `json:"effectiveFrom" doc:"The whole ledger buckets inside of the stated span."`
	EffectiveTo   time.Time      `json:"effectiveTo"`
	Effect        slo.Effect     `json:"effect" doc:"What it would change beyond the corrections in force."`
	Budgets       []BudgetChange `json:"budgets" doc:"The budgets of the windows now in force that would change."`
	Missing       []string       `json:"missing" doc:"What the figures lack, one sentence each."`
}

// BudgetChange is a budget without and with a correction.
type BudgetChange struct {
	SLO    string            `json:"slo"`
	Labels map[string]string `json:"labels"`
	Before BudgetFigure      `json:"before"`
	After  BudgetFigure      `json:"after"`
}

// BudgetFigure is the part of a status that a correction changes.
type BudgetFigure struct {
	SLI             float64 `json:"sli" doc:"Per cent good."`
	Remaining       float64 `json:"remaining" doc:"Share of the error budget left; negative is overspent."`
	Errors          float64 `json:"errors"`
	Total           float64 `json:"total"`
	ExcludedMinutes float64 `json:"excludedMinutes"`
}

type correctionsInput struct {
	SLO     string    `query:"slo" maxLength:"200" doc:"Only those about this SLO." example:"shop-availability"`
	Tenant  string    `query:"tenant" maxLength:"63" doc:"Only those that touch this tenant." example:"acme"`
	From    time.Time `query:"from" doc:"RFC 3339; only those that end after it."`
	To      time.Time `query:"to" doc:"RFC 3339; only those that begin before it."`
	Revoked bool      `query:"revoked" doc:"Also those that were revoked."`
	Limit   int       `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type correctionList struct {
	Corrections []Correction `json:"corrections" doc:"The newest first."`
}

type newCorrection struct {
	SLO     string            `json:"slo,omitempty" maxLength:"200" doc:"Id of the one SLO; or name a service, or all." example:"shop-availability"`
	Service string            `json:"service,omitempty" maxLength:"200"`
	All     bool              `json:"all,omitempty" doc:"Every SLO."`
	Labels  map[string]string `json:"labels,omitempty" doc:"Only ledger series with all of these labels, such as tenant or region."`
	From    time.Time         `json:"from" example:"2026-11-23T22:00:00Z"`
	To      time.Time         `json:"to" doc:"Not included." example:"2026-11-24T00:00:00Z"`
	Mode    string            `json:"mode,omitempty" default:"exclude" enum:"exclude,good" doc:"exclude: the span does not count; good: its errors count as good."`
	Kind    string            `json:"kind,omitempty" default:"maintenance" enum:"maintenance,correction"`
	Reason  string            `json:"reason" minLength:"1" maxLength:"500" doc:"For everybody who reads the figures." example:"new disks"`
	Note    string            `json:"note,omitempty" maxLength:"500" doc:"For the operator's people only."`
}

func (n newCorrection) correction() slo.Correction {
	return slo.Correction{SLO: n.SLO, Service: n.Service, All: n.All, Labels: n.Labels, From: n.From.UTC(), To: n.To.UTC(), Mode: n.Mode,
		Kind: n.Kind, Reason: n.Reason, Note: n.Note}
}

type correctionInput struct{ Body newCorrection }

type revokeInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why it no longer holds." example:"the work was put off"`
	}
}

func (a *API) mountCorrections() {
	register(a, operation{id: "list-corrections", method: get, path: "/corrections", tag: "Corrections", role: access.Viewer, audience: anyone,
		summary: "List maintenance and corrections: spans of the ledger that count differently"}, a.corrections)
	register(a, operation{id: "add-correction", method: post, path: "/corrections", tag: "Corrections", role: access.Editor, audience: operatorOnly,
		status: http.StatusCreated, summary: "Leave a span out of the figures, or count its errors as good",
		about: "The recorded buckets stay as they are. Only whole buckets inside of the stated span are touched. One that ends before now works " +
			"retroactively, and is marked so; one ahead of now is maintenance that also keeps burn alerts quiet."}, a.addCorrection)
	register(a, operation{id: "preview-correction", method: post, path: "/corrections/preview", tag: "Corrections", role: access.Editor,
		audience: operatorOnly, slow: true, summary: "What a correction would change; nothing is"}, a.previewCorrection)
	register(a, operation{id: "revoke-correction", method: post, path: "/corrections/{id}/revoke", tag: "Corrections", role: access.Editor,
		audience: operatorOnly, summary: "End a correction as if it had never been; it stays in the list",
		about: "Corrections are neither changed nor removed: revoke one and make another."}, a.revokeCorrection)
}

func (a *API) corrections(ctx context.Context, in *correctionsInput) (*body[correctionList], error) {
	who := access.PrincipalOf(ctx)
	tenant, err := tenantOf(who, in.Tenant)
	if err != nil {
		return nil, err
	}
	f := CorrectionFilter{SLO: in.SLO, Tenant: tenant, From: in.From.UTC(), To: in.To.UTC(), Revoked: in.Revoked, Limit: in.Limit}
	found, err := a.deps.Corrections.Corrections(ctx, who, f)
	return show(correctionList{list(found)}, err)
}

func (a *API) addCorrection(ctx context.Context, in *correctionInput) (*body[Correction], error) {
	return show(a.deps.Corrections.AddCorrection(ctx, access.PrincipalOf(ctx), in.Body.correction()))
}

func (a *API) previewCorrection(ctx context.Context, in *correctionInput) (*body[CorrectionPreview], error) {
	p, err := a.deps.Corrections.PreviewCorrection(ctx, access.PrincipalOf(ctx), in.Body.correction())
	p.Budgets, p.Missing, p.Effect.By = list(p.Budgets), list(p.Missing), list(p.Effect.By)
	for i := range p.Budgets {
		p.Budgets[i].Labels = labelsOf(p.Budgets[i].Labels)
	}
	return show(p, err)
}

func (a *API) revokeCorrection(ctx context.Context, in *revokeInput) (*body[Correction], error) {
	return show(a.deps.Corrections.RevokeCorrection(ctx, access.PrincipalOf(ctx), in.ID, in.Body.Reason))
}
