package intelligence

import (
	"context"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// statusesKept is how long an answer serves everyone who asks the same; a page that is live asks often.
const statusesKept = time.Second

// StatusFilter narrows the promises; the zero StatusFilter is all in scope.
type StatusFilter struct {
	SLO    string // id; one that is not defined, or not in scope, is a fault.NotFound
	Tenant string // only promises to this tenant
}

// StatusAnswer is how promises stand.
type StatusAnswer struct {
	At       time.Time  `json:"at"`
	Statuses []Standing `json:"statuses"` // by SLO id and labels
	Missing  []string   `json:"missing"`  // what the figures lack, one sentence each
}

// Standing is a promise's status, and how fresh it is.
type Standing struct {
	slo.Status
	LastSeen time.Time `json:"lastSeen"` // when anything of the SLO, whatever its labels, was last seen; zero: never
	Stale    bool      `json:"stale"`    // figures end where the ledger is closed: the metrics engine did not answer
	Excluded bool      `json:"excluded"` // in maintenance now: what happens counts neither as good nor as bad
}

// Plain returns the statuses alone.
func (a StatusAnswer) Plain() []slo.Status {
	out := make([]slo.Status, 0, len(a.Statuses))
	for _, s := range a.Statuses {
		out = append(out, s.Status)
	}
	return out
}

type statusKey struct {
	scope access.Scope
	slo   string
}

// Statuses returns how the promises in scope stand, from the ledger and the live increments after it. A promise that
// nothing was ever seen of has one status without labels and without traffic, for the operator. A tenant sees the
// promises that are counted by tenant, with its own figures. Where the metrics engine does not answer, the ledger alone
// must do, and the answer says so. Answers may be a second old.
func (s *Service) Statuses(ctx context.Context, scope access.Scope, f StatusFilter) (StatusAnswer, error) {
	return ask(ctx, s, Query, "statuses", func(ctx context.Context) (StatusAnswer, error) { return s.statusesIn(ctx, scope, f) })
}

func (s *Service) statusesIn(ctx context.Context, scope access.Scope, f StatusFilter) (StatusAnswer, error) {
	if f.Tenant != "" && !scope.Allows(f.Tenant) {
		return StatusAnswer{}, fault.New(fault.NotFound, "there is no tenant %q", f.Tenant)
	}
	all, err := s.statuses.get(ctx, statusKey{scope, f.SLO}, func(ctx context.Context) (StatusAnswer, error) {
		ctx, cancel := context.WithTimeout(ctx, QueryTime)
		defer cancel()
		return s.computeStatuses(ctx, scope, f.SLO)
	})
	if err != nil {
		return StatusAnswer{}, err
	}
	all.Missing = slices.Clone(all.Missing)
	all.Statuses = slices.DeleteFunc(slices.Clone(all.Statuses), func(st Standing) bool {
		return f.Tenant != "" && st.Labels["tenant"] != f.Tenant
	})
	return all, nil
}

func (s *Service) computeStatuses(ctx context.Context, scope access.Scope, id string) (StatusAnswer, error) {
	slos, err := s.visible(scope, id)
	if err != nil {
		return StatusAnswer{}, err
	}
	now := s.now()
	from := now
	for _, v := range slos {
		begin, _ := v.SLO.Window.Bounds(now)
		from = earliest(from, begin)
	}
	e, err := s.gather(ctx, scope, slos, from, now)
	if err != nil {
		return StatusAnswer{}, err
	}
	answer := StatusAnswer{At: now, Statuses: []Standing{}, Missing: e.missing()}
	var all []judged
	for _, v := range slos {
		all = append(all, e.statusesOf(v, scope)...)
	}
	s.predict(ctx, scope, e, all)
	for _, j := range all {
		answer.Statuses = append(answer.Statuses, *j.Standing)
	}
	return answer, nil
}

func (e evidence) statusesOf(v slo.Versioned, scope access.Scope) []judged {
	last, stale := e.lastSeen(v.SLO.ID), e.dark[v.SLO.ID] != nil
	var out []judged
	for _, b := range budgetsOf(v.SLO, e.buckets[v.SLO.ID], e.live[v.SLO.ID]) {
		out = append(out, judged{&Standing{slo.StatusOf(v, b.labels, b.buckets, b.live, e.to, e.corrections...), last, stale, e.excludedNow(v.SLO, b.labels)}, v, b})
	}
	if len(out) == 0 && scope.IsOperator() {
		unseen := slo.StatusOf(v, nil, nil, nil, e.to)
		unseen.Labels = map[string]string{}
		out = append(out, judged{&Standing{unseen, last, stale, e.excludedNow(v.SLO, nil)}, v, &budget{}})
	}
	return out
}

// visible returns the SLOs in scope: all for the operator, those with a budget for each tenant for a tenant. id narrows
// it to one, which then must be among them.
func (s *Service) visible(scope access.Scope, id string) ([]slo.Versioned, error) {
	definitions := s.Definitions()
	if id != "" {
		v, ok := definitions.SLO(id)
		if !ok || !shows(scope, v.SLO) {
			return nil, fault.New(fault.NotFound, "there is no SLO %q", id)
		}
		return []slo.Versioned{v}, nil
	}
	return slices.DeleteFunc(slices.Clone(definitions.SLOs()), func(v slo.Versioned) bool { return !shows(scope, v.SLO) }), nil
}

func shows(scope access.Scope, s slo.SLO) bool {
	return scope.IsOperator() || scope.TenantName() != "" && slices.Contains(s.BudgetBy, "tenant")
}
