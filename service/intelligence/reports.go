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
	f, err := s.Evidence(ctx, scope, id)
	if err != nil {
		return "", err
	}
	return incidents.DraftPostmortem(f.Incident, f.Events, f.Attempts, f.Impact, s.now()), nil
}

// Evidence gathers what was recorded about an incident, for its review. Where the impact cannot be counted now, it says so.
func (s *Service) Evidence(ctx context.Context, scope access.Scope, id string) (incidents.Found, error) {
	return ask(ctx, s, Analysis, "postmortem", func(ctx context.Context) (f incidents.Found, err error) {
		if f.Incident, err = s.Incidents.Incident(ctx, scope, id); err != nil {
			return f, err
		}
		if !scope.Allows(f.Incident.Tenant) {
			return f, fault.New(fault.NotFound, "there is no incident %q", id)
		}
		if f.Events, err = s.Incidents.Timeline(ctx, scope, f.Incident.ID); err != nil {
			return f, fmt.Errorf("read the timeline: %w", err)
		}
		if f.Attempts, err = s.Incidents.Attempts(ctx, scope, f.Incident.ID); err != nil {
			return f, fmt.Errorf("read the pages sent: %w", err)
		}
		if f.Impact, err = s.impact(ctx, scope, f.Incident); err != nil {
			if ctx.Err() != nil {
				return f, err
			}
			s.Log.WarnContext(ctx, "a postmortem lacks its impact", "incident", f.Incident.ID, "error", err)
			f.Impact = incidents.Impact{Unknown: []string{"The ledger could not be read when this was drafted; draft it again."}}
		}
		return f, nil
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
