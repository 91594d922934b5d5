package service

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

const (
	jobLinks  = "link-changes"
	linkEvery = 5 * time.Second

	// reviewAfter is how long after its resolution an incident's impact may still rise above a policy's share: until the
	// ledger has closed its last bucket.
	reviewAfter = 15 * time.Minute

	gateTime        = 5 * time.Second // that a verdict may take
	gateAtOnce      = 4               // promises asked for at a time
	gateFew         = 8               // promises up to which each is asked for alone; with more all are
	mostOpen        = 500             // open incidents that are looked at
	mostNamesListed = 10
)

// gateStore keeps changes and knows the incidents.
type gateStore interface {
	RecordChange(ctx context.Context, who access.Principal, c slo.Change, v slo.Verdict, key string) (slo.Change, error)
	ApproveChange(ctx context.Context, who access.Principal, id, reason string) (slo.Change, error)
	FinishChange(ctx context.Context, who access.Principal, id, outcome string) (slo.Change, error)
	Changes(ctx context.Context, scope access.Scope, f slo.ChangeFilter) ([]slo.Change, error)
	Change(ctx context.Context, scope access.Scope, idOrNumber string) (slo.Change, error)
	ChangesBefore(ctx context.Context, scope access.Scope, incident string) ([]slo.Preceding, error)
	IncidentsAfter(ctx context.Context, scope access.Scope, change string) ([]slo.Follower, error)
	Incidents(ctx context.Context, scope access.Scope, f incidents.Filter) ([]incidents.Incident, error)
}

// gatekeeper judges changes by the policies in force and how the promises stand.
type gatekeeper struct {
	gateStore
	statuses    func(ctx context.Context, scope access.Scope, f intelligence.StatusFilter) (intelligence.StatusAnswer, error)
	definitions func() *definitions.Catalog
	now         func() time.Time
}

func (p *plane) gatekeeper() gatekeeper {
	return gatekeeper{gateStore: p.db, statuses: p.intelligence.Statuses, definitions: p.definitions.Catalog, now: time.Now}
}

// Ask decides about a change and, unless dryRun, records it. A service that is not known is a fault.NotFound, since a
// misspelt one would fall under no policy. Where the promises cannot be known up to now, that is a fault.Unavailable.
func (g gatekeeper) Ask(ctx context.Context, who access.Principal, c slo.Change, key string, dryRun bool) (slo.Change, error) {
	c = c.WithDefaults(who.Name)
	if err := c.Check(); err != nil {
		return slo.Change{}, err
	}
	limited, cancel := context.WithTimeout(ctx, gateTime)
	defer cancel()
	v, err := g.decide(limited, c)
	if err != nil {
		return slo.Change{}, err
	}
	if dryRun {
		now := g.now().UTC()
		c.AskedBy, c.AskedByName, c.At = who.ID, who.Name, now
		return c.Judged(v, now), nil
	}
	return g.RecordChange(ctx, who, c, v, key)
}

func (g gatekeeper) decide(ctx context.Context, c slo.Change) (slo.Verdict, error) {
	catalog := g.definitions()
	if c.Service != slo.AllServices && !catalog.HasService(c.Service) {
		return slo.Verdict{}, unknownService(catalog, c.Service)
	}
	var open []slo.OpenIncident
	var seen []slo.GateStatus
	var lacks []string
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() (err error) { open, err = g.open(ctx); return err })
	work.Go(func() (err error) { seen, lacks, err = g.standings(ctx, judgedBy(catalog, c.Service)); return err })
	if err := work.Wait(); err != nil {
		return slo.Verdict{}, fmt.Errorf("judge a change of %s: %w", c.Service, err)
	}
	v := slo.Decide(catalog.BudgetPolicies(), seen, open, c, g.now())
	v.Missing = append(v.Missing, lacks...)
	return v, nil
}

func unknownService(catalog *definitions.Catalog, name string) error {
	names := serviceNames(catalog)
	if len(names) > mostNamesListed {
		names = append(names[:mostNamesListed], "...")
	}
	if len(names) == 0 {
		return fault.New(fault.NotFound, "there is no service %q, nor any other; apply definitions first", name)
	}
	return fault.New(fault.NotFound, "there is no service %q; known are %s", name, strings.Join(names, ", "))
}

// serviceNames returns every service that is defined or that an SLO is about, in order.
func serviceNames(catalog *definitions.Catalog) []string {
	found := map[string]bool{}
	for _, s := range catalog.Services() {
		found[s.Name] = true
	}
	for _, v := range catalog.SLOs() {
		found[v.SLO.Service] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// judgedBy returns the ids of the SLOs that some policy looks at when the service changes.
func judgedBy(catalog *definitions.Catalog, service string) []string {
	var ids []string
	policies := catalog.BudgetPolicies()
	for _, v := range catalog.SLOs() {
		of := slo.Status{SLO: v.SLO.ID, Service: v.SLO.Service}
		if slices.ContainsFunc(policies, func(p slo.BudgetPolicy) bool {
			return p.Covers(service, catalog.ServiceOf) && p.Judges(service, of)
		}) {
			ids = append(ids, v.SLO.ID)
		}
	}
	return ids
}

// open returns the incidents that are not over.
func (g gatekeeper) open(ctx context.Context) ([]slo.OpenIncident, error) {
	found, err := g.Incidents(ctx, operator, incidents.Filter{States: []incidents.State{incidents.Triggered, incidents.Acknowledged}, Limit: mostOpen})
	return each(found, func(i incidents.Incident) slo.OpenIncident {
		return slo.OpenIncident{Number: i.Number, Title: i.Title, Severity: string(i.Severity), Service: i.Service, SLO: i.SLO}
	}), err
}

// standings asks how the promises stand. Figures that end where the ledger is closed are not enough for a yes: what
// burns right now would be missing.
func (g gatekeeper) standings(ctx context.Context, ids []string) (seen []slo.GateStatus, lacks []string, err error) {
	answers, err := g.answers(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, answer := range answers {
		for _, st := range answer.Statuses {
			if !slices.Contains(ids, st.SLO) {
				continue
			}
			if st.Stale {
				return nil, nil, fault.New(fault.Unavailable, "the metrics engine does not answer, so nobody knows how %s stands now; try again", st.SLO)
			}
			seen = append(seen, slo.GateStatus{Status: st.Status, LastSeen: st.LastSeen})
		}
		for _, text := range answer.Missing {
			if !slices.Contains(lacks, text) {
				lacks = append(lacks, text)
			}
		}
	}
	return seen, lacks, nil
}

// answers asks for a few promises one by one and for many at once.
func (g gatekeeper) answers(ctx context.Context, ids []string) ([]intelligence.StatusAnswer, error) {
	switch {
	case len(ids) == 0:
		return nil, nil
	case len(ids) > gateFew:
		all, err := g.statuses(ctx, operator, intelligence.StatusFilter{})
		return []intelligence.StatusAnswer{all}, err
	}
	out := make([]intelligence.StatusAnswer, len(ids))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(gateAtOnce)
	for n, id := range ids {
		work.Go(func() (err error) {
			out[n], err = g.statuses(ctx, operator, intelligence.StatusFilter{SLO: id})
			return err
		})
	}
	return out, work.Wait()
}

// linkChanges ties incidents to the changes that began shortly before.
func (p *plane) linkChanges(ctx context.Context) error {
	spans, usual := linkSpans(p.definitions.Catalog())
	_, err := p.db.LinkChanges(ctx, spans, usual)
	return err
}

// linkSpans returns the services whose policies name a span of their own, and the span of all others.
func linkSpans(catalog *definitions.Catalog) (spans []slo.LinkRule, usual time.Duration) {
	policies := catalog.BudgetPolicies()
	usual = slo.LinkSpan(policies, "", catalog.ServiceOf)
	for _, name := range serviceNames(catalog) {
		if within := slo.LinkSpan(policies, name, catalog.ServiceOf); within != usual {
			spans = append(spans, slo.LinkRule{Service: name, Within: within})
		}
	}
	return spans, usual
}

// requirePostmortem makes a review a duty where the incident has spent more than a policy's share of the budget.
func (p *plane) requirePostmortem(ctx context.Context, i incidents.Incident, spent float64) error {
	catalog := p.definitions.Catalog()
	by, above := slo.PostmortemBound(catalog.BudgetPolicies(), i.Service, i.SLO, spent, catalog.ServiceOf)
	if i.PostmortemRequired != nil || !above {
		return nil
	}
	_, err := p.db.RequirePostmortem(ctx, i.ID, by.Name, spent, by.Postmortem)
	return err
}

// reviewResolved looks once more at incidents that were resolved a moment ago: their last minutes reach the ledger later.
func (p *plane) reviewResolved(ctx context.Context) error {
	if !slices.ContainsFunc(p.definitions.Catalog().BudgetPolicies(), func(b slo.BudgetPolicy) bool { return b.Postmortem > 0 }) {
		return nil
	}
	over, err := p.db.Incidents(ctx, operator, incidents.Filter{States: []incidents.State{incidents.Resolved}, Limit: mostAtOnce})
	if err != nil {
		return err
	}
	for _, i := range over {
		if i.SLO == "" || i.PostmortemRequired != nil || i.ResolvedAt == nil || time.Since(*i.ResolvedAt) > reviewAfter {
			continue
		}
		impact, err := p.intelligence.Impact(ctx, operator, i)
		if err != nil || impact.BudgetShare == nil {
			continue // asked again at the next turn
		}
		if err := p.requirePostmortem(ctx, i, *impact.BudgetShare); err != nil {
			return err
		}
	}
	return nil
}
