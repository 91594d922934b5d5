package service

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/telemetry"
	"github.com/nines-sre/nines/slo"
)

const (
	jobCorrections   = "read-corrections"
	correctionsEvery = 30 * time.Second // where no notification wakes it

	correctionsLinger = 20 * time.Minute // above the settle time and interval of any SLO
)

// correctionsInForce is what computations ask.
type correctionsInForce struct{ db *postgres.DB }

// CorrectionsIn returns the corrections in force whose span overlaps.
func (c correctionsInForce) CorrectionsIn(ctx context.Context, from, to time.Time) ([]slo.Correction, error) {
	return c.db.Corrections(ctx, operator, postgres.CorrectionFilter{From: from, To: to})
}

// correctionDesk is what people do with corrections, checked against the definitions in force.
type correctionDesk struct {
	db           *postgres.DB
	intelligence *intelligence.Service
	catalog      func() *definitions.Catalog
	bucket       time.Duration
}

func (p *plane) corrections() correctionDesk {
	return correctionDesk{p.db, p.intelligence, p.definitions.Catalog, p.config.LedgerBucket}
}

// Corrections returns those that touch what the principal may see. A tenant's people see the ones about promises that are
// counted by tenant or stand in their contract, without what is the operator's own.
func (d correctionDesk) Corrections(ctx context.Context, who access.Principal, f httpapi.CorrectionFilter) ([]httpapi.Correction, error) {
	if err := who.Require(access.Viewer); err != nil {
		return nil, err
	}
	// A correction that names no tenant is the operator's row and touches all of them, so it is chosen here and not by
	// row security.
	found, err := d.db.Corrections(ctx, operator, postgres.CorrectionFilter{From: f.From, To: f.To, Revoked: f.Revoked})
	if err != nil {
		return nil, err
	}
	tenant, ours := cmp.Or(who.Tenant, f.Tenant), who.Tenant == ""
	slos := d.visible(who, f.SLO)
	out := []httpapi.Correction{}
	for _, c := range found {
		about := slices.ContainsFunc(slos, c.Touches) || ours && (f.SLO == "" || c.SLO == f.SLO) // also of what is not defined any more
		if !about || tenant != "" && !c.TouchesTenant(tenant) {
			continue
		}
		if !ours {
			c = c.ForTenant()
		}
		if out = append(out, d.shown(c)); len(out) == cmp.Or(f.Limit, 100) {
			break
		}
	}
	return out, nil
}

// visible returns the defined SLOs that somebody may know of, of one id where it is not "".
func (d correctionDesk) visible(who access.Principal, id string) []slo.SLO {
	catalog := d.catalog()
	contract, _ := catalog.Contract(who.Tenant)
	var out []slo.SLO
	for _, v := range catalog.SLOs() {
		promised := slices.ContainsFunc(contract.Promises, func(p slo.Promise) bool { return p.SLO == v.SLO.ID })
		if (id == "" || v.SLO.ID == id) && (who.Tenant == "" || promised || slices.Contains(v.SLO.BudgetBy, "tenant")) {
			out = append(out, v.SLO)
		}
	}
	return out
}

func (d correctionDesk) shown(c slo.Correction) httpapi.Correction {
	out := httpapi.Correction{Correction: c, Retroactive: c.Retroactive()}
	out.EffectiveFrom, out.EffectiveTo = c.Effective(d.bucket)
	return out
}

// PreviewCorrection says what a correction would change.
func (d correctionDesk) PreviewCorrection(ctx context.Context, who access.Principal, c slo.Correction) (httpapi.CorrectionPreview, error) {
	p, err := d.intelligence.Preview(ctx, who.Scope(), c)
	if err != nil {
		return httpapi.CorrectionPreview{}, err
	}
	out := httpapi.CorrectionPreview{EffectiveFrom: p.From, EffectiveTo: p.To, Effect: p.Effect, Missing: p.Missing}
	for _, b := range p.Budgets {
		out.Budgets = append(out.Budgets, httpapi.BudgetChange{SLO: b.SLO, Labels: b.Labels, Before: httpapi.BudgetFigure(b.Before), After: httpapi.BudgetFigure(b.After)})
	}
	return out, nil
}

// AddCorrection keeps a correction that touches something.
func (d correctionDesk) AddCorrection(ctx context.Context, who access.Principal, c slo.Correction) (httpapi.Correction, error) {
	var known []slo.SLO
	for _, v := range d.catalog().SLOs() {
		known = append(known, v.SLO)
	}
	if err := c.Check(known, d.bucket); err != nil {
		return httpapi.Correction{}, err
	}
	made, err := d.db.AddCorrection(ctx, who, c)
	return d.shown(made), err
}

// RevokeCorrection ends a correction.
func (d correctionDesk) RevokeCorrection(ctx context.Context, who access.Principal, id, reason string) (httpapi.Correction, error) {
	ended, err := d.db.RevokeCorrection(ctx, who, id, reason)
	return d.shown(ended), err
}

// webCorrections is the desk in the pages' words.
type webCorrections struct{ desk correctionDesk }

// Corrections returns those about one SLO, revoked ones too, the newest first.
func (w webCorrections) Corrections(ctx context.Context, who access.Principal, sloID string) ([]slo.Correction, error) {
	found, err := w.desk.Corrections(ctx, who, httpapi.CorrectionFilter{SLO: sloID, Revoked: true})
	return each(found, func(c httpapi.Correction) slo.Correction { return c.Correction }), err
}

// Add keeps a correction.
func (w webCorrections) Add(ctx context.Context, who access.Principal, c slo.Correction) error {
	_, err := w.desk.AddCorrection(ctx, who, c)
	return err
}

// Revoke ends a correction.
func (w webCorrections) Revoke(ctx context.Context, who access.Principal, id, reason string) error {
	_, err := w.desk.RevokeCorrection(ctx, who, id, reason)
	return err
}

// Bucket returns the width of the ledger's buckets.
func (w webCorrections) Bucket() time.Duration { return w.desk.bucket }

// budgets splits budgets in the API's words.
type budgets struct{ *intelligence.Service }

// BudgetSplit says where a promise's error budget went.
func (b budgets) BudgetSplit(ctx context.Context, scope access.Scope, sloID, tenant, by string) (httpapi.BudgetSplit, error) {
	s, err := b.Split(ctx, scope, sloID, tenant, by)
	if err != nil {
		return httpapi.BudgetSplit{}, err
	}
	return httpapi.BudgetSplit{SLO: s.SLO, By: s.By, Tenant: s.Tenant, Objective: s.Objective, From: s.From, To: s.To, Errors: s.Errors, Total: s.Total,
		Allowed: s.Allowed, Spent: s.Spent, Missing: s.Missing,
		Parts: each(s.Parts, func(p intelligence.SplitPart) httpapi.BudgetPart { return httpapi.BudgetPart(p) })}, nil
}

// maintenance knows which corrections may cover now. What it last read stands while the database is away: an alert that
// was quiet must not fire because of that.
type maintenance struct {
	read   func(context.Context, time.Time) ([]slo.Correction, error)
	slos   func() []slo.Versioned
	now    func() time.Time
	around atomic.Pointer[[]slo.Correction]
	wake   chan struct{}
}

// startCorrections reads the corrections in force and shows those that cover now as a metric, by which the rules know.
func (p *plane) startCorrections(ctx context.Context) error {
	p.maintained = &maintenance{
		read: func(ctx context.Context, since time.Time) ([]slo.Correction, error) {
			return p.db.Corrections(ctx, operator, postgres.CorrectionFilter{From: since})
		},
		slos: func() []slo.Versioned { return p.definitions.Catalog().SLOs() }, now: time.Now, wake: make(chan struct{}, 1),
	}
	telemetry.NewMaintenanceMetrics(p.telemetry.Registry, p.maintained.covering)
	return p.maintained.refresh(ctx)
}

// refresh reads what has not ended yet, or has just.
func (m *maintenance) refresh(ctx context.Context) error {
	found, err := m.read(ctx, m.now().Add(-correctionsLinger))
	if err == nil {
		m.around.Store(&found)
	}
	return err
}

func (m *maintenance) changed() {
	select {
	case m.wake <- struct{}{}:
	default: // a read that has not begun yet will see this change too
	}
}

// follow reads anew whenever some process has made or revoked a correction. What fails is read again at the next turn of
// the periodic work.
func (m *maintenance) follow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
			_ = m.refresh(ctx)
		}
	}
}

// covering returns what is covered now, one for each SLO concerned. Increments are recorded once they have settled, so a
// correction lasts until the last that holds something of its span has been: otherwise a minute of maintenance would burn
// right after it. Rules tell series apart by tenant and region alone, so
// a correction that is narrowed by another label is not shown: it would quiet what it does not cover.
func (m *maintenance) covering() []telemetry.Maintenance {
	around := m.around.Load()
	if around == nil {
		return nil
	}
	now, slos := m.now(), m.slos()
	var out []telemetry.Maintenance
	for _, c := range *around {
		if !c.InForce() || now.Before(c.From) || !byTenantAndRegion(c.Labels) {
			continue
		}
		for _, v := range slos {
			interval := cmp.Or(v.SLO.Interval, slo.DefaultInterval)
			if c.Touches(v.SLO) && now.Before(c.To.Add(interval+cmp.Or(v.SLO.Settle, slo.SettleFor(interval)))) {
				out = append(out, telemetry.Maintenance{SLO: v.SLO.ID, Mode: c.Mode, Tenant: c.Labels["tenant"], Region: c.Labels["region"]})
			}
		}
	}
	return out
}

func byTenantAndRegion(labels map[string]string) bool {
	for name := range labels {
		if name != "tenant" && name != "region" {
			return false
		}
	}
	return true
}
