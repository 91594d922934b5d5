package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

func (w *world) Corrections(ctx context.Context, who access.Principal, f CorrectionFilter) ([]Correction, error) {
	var out []Correction
	for _, tenant := range []string{"acme", "globex"} {
		if !who.Scope().Allows(tenant) || f.Tenant != "" && f.Tenant != tenant {
			continue
		}
		c := slo.Correction{ID: "c-" + tenant, SLO: "shop-availability", Labels: map[string]string{"tenant": tenant}, Reason: "disks of " + tenant, Note: "cheap"}
		if who.Tenant != "" {
			c = c.ForTenant()
		}
		out = append(out, Correction{Correction: c})
	}
	return out, w.gate(ctx)
}
func (w *world) PreviewCorrection(ctx context.Context, _ access.Principal, c slo.Correction) (CorrectionPreview, error) {
	return CorrectionPreview{EffectiveFrom: c.From, EffectiveTo: c.To, Budgets: []BudgetChange{{SLO: c.SLO}}}, w.gate(ctx)
}
func (w *world) AddCorrection(ctx context.Context, who access.Principal, c slo.Correction) (Correction, error) {
	c.ID, c.Author = "c-1", who.Name
	return Correction{Correction: c, EffectiveFrom: c.From, EffectiveTo: c.To}, w.gate(ctx)
}
func (w *world) RevokeCorrection(ctx context.Context, who access.Principal, id, reason string) (Correction, error) {
	return Correction{Correction: slo.Correction{ID: id, RevokedBy: who.Name, RevokedReason: reason, Revoked: time.Unix(1, 0).UTC()}}, w.gate(ctx)
}
func (w *world) BudgetSplit(ctx context.Context, scope access.Scope, sloID, tenant, by string) (BudgetSplit, error) {
	out := BudgetSplit{SLO: sloID, By: by, Tenant: tenant}
	for _, t := range []string{"acme", "globex"} {
		if scope.Allows(t) {
			out.Parts = append(out.Parts, BudgetPart{Kind: "tenant", Name: t})
		}
	}
	return out, w.gate(ctx)
}

const newDisks = `{"slo":"shop-availability","labels":{"tenant":"acme"},"from":"2026-11-23T23:00:00+01:00","to":"2026-11-24T00:00:00Z","reason":"new disks"}`

func TestACorrectionIsExcludedMaintenanceUnlessSaid(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	got := ask(t, app, post, "/api/v1/corrections", newDisks, bearer("editor"))
	var made Correction
	if err := json.Unmarshal([]byte(got.text), &made); err != nil || got.status != http.StatusCreated {
		t.Fatalf("%d %s %v", got.status, got.text, err)
	}
	if made.Mode != slo.ModeExclude || made.Kind != slo.KindMaintenance || !made.From.Equal(time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)) || made.Author != "editor" || made.Labels["tenant"] != "acme" {
		t.Errorf("%+v", made)
	}
	for name, body := range map[string]string{
		"no reason":    `{"slo":"x","from":"2026-11-23T23:00:00Z","to":"2026-11-24T00:00:00Z"}`,
		"no such mode": `{"slo":"x","from":"2026-11-23T23:00:00Z","to":"2026-11-24T00:00:00Z","reason":"x","mode":"forgive"}`,
		"an author":    `{"slo":"x","from":"2026-11-23T23:00:00Z","to":"2026-11-24T00:00:00Z","reason":"x","author":"somebody else"}`,
		"no time":      `{"slo":"x","from":"yesterday","to":"2026-11-24T00:00:00Z","reason":"x"}`,
	} {
		if got := ask(t, app, post, "/api/v1/corrections", body, bearer("editor")); got.status != http.StatusBadRequest && got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestEveryProblemOfACorrectionReachesTheClient(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	w.set(func() { w.fail = slo.Correction{All: true, SLO: "x"}.Check(nil, time.Minute) })
	p := ask(t, app, post, "/api/v1/corrections", newDisks, bearer("editor")).problem(t)
	if p.Code != fault.Invalid.String() || len(p.Errors) < 5 || !strings.Contains(p.Errors[0].Location, "from") {
		t.Errorf("%+v", p)
	}
}

func TestATenantReadsNoNotesOfCorrections(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	theirs := ask(t, app, get, "/api/v1/corrections", "", bearer("viewer@acme"))
	if theirs.status != 200 || strings.Contains(theirs.text, "cheap") || !strings.Contains(theirs.text, "disks of acme") {
		t.Errorf("%d %s", theirs.status, theirs.text)
	}
	if ours := ask(t, app, get, "/api/v1/corrections", "", bearer("viewer")); !strings.Contains(ours.text, "cheap") || !strings.Contains(ours.text, "globex") {
		t.Errorf("%d %s", ours.status, ours.text)
	}
}
