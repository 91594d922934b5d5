package intelligence

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// What a spent budget can be split by.
const (
	ByIncident = "incident"
	ByTenant   = "tenant"
)

// The kinds of parts of a Split.
const (
	PartIncident   = "incident"
	PartTenant     = "tenant"
	PartUnmeasured = "unmeasured" // base intervals without data that the gap policy counts
	PartRest       = "rest"       // errors in no incident
)

// Split is where a promise's error budget went in the window now in force. The parts add up to the whole.
type Split struct {
	SLO       string        `json:"slo"`
	By        string        `json:"by"`
	Tenant    string        `json:"tenant"` // "" is everybody in scope together
	Objective slo.Objective `json:"objective"`
	From      time.Time     `json:"from"`
	To        time.Time     `json:"to"`
	Errors    float64       `json:"errors"`
	Total     float64       `json:"total"`
	Allowed   float64       `json:"allowed"` // errors that the objective allows in the traffic so far
	Spent     float64       `json:"spent"`   // share of the budget that is gone: errors over allowed
	Parts     []SplitPart   `json:"parts"`   // the largest first, what is no incident last
	Missing   []string      `json:"missing"` // what the figures lack, one sentence each
}

// SplitPart is one incident's or tenant's part.
type SplitPart struct {
	Kind     string     `json:"kind"`
	Name     string     `json:"name"`   // "#41", or the tenant
	Errors   float64    `json:"errors"` // counted in this part only
	Total    float64    `json:"total"`  // events beside them
	Share    float64    `json:"share"`  // of the whole budget
	OfSpent  float64    `json:"ofSpent"`
	Incident string     `json:"incident,omitempty"` // id
	Title    string     `json:"title,omitempty"`
	From     *time.Time `json:"from,omitempty"` // the incident's span as it was counted
	To       *time.Time `json:"to,omitempty"`
}

// mostSplitIncidents bounds how far back incidents are looked for; a window with more of them has other worries.
const mostSplitIncidents = 2000

// Split says where a promise's budget went, by incident or by tenant, over the window now in force. An incident's span is
// the one of its Impact; where two overlap the errors are the earlier one's. tenant "" is everybody in scope together.
func (s *Service) Split(ctx context.Context, scope access.Scope, sloID, tenant, by string) (Split, error) {
	return ask(ctx, s, Query, "split", func(ctx context.Context) (Split, error) {
		if tenant != "" && !scope.Allows(tenant) {
			return Split{}, fault.New(fault.NotFound, "there is no tenant %q", tenant)
		}
		if by != ByIncident && by != ByTenant {
			return Split{}, fault.New(fault.Invalid, "by: %q is neither incident nor tenant", by)
		}
		if sloID == "" {
			return Split{}, fault.New(fault.Invalid, "name an SLO")
		}
		slos, err := s.visible(scope, sloID)
		if err != nil {
			return Split{}, err
		}
		return s.split(ctx, scope, slos[0], tenant, by)
	})
}

func (s *Service) split(ctx context.Context, scope access.Scope, v slo.Versioned, tenant, by string) (Split, error) {
	now := s.now()
	begin, _ := v.SLO.Window.Bounds(now)
	e, err := s.gather(ctx, scope, []slo.Versioned{v}, begin, now)
	if err != nil {
		return Split{}, err
	}
	all := slices.DeleteFunc(e.counted(v), func(st step) bool {
		return st.start.Before(begin) || tenant != "" && st.series.Tenant != tenant
	})
	out := Split{SLO: v.SLO.ID, By: by, Tenant: tenant, Objective: v.SLO.Objective, From: begin, To: now, Parts: []SplitPart{}, Missing: e.missing()}
	var parts []SplitPart
	if by == ByTenant {
		parts = tenantParts(all)
	} else {
		found, err := s.incidentsOf(ctx, scope, v.SLO.ID, begin)
		if err != nil {
			return Split{}, err
		}
		if len(found) >= mostSplitIncidents {
			out.Missing = append(out.Missing, fmt.Sprintf("Only the newest %d incidents were looked at.", mostSplitIncidents))
		}
		parts = incidentParts(v.SLO, all, found, now)
	}
	out.weigh(parts)
	return out, nil
}

// weigh adds the parts up and gives each its share.
func (out *Split) weigh(parts []SplitPart) {
	for _, p := range parts {
		out.Errors, out.Total = out.Errors+p.Errors, out.Total+p.Total
	}
	out.Allowed = out.Objective.Budget() * out.Total
	for _, p := range parts {
		if out.Allowed > 0 {
			p.Share = p.Errors / out.Allowed
		}
		if out.Errors > 0 {
			p.OfSpent = p.Errors / out.Errors
		}
		out.Spent += p.Share
		out.Parts = append(out.Parts, p)
	}
	last := func(p SplitPart) bool { return p.Kind == PartRest }
	slices.SortStableFunc(out.Parts, func(a, b SplitPart) int {
		switch {
		case last(a) != last(b) && last(a):
			return 1
		case last(a) != last(b):
			return -1
		}
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(a.Name, b.Name))
	})
}

func tenantParts(all []step) []SplitPart {
	by := map[string]*SplitPart{}
	for _, st := range all {
		t := st.series.Tenant
		if by[t] == nil {
			by[t] = &SplitPart{Kind: PartTenant, Name: t}
		}
		by[t].add(st)
	}
	var out []SplitPart
	for _, t := range slices.Sorted(maps.Keys(by)) {
		out = append(out, *by[t])
	}
	return out
}

func (p *SplitPart) add(st step) {
	p.Errors += st.Errors()
	p.Total += st.Total
}

// incidentParts gives each step to the first incident whose span holds it, and the rest to none. Incidents without errors
// of their own are left out.
func incidentParts(s slo.SLO, all []step, found []incidents.Incident, now time.Time) []SplitPart {
	slices.SortStableFunc(found, func(a, b incidents.Incident) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.Number, b.Number))
	})
	taken := make([]bool, len(all))
	var out []SplitPart
	for _, i := range found {
		span := spanOf(s, all, i, now)
		from, to := span.impact.From, span.impact.To
		part := SplitPart{Kind: PartIncident, Name: fmt.Sprintf("#%d", i.Number), Incident: i.ID, Title: i.Title, From: &from, To: &to}
		for n, st := range all {
			if !taken[n] && !st.imputed && span.inSpan(st) && struck(i, s, st.series) {
				taken[n] = true
				part.add(st)
			}
		}
		if part.Total > 0 {
			out = append(out, part)
		}
	}
	rest, unmeasured := SplitPart{Kind: PartRest, Name: "no incident"}, SplitPart{Kind: PartUnmeasured, Name: "not measured"}
	for n, st := range all {
		switch {
		case st.imputed:
			unmeasured.add(st)
		case !taken[n]:
			rest.add(st)
		}
	}
	if unmeasured.Total > 0 {
		out = append(out, unmeasured)
	}
	return append(out, rest)
}

// spanOf finds an incident's span as its impact does.
func spanOf(s slo.SLO, all []step, i incidents.Incident, now time.Time) harmed {
	to := now
	if i.ResolvedAt != nil {
		to = earliest(now, i.ResolvedAt.UTC())
	}
	mine := slices.DeleteFunc(slices.Clone(all), func(st step) bool { return st.imputed || !struck(i, s, st.series) })
	m := harmed{impact: incidents.Impact{From: i.StartedAt.UTC(), To: to}, slo: s, defined: true, all: mine}
	tier := tierOf(s, i.Severity)
	m.reachBack(earliest(i.StartedAt.UTC().Add(-tier.Long), to), tier.Short)
	return m
}

// incidentsOf returns the incidents in scope about an SLO that were not over when the window began.
func (s *Service) incidentsOf(ctx context.Context, scope access.Scope, sloID string, begin time.Time) ([]incidents.Incident, error) {
	const page = 500
	var out []incidents.Incident
	var before int64
	for seen := 0; seen < mostSplitIncidents; {
		found, err := s.Incidents.Incidents(ctx, scope, incidents.Filter{SLO: sloID, Limit: page, Before: before})
		if err != nil {
			return nil, fmt.Errorf("read incidents: %w", err)
		}
		for _, i := range found {
			if i.SLO == sloID && scope.Allows(i.Tenant) && (i.ResolvedAt == nil || i.ResolvedAt.After(begin)) {
				out = append(out, i)
			}
		}
		if seen += len(found); len(found) < page {
			break
		}
		before = found[len(found)-1].Number
	}
	return out, nil
}
