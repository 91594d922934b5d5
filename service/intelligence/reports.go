package intelligence

import (
	"context"
	"fmt"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

// Postmortem drafts the review of an incident as Markdown. Where the impact cannot be counted now, the draft says so.
func (s *Service) Postmortem(ctx context.Context, scope access.Scope, id string) (string, error) {
	return ask(ctx, s, Analysis, "postmortem", func(ctx context.Context) (string, error) {
		i, err := s.Incidents.Incident(ctx, scope, id)
		if err != nil {
			return "", err
		}
		if !scope.Allows(i.Tenant) {
			return "", fault.New(fault.NotFound, "there is no incident %q", id)
		}
		events, err := s.Incidents.Timeline(ctx, scope, i.ID)
		if err != nil {
			return "", fmt.Errorf("read the timeline: %w", err)
		}
		attempts, err := s.Incidents.Attempts(ctx, scope, i.ID)
		if err != nil {
			return "", fmt.Errorf("read the pages sent: %w", err)
		}
		impact, err := s.impact(ctx, scope, i)
		if err != nil {
			if ctx.Err() != nil {
				return "", err
			}
			s.Log.WarnContext(ctx, "a postmortem lacks its impact", "incident", i.ID, "error", err)
			impact = incidents.Impact{Unknown: []string{"The ledger could not be read when this was drafted; draft it again."}}
		}
		return incidents.DraftPostmortem(i, events, attempts, impact, s.now()), nil
	})
}

// SLAReport returns what a tenant was promised and given in a month of its contract's time zone, from the ledger alone.
// It is the same whoever asks: other tenants' buckets tell whether a service was measured while this tenant was idle,
// and nothing else. A tenant without a contract, or not in scope, is a fault.NotFound.
func (s *Service) SLAReport(ctx context.Context, scope access.Scope, tenant string, month slo.Month) (slo.Report, error) {
	return ask(ctx, s, Analysis, "sla", func(ctx context.Context) (slo.Report, error) {
		definitions := s.Definitions()
		contract, version, ok := definitions.Contract(tenant)
		if !ok || tenant == "" || !scope.Allows(tenant) {
			return slo.Report{}, fault.New(fault.NotFound, "there is no contract of a tenant %q", tenant)
		}
		from, to := month.Bounds(contract.Zone)
		buckets, closed, err := s.promised(ctx, contract, from, to)
		if err != nil {
			return slo.Report{}, err
		}
		corrections, err := s.correctionsIn(ctx, from, to)
		if err != nil {
			return slo.Report{}, err
		}
		return slo.NewReport(contract, definitions.SLOs(), version, buckets, month, closed, s.now(), corrections...), nil
	})
}

// promised reads the buckets of a contract's promises, and how far they are final, which is read first: a report may say
// less than the ledger knows by then, never more.
func (s *Service) promised(ctx context.Context, c slo.Contract, from, to time.Time) ([]slo.Bucket, map[string]time.Time, error) {
	found := make([][]slo.Bucket, len(c.Promises))
	until := make([]time.Time, len(c.Promises))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce / 2) // each may be a month of every tenant's buckets
	seen := map[string]bool{}
	for n, p := range c.Promises {
		if seen[p.SLO] {
			continue
		}
		seen[p.SLO] = true
		group.Go(func() (err error) {
			if until[n], err = s.Ledger.ClosedUntil(ctx, p.SLO); err != nil {
				return fmt.Errorf("ask how far the ledger is closed: %w", err)
			}
			if found[n], err = s.Ledger.Buckets(ctx, access.Operator(), p.SLO, "", from, to); err != nil {
				return fmt.Errorf("read the ledger: %w", err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	var buckets []slo.Bucket
	closed := map[string]time.Time{}
	for n, p := range c.Promises {
		if !until[n].IsZero() {
			closed[p.SLO] = until[n].UTC()
		}
		buckets = append(buckets, found[n]...)
	}
	return buckets, closed, nil
}
