package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
)

// contactLog keeps the tests of contacts and their limits.
type contactLog interface {
	BeginContactTests(ctx context.Context, who access.Principal, targets []incidents.Target, object string) error
	EndContactTests(ctx context.Context, who access.Principal, tests []incidents.ContactTest) error
	LastContactTests(ctx context.Context, scope access.Scope, targets []incidents.Target) (map[string]incidents.ContactTest, error)
	// WhoIsCalled returns who can be called now of those whom the targets mean.
	WhoIsCalled(ctx context.Context, targets []incidents.Target) (incidents.Roster, error)
}

// contacts shows whom policies page, and finds out whether pages arrive there.
type contacts struct {
	catalog   func() *definitions.Catalog
	store     contactLog
	notifiers map[string]incidents.Notifier
	now       func() time.Time
	log       *slog.Logger
}

func (p *plane) contacts() contacts {
	return contacts{catalog: p.definitions.Catalog, store: p.db, notifiers: p.notifiers(), now: time.Now, log: p.log}
}

// Policies returns the escalation policies in force, ordered by name. They are the operator's own.
func (c contacts) Policies(_ context.Context, who access.Principal) ([]incidents.Policy, error) {
	if err := operatorsOwn(who, access.Viewer); err != nil {
		return nil, err
	}
	return c.catalog().Policies(), nil
}

// LastTests returns the last test of each target that had one, by Target.Key.
func (c contacts) LastTests(ctx context.Context, who access.Principal, targets []incidents.Target) (map[string]incidents.ContactTest, error) {
	if err := operatorsOwn(who, access.Viewer); err != nil {
		return nil, err
	}
	return c.store.LastContactTests(ctx, who.Scope(), targets)
}

// TestPolicy sends a test to the targets at a spot of a policy in force.
func (c contacts) TestPolicy(ctx context.Context, who access.Principal, name string, at incidents.Spot) ([]incidents.ContactTest, error) {
	if err := operatorsOwn(who, access.Responder); err != nil {
		return nil, err
	}
	policy, ok := c.catalog().Policy(name)
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no escalation policy %q", name)
	}
	targets, err := policy.At(at)
	if err != nil {
		return nil, err
	}
	return c.test(ctx, who, targets, "policy/"+name)
}

// TestTarget sends a test to a target that need not stand in any policy, which is for those who could apply one.
func (c contacts) TestTarget(ctx context.Context, who access.Principal, t incidents.Target) ([]incidents.ContactTest, error) {
	if err := operatorsOwn(who, access.Editor); err != nil {
		return nil, err
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	return c.test(ctx, who, []incidents.Target{t}, "target")
}

// test sends to all at once, so that one that does not answer keeps no other waiting. What was sent is written down even
// if who asked has gone.
func (c contacts) test(ctx context.Context, who access.Principal, targets []incidents.Target, object string) ([]incidents.ContactTest, error) {
	targets, unreachable, err := c.meant(ctx, who, targets)
	if err != nil || len(targets) == 0 {
		return unreachable, err
	}
	if err := c.store.BeginContactTests(ctx, who, targets, object); err != nil {
		return nil, err
	}
	tests := make([]incidents.ContactTest, len(targets))
	var all sync.WaitGroup
	for n, t := range targets {
		all.Go(func() {
			var cause error
			tests[n], cause = incidents.SendTest(ctx, c.notifiers, t, who.Name, c.now)
			if cause != nil {
				c.log.Error("a notifier failed unexpectedly at a test", "provider", tests[n].Provider, "error", cause)
			}
		})
	}
	all.Wait()
	if err := c.store.EndContactTests(context.WithoutCancel(ctx), who, tests); err != nil {
		c.log.Warn("how a test of contacts went was not written down", "error", err)
	}
	return append(tests, unreachable...), nil
}

// meant puts people, and whoever is on call, in their targets' place, and returns a failed test for each of whom nobody
// can be called.
func (c contacts) meant(ctx context.Context, who access.Principal, targets []incidents.Target) (
	meant []incidents.Target, unreachable []incidents.ContactTest, err error,
) {
	if !slices.ContainsFunc(targets, incidents.Target.Indirect) {
		return targets, nil, nil
	}
	roster, err := c.store.WhoIsCalled(ctx, targets)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, t := range targets {
		places, why := t.Means(roster, c.now())
		if why != "" {
			unreachable = append(unreachable, incidents.ContactTest{
				Key: t.Key(), Provider: t.Provider(), Name: t.String(), At: c.now(), Actor: who.Name, Outcome: incidents.OutcomeFailed, Error: why,
			})
		}
		for _, place := range places {
			if !seen[place.Key()] {
				seen[place.Key()] = true
				meant = append(meant, place)
			}
		}
	}
	return meant, unreachable, nil
}

// operatorsOwn returns nil for the people who run the services, in at least the role.
func operatorsOwn(who access.Principal, role access.Role) error {
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "escalation policies are for the operator's people; you belong to %s", who.Tenant)
	}
	return who.Require(role)
}
