package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/slo"
)

const gateDefinitions = `apiVersion: nines/v1
kind: Service
metadata: {name: shop}
spec: {}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec: {service: shop, objective: 99.9, sli: {events: {errors: 'e_total{job="a"}', total: 't_total{job="a"}'}}}
---
version: prometheus/v1
service: pay
slos:
- name: requests
  objective: 99.9
  sli: {events: {error_query: 'sum(rate(e_total{job="a"}[{{.window}}]))', total_query: 'sum(rate(t_total{job="a"}[{{.window}}]))'}}
  alerting: {name: Burn}
---
apiVersion: nines/v1
kind: ErrorBudgetPolicy
metadata: {name: shop}
spec: {services: [shop], rules: [{below: 0.25, action: freeze}, {openIncident: page, action: approve}], linkWithin: 2h}
`

func catalogOf(t *testing.T, text string) *definitions.Catalog {
	t.Helper()
	set, problems := definitions.Load([]manifest.File{{Name: "a.yaml", Text: text}}, nil, func(string) bool { return true })
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return set.Catalog
}

// gateWorld is what the gatekeeper asks, made up.
type gateWorld struct {
	gateStore
	mu        sync.Mutex
	asked     []string
	recorded  int
	stale     bool
	remaining float64
	open      []incidents.Incident
	failing   error // of the database
	dark      error // of the intelligence service
}

func (w *gateWorld) Incidents(context.Context, access.Scope, incidents.Filter) ([]incidents.Incident, error) {
	return w.open, w.failing
}

func (w *gateWorld) RecordChange(_ context.Context, _ access.Principal, c slo.Change, v slo.Verdict, _ string) (slo.Change, error) {
	w.recorded++
	c.Number = 7
	return c.Judged(v, time.Now()), w.failing
}

func (w *gateWorld) statuses(_ context.Context, scope access.Scope, f intelligence.StatusFilter) (intelligence.StatusAnswer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, f.SLO)
	if !scope.IsOperator() {
		return intelligence.StatusAnswer{}, errors.New("the budgets of all customers count")
	}
	st := slo.Status{SLO: "shop-availability", Service: "shop", Traffic: true, Counts: slo.Counts{Good: 99, Total: 100}, Coverage: 1, Remaining: w.remaining}
	return intelligence.StatusAnswer{Statuses: []intelligence.Standing{{Status: st, LastSeen: time.Now(), Stale: w.stale}}, Missing: []string{"The ledger is behind."}}, w.dark
}

func TestTheGateGoesByThePoliciesAndSaysSoWhereItCannotKnow(t *testing.T) {
	t.Parallel()
	catalog := catalogOf(t, gateDefinitions)
	who := access.Principal{ID: "token:ci", Name: "ci", Role: access.Responder}
	away := fault.New(fault.Unavailable, "the database is away")
	for name, c := range map[string]struct {
		world  *gateWorld
		change slo.Change
		want   slo.Action
		fails  fault.Kind
		asked  int
	}{
		"healthy":                  {world: &gateWorld{remaining: 0.9}, want: slo.Allow, asked: 1},
		"little left":              {world: &gateWorld{remaining: 0.1}, want: slo.Freeze, asked: 1},
		"an incident":              {world: &gateWorld{remaining: 0.9, open: []incidents.Incident{{Number: 3, Severity: incidents.Critical, Service: "shop"}}}, want: slo.Approve, asked: 1},
		"no policy":                {world: &gateWorld{remaining: -1, stale: true}, change: slo.Change{Service: "pay"}, want: slo.Allow},
		"the engine is away":       {world: &gateWorld{remaining: 0.9, stale: true}, fails: fault.Unavailable, asked: 1},
		"the database is away":     {world: &gateWorld{remaining: 0.9, failing: away}, fails: fault.Unavailable, asked: 1},
		"the ledger does not read": {world: &gateWorld{dark: fault.New(fault.Timeout, "no answer within 5s")}, fails: fault.Timeout, asked: 1},
		"a misspelt service":       {world: &gateWorld{remaining: 0.9}, change: slo.Change{Service: "shopp"}, fails: fault.NotFound},
		"no change":                {world: &gateWorld{remaining: 0.9}, change: slo.Change{Service: "shop", Ref: " "}, fails: fault.Invalid},
		"all services":             {world: &gateWorld{remaining: 0.1}, change: slo.Change{Service: slo.AllServices}, want: slo.Freeze, asked: 1},
	} {
		if c.change.Service == "" {
			c.change.Service = "shop"
		}
		if c.change.Ref == "" {
			c.change.Ref = "r118"
		}
		g := gatekeeper{gateStore: c.world, statuses: c.world.statuses, definitions: func() *definitions.Catalog { return catalog }, now: time.Now}
		got, err := g.Ask(t.Context(), who, c.change, "", false)
		if len(c.world.asked) > 0 != (c.asked > 0) {
			t.Errorf("%s: asked for %v", name, c.world.asked)
		}
		if c.fails != fault.Internal {
			if !fault.Is(err, c.fails) || got.Standing() == slo.Allow {
				t.Errorf("%s: %v, %s", name, err, got.Standing())
			}
			continue
		}
		if err != nil || got.Standing() != c.want || c.world.recorded != 1 || got.Author != "ci" || got.Kind != "deploy" {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
		if c.asked > 0 && !slices.Contains(got.Verdict.Missing, "The ledger is behind.") {
			t.Errorf("%s: does not say what the figures lack: %v", name, got.Verdict.Missing)
		}
		dry := &gateWorld{remaining: c.world.remaining, open: c.world.open}
		g.gateStore, g.statuses = dry, dry.statuses
		if got, err := g.Ask(t.Context(), who, c.change, "", true); err != nil || got.Standing() != c.want || dry.recorded != 0 || got.ID != "" {
			t.Errorf("%s, dry: %v, %+v", name, err, got)
		}
	}
}

func TestAMisspeltServiceIsToldTheOnesThereAre(t *testing.T) {
	t.Parallel()
	if err := unknownService(catalogOf(t, gateDefinitions), "shopp"); !strings.HasSuffix(err.Error(), "known are pay, shop") {
		t.Error(err)
	}
}

func TestChangesAreLinkedWithinWhatThePoliciesSay(t *testing.T) {
	t.Parallel()
	spans, usual := linkSpans(catalogOf(t, gateDefinitions))
	if usual != slo.DefaultLinkWithin || len(spans) != 1 || spans[0] != (slo.LinkRule{Service: "shop", Within: 2 * time.Hour}) {
		t.Errorf("%v, %s", spans, usual)
	}
}
