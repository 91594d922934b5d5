package service

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

const (
	stakeKept = time.Minute      // how long what is at stake is shown before it is computed anew
	stakeTime = 30 * time.Second // of one computation, whoever waits for it
	mostStake = 3                // contracts whose report is computed
)

// stakes says what incidents cost, computed at most once a minute for each of them however many people look. It is the
// operator's alone.
type stakes struct {
	impact    func(ctx context.Context, scope access.Scope, i incidents.Incident) (incidents.Impact, error)
	report    func(ctx context.Context, scope access.Scope, tenant string, month slo.Month) (slo.Report, error)
	contracts func() []slo.Contract

	mu   sync.Mutex
	kept map[string]*keptStake // by incident
}

type keptStake struct {
	done  chan struct{} // closed when the rest is set
	until time.Time     // zero while it is being computed
	stake slo.Stake
	err   error
}

func (p *plane) newStakes() *stakes {
	return &stakes{impact: p.intelligence.Impact, report: p.intelligence.SLAReport, contracts: pageDefinitions{p.definitions}.Contracts,
		kept: map[string]*keptStake{}}
}

// Stake returns what the incident costs, as of at most a minute ago. Who leaves before it is computed does not end the
// computation, so that one which takes longer than a page waits is there for the next.
func (s *stakes) Stake(ctx context.Context, i incidents.Incident) (slo.Stake, error) {
	k := s.enter(ctx, i)
	select {
	case <-k.done:
		return k.stake, k.err
	case <-ctx.Done():
		return slo.Stake{}, ctx.Err()
	}
}

// enter returns what is kept, or begins to compute it. What has expired is forgotten.
func (s *stakes) enter(ctx context.Context, i incidents.Incident) *keptStake {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for id, k := range s.kept {
		if !k.until.IsZero() && !now.Before(k.until) {
			delete(s.kept, id)
		}
	}
	if k, ok := s.kept[i.ID]; ok {
		return k
	}
	k := &keptStake{done: make(chan struct{})}
	s.kept[i.ID] = k
	go s.fill(context.WithoutCancel(ctx), k, i)
	return k
}

// fill computes; trouble is told to those who wait, and not kept.
func (s *stakes) fill(ctx context.Context, k *keptStake, i incidents.Incident) {
	ctx, cancel := context.WithTimeout(ctx, stakeTime)
	defer cancel()
	stake, err := s.compute(ctx, i)
	s.mu.Lock()
	defer s.mu.Unlock()
	k.stake, k.err, k.until = stake, err, time.Now().Add(stakeKept)
	if err != nil {
		delete(s.kept, i.ID)
	}
	close(k.done)
}

func (s *stakes) compute(ctx context.Context, i incidents.Incident) (slo.Stake, error) {
	out := slo.Stake{At: time.Now().UTC(), Tenants: []string{}, Credits: []slo.CreditAtStake{}}
	impact, err := s.impact(ctx, operator, i)
	if err != nil {
		return out, err
	}
	out.BudgetSpent, out.Tenants = impact.BudgetShare, append(out.Tenants, impact.Hit()...)
	for _, contract := range s.contracts() {
		n := slices.IndexFunc(contract.Promises, func(p slo.Promise) bool { return p.SLO == i.SLO && len(p.Credits) > 0 })
		if n < 0 || !slices.Contains(out.Tenants, contract.Tenant) {
			continue
		}
		if len(out.Credits) == mostStake {
			out.More++
			continue
		}
		month := slo.MonthAt(i.StartedAt, contract.Zone)
		report, err := s.report(ctx, operator, contract.Tenant, month)
		if err != nil {
			return out, err
		}
		out.Credits = append(out.Credits, contract.Promises[n].CreditAtStake(contract.Tenant, report, month))
	}
	return out, nil
}
