package service

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/service/telemetry"
)

const (
	auditEvery = 30 * time.Second
	jobAudit   = "audit-escalations"
)

// auditor looks from time to time whether any incident has been forgotten. It has no part in paging otherwise, and runs on
// every replica, so that it finds what the clockwork of all of them has missed.
type auditor struct {
	audit   func(ctx context.Context, bound time.Duration) ([]incidents.AuditOf, error)
	metrics *telemetry.AuditMetrics
	log     *slog.Logger
	now     func() time.Time

	mu    sync.Mutex
	since time.Time // since when the clockwork has run without trouble; zero while it does not
}

func (p *plane) newAuditor() *auditor {
	return &auditor{
		audit: p.db.AuditEscalations, metrics: telemetry.NewAuditMetrics(p.telemetry.Registry), log: p.log, now: time.Now,
	}
}

// watching returns the clockwork with its turns noted. After an outage of ours it catches up by itself, which is no damage.
func (a *auditor) watching(turn func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		err := turn(ctx)
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case err != nil:
			a.since = time.Time{}
		case a.since.IsZero():
			a.since = a.now()
		}
		return err
	}
}

// steady reports whether the clockwork has had the time to do all that is due.
func (a *auditor) steady() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.since.IsZero() && a.now().Sub(a.since) >= incidents.AuditBound
}

// run puts right what is damaged, and says so where operators hear of it. It does nothing before the clockwork is steady.
func (a *auditor) run(ctx context.Context) error {
	if !a.steady() {
		return nil
	}
	repaired, err := a.audit(ctx, incidents.AuditBound)
	for _, r := range repaired {
		a.metrics.Repaired(r.Damage)
		a.log.Error("an incident's escalation was damaged and has been put right", "incident", r.Incident.ID, "number", r.Incident.Number,
			"damage", r.Damage, "found", r.String())
	}
	return err
}
