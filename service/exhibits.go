package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/service/signals"
	"golang.org/x/sync/errgroup"
)

// How evidence is gathered. Each kind has a loop of its own: a source that does not answer holds only its own kind.
const (
	jobEvidence     = "keep-evidence"
	evidenceEvery   = 2 * time.Second
	evidenceLease   = 2 * time.Minute
	evidenceTimeout = 20 * time.Second // of one try
	evidenceTries   = 5
	evidenceAtOnce  = 4
	evidenceBatch   = 20
	evidenceWait    = 10 * time.Second // before the second try; three times as long before each one more
)

var evidenceKeeper = access.System("evidence")

// exhibitStore remembers what is to be gathered and what was.
type exhibitStore interface {
	ClaimExhibits(ctx context.Context, kind incidents.ExhibitKind, lease time.Duration, limit int) ([]postgres.ExhibitJob, error)
	DelayExhibit(ctx context.Context, j postgres.ExhibitJob, wait time.Duration) error
	KeepExhibits(ctx context.Context, by access.Principal, j postgres.ExhibitJob, kept []incidents.Exhibit) error
}

// historyOf returns the history of an SLO; tenant "" is everybody in scope together.
type historyOf func(ctx context.Context, scope access.Scope, slo, tenant string, span intelligence.Span) ([]intelligence.BurnPoint, error)

// gatherer keeps evidence with incidents. Paging knows nothing of it.
type gatherer struct {
	store     exhibitStore
	config    EvidenceConfig
	secrets   string // folder of secrets
	catalog   func() *definitions.Catalog
	history   historyOf
	ready     func(ctx context.Context) error // of the metrics engine
	exemplars func(ctx context.Context, expr string, from, to time.Time) ([]prom.Exemplar, error)
	log       *slog.Logger
}

func (p *plane) gatherer() gatherer {
	return gatherer{
		store: p.db, config: p.config.Evidence, secrets: p.secretDir(), catalog: p.definitions.Catalog,
		history: p.intelligence.History, ready: p.engine.Ready, exemplars: p.engine.Exemplars, log: p.log,
	}
}

// startEvidence starts a loop a kind.
func (p *plane) startEvidence(ctx context.Context, g *errgroup.Group) {
	gather := p.gatherer()
	for _, kind := range incidents.ExhibitKinds {
		g.Go(func() error {
			return p.every(ctx, evidenceEvery, jobEvidence, func(ctx context.Context) error { return gather.turn(ctx, kind) })
		})
	}
}

// turn does what is due of one kind.
func (g gatherer) turn(ctx context.Context, kind incidents.ExhibitKind) error {
	jobs, err := g.store.ClaimExhibits(ctx, kind, evidenceLease, evidenceBatch)
	if err != nil {
		return err
	}
	errs := make([]error, len(jobs))
	var group errgroup.Group
	group.SetLimit(evidenceAtOnce)
	for n, j := range jobs {
		group.Go(func() error { errs[n] = g.do(ctx, j); return nil })
	}
	_ = group.Wait() // they leave their errors in errs
	return errors.Join(errs...)
}

// do tries one job. What fails for now waits for its next try; after the last one, that is what is kept.
func (g gatherer) do(ctx context.Context, j postgres.ExhibitJob) error {
	limited, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	kept, err := g.gather(limited, j)
	if ctx.Err() != nil {
		return ctx.Err() // told to stop; the lease brings it back
	}
	if err != nil && passing(err) && j.Tries < evidenceTries {
		wait := evidenceWait
		for range j.Tries - 1 {
			wait *= 3
		}
		g.log.WarnContext(ctx, "evidence of an incident is not to be had; trying again",
			"incident", j.Incident.ID, "kind", j.Kind, "try", j.Tries, "error", err)
		return g.store.DelayExhibit(ctx, j, wait)
	}
	if err != nil {
		e := g.blank(j)
		if len(kept) == 1 {
			e.Asked, e.Private = kept[0].Asked, kept[0].Private
		}
		e.Outcome, e.Missing = incidents.ExhibitUnreachable, fmt.Sprintf("%s, at %d tries.", said(err), j.Tries)
		if !passing(err) {
			e.Outcome, e.Missing = incidents.ExhibitRefused, said(err)
		}
		kept = []incidents.Exhibit{e}
	}
	return g.store.KeepExhibits(ctx, evidenceKeeper, j, kept)
}

// passing reports whether another try may go better.
func passing(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Forbidden, fault.Unauthorized, fault.TooLarge:
		return false
	}
	return true
}

// blank is an exhibit of the job with nothing in it. It is the operator's alone unless it is known to be the tenant's.
func (g gatherer) blank(j postgres.ExhibitJob) incidents.Exhibit {
	from, to := j.Incident.ExhibitWindow(j.Moment, j.Kind)
	return incidents.Exhibit{Incident: j.Incident.ID, Tenant: j.Incident.Tenant, Moment: j.Moment, Kind: j.Kind, From: from, To: to,
		Outcome: incidents.ExhibitEmpty, Private: j.Kind != incidents.ExhibitSLO}
}

func (g gatherer) gather(ctx context.Context, j postgres.ExhibitJob) ([]incidents.Exhibit, error) {
	e := g.blank(j)
	var err error
	switch j.Kind {
	case incidents.ExhibitSLO:
		return g.promises(ctx, e, j.Incident)
	case incidents.ExhibitLogs:
		err = g.logs(ctx, &e, j.Incident)
	case incidents.ExhibitExemplars:
		err = g.pointed(ctx, &e, j.Incident)
	case incidents.ExhibitTraces:
		err = g.traces(ctx, &e, j.Incident)
	}
	if e.Seen = len(e.Content.Lines) + len(e.Content.Traces); e.Seen > 0 {
		e.Outcome = incidents.ExhibitKept
	}
	return []incidents.Exhibit{e}, err
}

// logs asks Loki.
func (g gatherer) logs(ctx context.Context, e *incidents.Exhibit, i incidents.Incident) error {
	if g.config.LokiURL == "" {
		e.Outcome, e.Missing = incidents.ExhibitUnconfigured, "No Loki is configured; name one with --evidence-loki-url."
		return nil
	}
	options, err := g.asked(e, i, cmp.Or(g.config.LokiQuery, usualLokiQuery), g.config.LokiTenant, g.config.LokiTokenFile)
	if err != nil {
		return err
	}
	loki, err := signals.NewLoki(g.config.LokiURL, options)
	if err != nil {
		return err
	}
	found, err := loki.Lines(ctx, e.Asked, e.From, e.To, incidents.MaxExhibitLines+1)
	lines := make([]incidents.LogLine, 0, len(found))
	for _, l := range found {
		lines = append(lines, incidents.LogLine(l))
	}
	e.More = e.Content.KeepLines(lines)
	return err
}

// traces asks Tempo.
func (g gatherer) traces(ctx context.Context, e *incidents.Exhibit, i incidents.Incident) error {
	if g.config.TempoURL == "" {
		e.Outcome, e.Missing = incidents.ExhibitUnconfigured, "No Tempo is configured; name one with --evidence-tempo-url."
		return nil
	}
	options, err := g.asked(e, i, cmp.Or(g.config.TempoQuery, usualTempoQuery), g.config.TempoTenant, g.config.TempoTokenFile)
	if err != nil {
		return err
	}
	tempo, err := signals.NewTempo(g.config.TempoURL, options)
	if err != nil {
		return err
	}
	found, err := tempo.Search(ctx, e.Asked, e.From, e.To, incidents.MaxTraces+1)
	for _, t := range found[:min(len(found), incidents.MaxTraces)] {
		e.Content.Traces = append(e.Content.Traces, incidents.ExhibitTrace{ID: t.ID, At: t.At, Service: incidents.Redact(t.Service),
			Name: incidents.Redact(t.Name), Took: t.Took, URL: g.config.traceLink(t.ID)})
	}
	e.More = len(found) > incidents.MaxTraces
	return err
}

// asked fills in the query, in whose name and with what secret it is asked. Only what is asked in the name of the incident's
// own tenant is for the tenant to see.
func (g gatherer) asked(e *incidents.Exhibit, i incidents.Incident, query, tenant, tokenFile string) (o signals.Options, err error) {
	if e.Asked, err = fillQuery(query, i); err != nil {
		return o, err
	}
	own := false
	if o.Tenant, own, err = fillTenant(tenant, i); err != nil {
		return o, err
	}
	e.Private = !own
	if tokenFile != "" {
		o.Token, err = notify.Resolve(incidents.Secret{File: tokenFile}, g.secrets)
	}
	return o, err
}

// pointed asks the metrics engine for the traces that the promise's own series point out: of a latency the slowest, else the
// latest.
func (g gatherer) pointed(ctx context.Context, e *incidents.Exhibit, i incidents.Incident) error {
	promise, ok := g.catalog().SLO(i.SLO)
	if !ok {
		e.Missing = "The incident is about no promise whose metrics could point out traces."
		return nil
	}
	queries := exemplarQueries(promise.SLO.SLI)
	if len(queries) == 0 {
		e.Missing = "The promise is not counted from series that can have exemplars."
		return nil
	}
	for _, query := range queries {
		e.Asked = query
		found, err := g.exemplars(ctx, query, e.From, e.To)
		if err != nil {
			return err
		}
		if g.keepExemplars(e, found, i.Tenant, promise.SLO.SLI.Histogram != ""); len(e.Content.Traces) > 0 {
			return nil
		}
	}
	e.Missing = "The series of the promise had no exemplar with the ID of a trace; " +
		"see that the service sends them and the metrics engine keeps them."
	return nil
}
