package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/service/signals/signalstest"
)

// gathering is a plane with an incident whose evidence is due, and a gatherer of it.
func gathering(t *testing.T, i incidents.Incident, config EvidenceConfig) (gatherer, *memoryJobs) {
	t.Helper()
	jobs := &memoryJobs{incident: i}
	catalog := definitions.Catalog{}
	return gatherer{
		store: jobs, config: config, secrets: t.TempDir(), catalog: func() *definitions.Catalog { return &catalog },
		history: func(context.Context, access.Scope, string, string, intelligence.Span) ([]intelligence.BurnPoint, error) {
			return nil, nil
		},
		ready: func(context.Context) error { return nil },
		exemplars: func(context.Context, string, time.Time, time.Time) ([]prom.Exemplar, error) {
			return nil, fault.New(fault.Unavailable, "the metrics engine does not answer")
		},
		log: slog.New(slog.DiscardHandler),
	}, jobs
}

// memoryJobs has one job of each kind, due until it is kept.
type memoryJobs struct {
	incident incidents.Incident
	tries    int
	kept     []incidents.Exhibit
	waits    []time.Duration
}

func (m *memoryJobs) ClaimExhibits(_ context.Context, kind incidents.ExhibitKind, _ time.Duration, _ int) ([]postgres.ExhibitJob, error) {
	if len(m.kept) > 0 {
		return nil, nil
	}
	m.tries++
	return []postgres.ExhibitJob{{Incident: m.incident, Moment: incidents.AtOpening, Kind: kind, Tries: m.tries}}, nil
}

func (m *memoryJobs) DelayExhibit(_ context.Context, _ postgres.ExhibitJob, wait time.Duration) error {
	m.waits = append(m.waits, wait)
	return nil
}

func (m *memoryJobs) KeepExhibits(_ context.Context, _ access.Principal, _ postgres.ExhibitJob, kept []incidents.Exhibit) error {
	m.kept = kept
	return nil
}

var opened = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func troubleOf(service, tenant string) incidents.Incident {
	return incidents.Incident{ID: "1f", Number: 7, Tenant: tenant, Service: service, StartedAt: opened.Add(-time.Minute), OpenedAt: opened}
}

func TestLogsAreKeptInTheTenantsNameWithoutSecretsAndThenAreTheTenants(t *testing.T) {
	t.Parallel()
	loki := &signalstest.Loki{Tenant: "acme", Lines: []signalstest.Line{{At: opened.Add(-time.Second), Text: "login password=hunter2 failed"}}}
	server := httptest.NewServer(loki)
	defer server.Close()
	g, jobs := gathering(t, troubleOf(`sh"op`, "acme"), EvidenceConfig{LokiURL: server.URL, LokiQuery: usualLokiQuery, LokiTenant: tenantOfItsOwn})
	if err := g.turn(t.Context(), incidents.ExhibitLogs); err != nil {
		t.Fatal(err)
	}
	e := jobs.kept[0]
	if e.Outcome != incidents.ExhibitKept || e.Private || e.Seen != 1 || e.Content.Lines[0].Text != "login password=[redacted] failed" {
		t.Errorf("kept %+v", e)
	}
	if asked := loki.Asked(); len(asked) != 1 || asked[0] != `{service_name="sh\"op"}` {
		t.Errorf("asked %q", asked)
	}
	if e.To != opened || e.From != opened.Add(-time.Minute-incidents.ExhibitNear) {
		t.Errorf("over %v to %v", e.From, e.To)
	}
}

func TestASourceThatStaysAwayIsTriedABoundedNumberOfTimesAndThenSaidToBeAway(t *testing.T) {
	t.Parallel()
	g, jobs := gathering(t, troubleOf("shop", ""), EvidenceConfig{LokiURL: "http://127.0.0.1:1", LokiQuery: usualLokiQuery})
	for range 10 {
		if err := g.turn(t.Context(), incidents.ExhibitLogs); err != nil {
			t.Fatal(err)
		}
	}
	if len(jobs.waits) != evidenceTries-1 || jobs.waits[0] != evidenceWait || jobs.waits[3] != 27*evidenceWait {
		t.Errorf("waited %v", jobs.waits)
	}
	if e := jobs.kept[0]; e.Outcome != incidents.ExhibitUnreachable || e.Missing != "Loki does not answer, at 5 tries." {
		t.Errorf("kept %+v", e)
	}
}

func TestWhatIsNotConfiguredOrCannotBeAskedIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	tempo := httptest.NewServer(&signalstest.Tempo{})
	defer tempo.Close()
	for name, c := range map[string]struct {
		incident incidents.Incident
		config   EvidenceConfig
		kind     incidents.ExhibitKind
		want     incidents.ExhibitOutcome
		says     string
	}{
		"no Loki":        {troubleOf("shop", ""), EvidenceConfig{}, incidents.ExhibitLogs, incidents.ExhibitUnconfigured, "No Loki is configured"},
		"no Tempo":       {troubleOf("shop", ""), EvidenceConfig{}, incidents.ExhibitTraces, incidents.ExhibitUnconfigured, "No Tempo is configured"},
		"no service":     {troubleOf("", ""), EvidenceConfig{TempoURL: tempo.URL}, incidents.ExhibitTraces, incidents.ExhibitRefused, "incident.service"},
		"no tenant":      {troubleOf("shop", ""), EvidenceConfig{TempoURL: tempo.URL, TempoTenant: tenantOfItsOwn}, incidents.ExhibitTraces, incidents.ExhibitRefused, "belongs to no tenant"},
		"two tenants":    {troubleOf("shop", "a|b"), EvidenceConfig{TempoURL: tempo.URL, TempoTenant: tenantOfItsOwn}, incidents.ExhibitTraces, incidents.ExhibitRefused, "cannot be that of a tenant"},
		"a bad query":    {troubleOf("shop", ""), EvidenceConfig{TempoURL: tempo.URL, TempoQuery: "status"}, incidents.ExhibitTraces, incidents.ExhibitRefused, "invalid TraceQL"},
		"nothing there":  {troubleOf("shop", ""), EvidenceConfig{TempoURL: tempo.URL}, incidents.ExhibitTraces, incidents.ExhibitEmpty, ""},
		"no promise":     {troubleOf("shop", ""), EvidenceConfig{}, incidents.ExhibitExemplars, incidents.ExhibitEmpty, "about no promise"},
		"no promise, so": {troubleOf("shop", ""), EvidenceConfig{}, incidents.ExhibitSLO, incidents.ExhibitEmpty, "about no promise"},
	} {
		g, jobs := gathering(t, c.incident, c.config)
		if err := g.turn(t.Context(), c.kind); err != nil {
			t.Fatal(err)
		}
		if len(jobs.kept) != 1 || jobs.kept[0].Outcome != c.want || !strings.Contains(jobs.kept[0].Missing, c.says) {
			t.Errorf("%s: kept %+v", name, jobs.kept)
		}
	}
}

func TestTracesHaveLinksToWherePeopleSeeThem(t *testing.T) {
	t.Parallel()
	tempo := httptest.NewServer(&signalstest.Tempo{Traces: []signalstest.Trace{{ID: "4bf92f", Service: "shop", Name: "POST /pay", At: opened}}})
	defer tempo.Close()
	g, jobs := gathering(t, troubleOf("shop", ""), EvidenceConfig{TempoURL: tempo.URL, TraceURL: "https://traces.example/{trace}"})
	if err := g.turn(t.Context(), incidents.ExhibitTraces); err != nil {
		t.Fatal(err)
	}
	if e := jobs.kept[0]; len(e.Content.Traces) != 1 || e.Content.Traces[0].URL != "https://traces.example/4bf92f" || !e.Private {
		t.Errorf("kept %+v", e)
	}
}

func TestWhoIsToldToStopLeavesTheJobToAnother(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	g, jobs := gathering(t, troubleOf("shop", ""), EvidenceConfig{LokiURL: "http://127.0.0.1:1"})
	cancel()
	if err := g.turn(ctx, incidents.ExhibitLogs); !errors.Is(err, context.Canceled) || len(jobs.kept)+len(jobs.waits) != 0 {
		t.Errorf("%v, kept %+v", err, jobs.kept)
	}
}

func TestSettingsOfEvidenceSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	c.Evidence = EvidenceConfig{LokiURL: "loki", LokiQuery: `{a={{ labels.a }}}`, TraceURL: "https://traces.example/"}
	err := c.Check()
	for _, want := range []string{"evidence-loki-url", "evidence-loki-query", "evidence-trace-url"} {
		if err == nil || !strings.Contains(fmt.Sprint(fault.Public(err)), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestExemplarsAreTheSlowestOfALatencyElseTheLatestEachTraceOnce(t *testing.T) {
	t.Parallel()
	found := []prom.Exemplar{
		{Labels: map[string]string{"trace_id": "aa"}, Value: 1, At: opened},
		{Labels: map[string]string{"traceID": "bb"}, Value: 3, At: opened.Add(-time.Minute)},
		{Labels: map[string]string{"trace_id": "bb"}, Value: 2, At: opened.Add(-time.Hour)},
		{Labels: map[string]string{"trace_id": "not a trace"}, Value: 9, At: opened},
		{Labels: map[string]string{"trace_id": "cc"}, Series: map[string]string{"tenant": "globex"}, Value: 9, At: opened},
	}
	for slowest, want := range map[bool]string{true: "bb aa", false: "aa bb"} {
		var e incidents.Exhibit
		gatherer{}.keepExemplars(&e, found, "acme", slowest)
		var ids []string
		for _, x := range e.Content.Traces {
			ids = append(ids, x.ID)
		}
		if strings.Join(ids, " ") != want {
			t.Errorf("slowest %v: %v, want %s", slowest, ids, want)
		}
	}
}

func TestAPromisesSeriesSaysWhatOfItWasNotSeen(t *testing.T) {
	t.Parallel()
	point := func(minutes int) intelligence.BurnPoint {
		return intelligence.BurnPoint{At: opened.Add(time.Duration(minutes) * time.Minute), Step: time.Minute}
	}
	f := func(want string, minutes ...int) {
		t.Helper()
		var found []intelligence.BurnPoint
		for _, m := range minutes {
			found = append(found, point(m))
		}
		if got := unseen(found, opened, opened.Add(4*time.Minute)); got != want {
			t.Errorf("%v: %q, want %q", minutes, got, want)
		}
	}
	f("", 1, 2, 3, 4)
	f("1 of 4 steps of 1m0s were not seen.", 1, 2, 4)
	f("It ends at 12:02:00 UTC: what came after was not counted yet.", 1, 2)
}

const sloOfShop = `
apiVersion: nines/v1
kind: Service
metadata: {name: shop}
spec: {owner: platform}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  objective: 99.9
  window: 30d
  sli:
    events: {errors: shop_errors_total, total: shop_requests_total}
`

func TestAnIncidentThatOpensGetsItsEvidenceAndKeepsIt(t *testing.T) {
	t.Parallel()
	p, _ := stored(t, sloOfShop)
	editor := access.Principal{ID: "user:ed", Name: "Ed", Role: access.Editor}
	slos := p.definitions.Catalog().SLOs()
	if len(slos) != 1 {
		t.Fatalf("%d SLOs", len(slos))
	}
	now, labels := time.Now().UTC(), map[string]string{"alertname": "ShopSlow", "severity": "critical", "service": "shop"}
	a := alerting.Alert{Fingerprint: alerting.Fingerprint(labels), Labels: labels, StartsAt: now, EndsAt: now.Add(time.Hour), UpdatedAt: now}
	if err := p.db.ReceiveAlerts(t.Context(), editor, []alerting.Alert{a}, p.routing()); err != nil {
		t.Fatal(err)
	}
	g, _ := gathering(t, incidents.Incident{}, EvidenceConfig{})
	g.store, g.catalog = p.db, p.definitions.Catalog
	g.history = func(_ context.Context, _ access.Scope, id, _ string, span intelligence.Span) ([]intelligence.BurnPoint, error) {
		if id != slos[0].SLO.ID || span.To.Sub(span.From) < incidents.ExhibitBefore {
			t.Errorf("asked for %s over %v", id, span)
		}
		return []intelligence.BurnPoint{{At: span.To.Add(-time.Minute), Step: time.Minute, Remaining: 0.8}, {At: span.To, Step: time.Minute, Remaining: 0.7, Burn: 14}}, nil
	}
	for _, kind := range incidents.ExhibitKinds {
		if err := g.turn(t.Context(), kind); err != nil {
			t.Fatal(err)
		}
	}
	open, err := p.db.Incidents(t.Context(), operator, incidents.Filter{})
	if err != nil || len(open) != 1 {
		t.Fatalf("%d incidents, %v", len(open), err)
	}
	kept, err := p.db.Exhibits(t.Context(), operator, open[0].ID)
	if err != nil || len(kept) != 4 {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	if e := kept[0]; e.Subject != slos[0].SLO.ID || e.Private || *e.Content.Budget != 0.7 || !strings.Contains(e.Missing, "steps of 1m0s were not seen") {
		t.Errorf("kept %+v", e)
	}
}
