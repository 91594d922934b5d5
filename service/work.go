package service

import (
	"context"
	"errors"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

// How often the work that nobody asks for looks again where no notification wakes it.
const (
	escalateEvery  = time.Second
	lapseEvery     = 5 * time.Second
	rejudgeEvery   = time.Second
	heartEvery     = 2 * time.Second
	undefinedEvery = time.Minute
	forgetEvery    = time.Hour
	budgetEvery    = 15 * time.Second
	sessionsEvery  = time.Hour
	ledgerTimeout  = 5 * time.Minute // of one turn; what it copied by then stays copied

	retryDefinitions = 2 * time.Second
	mostAtOnce       = 100
)

// The periodic work, as metrics and the log name it.
const (
	jobEscalate  = "escalate-incidents"
	jobLapse     = "end-lapsed-alerts"
	jobRejudge   = "judge-alerts-again"
	jobHeart     = "watch-heartbeats"
	jobUndefined = "end-undefined-heartbeats"
	jobForget    = "forget-old-alerts"
	jobLedger    = "copy-ledger"
	jobSelfwatch = "watch-engine"
	jobBudgets   = "update-budgets"
	jobSessions  = "forget-sessions"
)

// startWork starts what runs without being asked. Paging and escalation run on every replica and share only the
// database; everything else is periodic work that one replica at a time does.
func (p *plane) startWork(ctx context.Context, g *errgroup.Group) error {
	pager, auditor := p.pager(), p.newAuditor()
	g.Go(func() error { return pager.Run(ctx) })
	g.Go(func() error { return p.db.WorkInbox(ctx, p.routing) })
	g.Go(func() error { return p.db.Listen(ctx, p.onChange) })
	if w := p.watchdog(); w != nil {
		g.Go(func() error { return w.run(ctx) })
	}
	g.Go(func() error { return p.followDefinitions(ctx) })
	g.Go(func() error { return p.maintained.follow(ctx) })
	for _, w := range []struct {
		name     string
		interval time.Duration
		do       func(context.Context) error
	}{
		{jobEscalate, escalateEvery, auditor.watching(p.escalate)},
		{jobAudit, auditEvery, auditor.run},
		{jobLapse, lapseEvery, p.lapse},
		{jobRejudge, rejudgeEvery, p.rejudge},
		{jobHeart, heartEvery, p.watchHeartbeats},
		{jobSelfwatch, selfwatchEvery, p.watchEngineDown()},
		{jobDiagnose, diagnoseEvery, p.diagnose},
		{jobCorrections, correctionsEvery, p.maintained.refresh},
		{jobOverdue, overdueEvery, p.countOverdue()},
		{jobLetters, lettersEvery, p.chase().send},
		{jobTrackers, trackersEvery, p.trackers().run},
		{jobTrackerLag, trackerLagEvery, p.countTrackers()},
		{jobGaps, gapsEvery, p.watchGaps(newGapWatch(p.telemetry.Registry))},
		{jobCosts, costsEvery, p.watchCosts()},
	} {
		g.Go(func() error { return p.every(ctx, w.interval, w.name, w.do) })
	}
	p.startEvidence(ctx, g)
	jobs, err := p.db.Jobs(ctx, []postgres.Job{
		{Name: jobLedger, Every: p.config.LedgerEvery, Timeout: ledgerTimeout, Run: p.copyLedger},
		{Name: jobBudgets, Every: budgetEvery, Run: p.updateBudgets},
		{Name: jobLinks, Every: linkEvery, Run: p.linkChanges},
		{Name: jobNotices, Every: noticesEvery, Run: p.changeNotices().tell},
		{Name: jobChase, Every: chaseEvery, Timeout: 10 * time.Minute, Run: p.chase().run},
		{Name: jobSessions, Every: sessionsEvery, Run: p.forgetSessions},
		{Name: jobUndefined, Every: undefinedEvery, Run: p.endUndefinedHeartbeats},
		{Name: jobOnCall, Every: onCallEvery, Run: p.watchOnCall},
		{Name: jobForecasts, Every: forecastsEvery, Timeout: 5 * time.Minute, Run: p.judgeForecasts(newAccuracy(p.telemetry.Registry))},
		{Name: jobForget, Every: forgetEvery, Timeout: 10 * time.Minute, Run: p.forgetAlerts},
	}, p.metrics.jobs.Observe)
	if err != nil {
		return err
	}
	g.Go(func() error { return jobs.Run(ctx) })
	return nil
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
		if ctx.Err() == nil {
			p.metrics.jobs.Observe(what, err, time.Since(began))
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			p.log.Error("periodic work fails; trying again", "job", what, "error", err)
		case err == nil && failing:
			p.log.Info("periodic work succeeds again", "job", what)
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
	if !p.engineHeard(ctx, time.Now()) {
		return nil
	}
	_, err := p.db.LapseAlerts(ctx, p.routing())
	return err
}

// copyLedger copies the buckets that have closed. While our own engine is starting there is nothing to ask; what was
// missed is caught up later.
func (p *plane) copyLedger(ctx context.Context) error {
	if p.engineStarting() {
		return nil
	}
	return p.ledgerCopier().CopyOnce(ctx, time.Now().UTC())
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
		if err != nil || impact.BudgetShare == nil {
			continue // shown as unknown until it can be had
		}
		if err := p.db.SetBudgetSpent(ctx, i.ID, *impact.BudgetShare); err != nil {
			return err
		}
		if err := p.requirePostmortem(ctx, i, *impact.BudgetShare); err != nil {
			return err
		}
	}
	return p.reviewResolved(ctx)
}

func (p *plane) forgetSessions(ctx context.Context) error {
	_, err := p.db.ForgetSessions(ctx)
	return errors.Join(err, p.db.ForgetReplies(ctx), p.db.ForgetCalls(ctx))
}

// onChange hears of every committed change, of this process and of others.
func (p *plane) onChange(c postgres.Change) {
	p.hub.Publish(c.Topic, c.Tenant, c.ID)
	switch c.Topic {
	case postgres.TopicDefinitions:
		p.definitionsChanged()
	case postgres.TopicCorrection:
		p.maintained.changed()
	}
}

func (p *plane) definitionsChanged() {
	select {
	case p.redefined <- struct{}{}:
	default: // a reload that has not begun yet will see this change too
	}
}

// followDefinitions takes over definitions whenever some process has changed them, and puts their rules to work. Where
// that fails it tries again until it succeeds.
func (p *plane) followDefinitions(ctx context.Context) error {
	failing := false
	for {
		wait := (<-chan time.Time)(nil)
		if failing {
			wait = time.After(retryDefinitions)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.redefined:
		case <-wait:
		}
		err := p.definitions.Refresh(ctx)
		if err == nil {
			err = p.loadRules(ctx)
		}
		if err != nil && !failing && ctx.Err() == nil {
			p.log.Error("could not put changed definitions to work; trying again", "error", err)
		}
		failing = err != nil
	}
}

// ledgerCopier copies closed buckets from the metrics engine into the ledger.
func (p *plane) ledgerCopier() *slo.Copier {
	return &slo.Copier{
		Source: p.engine, Recount: p.engine, Ledger: p.db, SLOs: func() []slo.Versioned { return p.definitions.Catalog().SLOs() },
		Width: p.config.LedgerBucket, Horizon: p.config.Retention, Log: p.log,
		Observe: func(done slo.Progress) { p.metrics.slos.Missed(done.SLO, done.Missed, done.Healed) },
	}
}

// engineGrace is how long a metrics engine that was away gets to tell its alerts again before silence ends them.
const engineGrace = 2 * time.Minute

// engineHeard reports whether the metrics engine has been answering for long enough that an alert it no longer tells is
// really over. Only the loop that ends lapsed alerts calls it.
func (p *plane) engineHeard(ctx context.Context, now time.Time) bool {
	if p.engine.Ready(ctx) != nil {
		p.engineBack = time.Time{}
		return false
	}
	if p.engineBack.IsZero() {
		p.engineBack = now
	}
	return now.Sub(p.engineBack) >= engineGrace
}

// engineStarting reports whether the engine is ours and not serving just now.
func (p *plane) engineStarting() bool { return p.engineChild != nil && !p.engineChild.State().Up }
