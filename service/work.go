package service

import (
	"context"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

// How often the work that nobody asks for looks again where no notification wakes it.
const (
	escalateEvery = time.Second
	lapseEvery    = 5 * time.Second
	budgetEvery   = 15 * time.Second
	retryListen   = time.Second
	mostAtOnce    = 100
)

// startWork starts what runs without being asked: paging and escalation first.
func (p *plane) startWork(ctx context.Context, g *errgroup.Group) {
	pager := p.pager()
	g.Go(func() error { return pager.Run(ctx) })
	g.Go(func() error { return p.every(ctx, escalateEvery, "escalate incidents", p.escalate) })
	g.Go(func() error { return p.every(ctx, lapseEvery, "end lapsed alerts", p.lapse) })
	g.Go(func() error { return p.db.Listen(ctx, p.onChange) })
	g.Go(func() error { return p.every(ctx, p.config.LedgerEvery, "copy the ledger", p.copyLedger) })
	g.Go(func() error {
		return p.every(ctx, budgetEvery, "update the budget spent by open incidents", p.updateBudgets)
	})
}

// every calls do at once and then at each tick until ctx ends. A failure is logged when it begins and when it is over,
// not at each tick.
func (p *plane) every(ctx context.Context, interval time.Duration, what string, do func(context.Context) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	failing := false
	for {
		began := time.Now()
		err := do(ctx)
		p.metrics.job(what, err, time.Since(began))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			p.log.Error("could not "+what+"; trying again", "error", err)
		case err == nil && failing:
			p.log.Info("can " + what + " again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (p *plane) escalate(ctx context.Context) error {
	_, err := p.db.EscalateDue(ctx, mostAtOnce)
	return err
}

// lapse ends alerts whose source fell silent. While the metrics engine is away silence means nothing: the trouble may
// still be there, so the alerts stay until it has had the time to tell them again.
func (p *plane) lapse(ctx context.Context) error {
	if !p.engineHeard(time.Now()) {
		return nil
	}
	_, err := p.db.LapseAlerts(ctx, p.router())
	return err
}

// copyLedger copies the buckets that have closed.
func (p *plane) copyLedger(ctx context.Context) error {
	return p.copier.CopyOnce(ctx, time.Now().UTC())
}

// updateBudgets writes the share of the error budget each open incident has spent so far.
func (p *plane) updateBudgets(ctx context.Context) error {
	open, err := p.db.Incidents(ctx, operator, incidents.Filter{States: []incidents.State{incidents.Triggered, incidents.Acknowledged}, Limit: mostAtOnce})
	if err != nil {
		return err
	}
	for _, i := range open {
		if i.SLO == "" {
			continue
		}
		impact, err := p.intelligence.Impact(ctx, operator, i)
		if err != nil || impact.BudgetSpent == nil {
			continue // shown as unknown until it can be had
		}
		if err := p.db.SetBudgetSpent(ctx, i.ID, *impact.BudgetSpent); err != nil {
			return err
		}
	}
	return nil
}

// ledgerCopier copies closed buckets from the metrics engine into the ledger.
func (p *plane) ledgerCopier() *slo.Copier {
	return &slo.Copier{
		Source: p.engine, Ledger: p.db, SLOs: func() []slo.Versioned { return p.definitions.Catalog().SLOs() },
		Width: p.config.LedgerBucket, Horizon: p.config.Retention, Log: p.log,
	}
}
