package service

import (
	"cmp"
	"context"
	"maps"
	"os"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/email"
	"github.com/nines-sre/nines/incidents/notify/pagerduty"
	"github.com/nines-sre/nines/incidents/notify/webhook"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/telemetry"
)

// operator is the scope of the work that nobody in person asked for.
var operator = access.Operator()

// metrics are our own, by what they tell of.
type metrics struct {
	http         *telemetry.HTTPMetrics
	pages        *telemetry.PageMetrics
	jobs         *telemetry.JobMetrics
	slos         *telemetry.SLOMetrics
	intelligence *telemetry.IntelligenceMetrics
	children     *telemetry.ChildMetrics
	runs         *telemetry.RunMetrics
}

func (m metrics) child(s ChildState) { m.children.Observe(s.Name, s.Up, s.Restarts) }

// periodic is all the work that is done by itself.
var periodic = []string{
	jobEscalate, jobLapse, jobRejudge, jobHeart, jobUndefined, jobForget, jobSelfwatch, jobCorrections, jobLedger, jobBudgets, jobLinks,
	jobNotices, jobSessions, jobOnCall, jobAudit, jobDiagnose, jobChase, jobOverdue, jobGaps, jobCosts, jobLetters, jobTrackers, jobTrackerLag, jobEvidence,
}

func (p *plane) startTelemetry(ctx context.Context) error {
	t, err := telemetry.New(ctx, telemetry.Config{
		Service: "nines", Version: p.options.Version, OTLPEndpoint: p.config.OTLPEndpoint, LokiURL: p.config.LokiURL,
		LogFormat: p.config.LogFormat, Level: p.config.LogLevel, Out: p.options.Out,
	})
	if err != nil {
		return err
	}
	p.telemetry, p.log = t, t.Log
	p.metrics = metrics{
		http: telemetry.NewHTTPMetrics(t.Registry), pages: telemetry.NewPageMetrics(t.Registry), jobs: telemetry.NewJobMetrics(t.Registry), slos: telemetry.NewSLOMetrics(t.Registry),
		intelligence: telemetry.NewIntelligenceMetrics(t.Registry), children: telemetry.NewChildMetrics(t.Registry),
		runs: telemetry.NewRunMetrics(t.Registry),
	}
	p.metrics.jobs.Expect(periodic...)
	p.onClose(func() {
		if err := t.Shutdown(context.WithoutCancel(ctx)); err != nil {
			p.log.Warn("some telemetry was not sent", "error", err)
		}
	})
	return nil
}

// waitForDatabase is how long a PostgreSQL that is not ours may take to answer at start.
const (
	databaseRetry  = time.Second
	databaseReport = 10 * time.Second
)

// openStorage opens the database and brings its tables up to date. A PostgreSQL that is away is waited for.
func (p *plane) openStorage(ctx context.Context) error {
	var last time.Time
	for {
		err := p.openOnce(ctx)
		if err == nil || !fault.Is(err, fault.Unavailable) || ctx.Err() != nil {
			return err
		}
		if time.Since(last) > databaseReport {
			p.log.Warn("PostgreSQL does not answer; waiting for it", "error", err)
			last = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(databaseRetry):
		}
	}
}

func (p *plane) openOnce(ctx context.Context) error {
	db, err := postgres.Open(ctx, postgres.Config{URL: p.config.DatabaseURL, Log: p.log, Tracer: telemetry.PGXTracer()})
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx); err != nil {
		db.Close()
		return err
	}
	p.db = db
	p.telemetry.Registry.MustRegister(db.Collector())
	p.onClose(db.Close)
	return nil
}

// startDefinitions reads what is applied, and applies the folder that the configuration names.
func (p *plane) startDefinitions(ctx context.Context) error {
	p.definitions = definitions.New(p.db, func(name string) bool { _, ok := runbooks.Read(name); return ok })
	p.definitions.AskAccounts(p.db.WithoutAccount)
	p.db.UseChannels(func() incidents.Channels { return p.definitions.Catalog().Channels() })
	p.db.UseSchedules(func() map[string]oncall.Schedule { return p.definitions.Catalog().Schedules() })
	if err := p.definitions.Refresh(ctx); err != nil {
		return err
	}
	if p.config.Apply == "" {
		return nil
	}
	files, err := definitions.Files([]string{p.config.Apply}, os.Stdin)
	if err != nil {
		return err
	}
	_, err = p.definitions.Apply(ctx, access.System("start"), files, false)
	return err
}

// router is how alerts become signals under the definitions in force.
func (p *plane) router() incidents.Router { return p.definitions.Catalog().Router(p.runbookURL) }

// secretDir is where relative secret files of definitions are looked up.
func (p *plane) secretDir() string { return cmp.Or(p.config.SecretDir, p.config.DataDir) }

// notifiers are the providers of pages, by their names in definitions.
func (p *plane) notifiers() map[string]incidents.Notifier {
	secrets := p.secretDir()
	notifiers := map[string]incidents.Notifier{
		"pagerduty": pagerduty.New(secrets), "webhook": webhook.New(secrets), "email": noMail{},
	}
	maps.Copy(notifiers, chats(secrets))
	maps.Copy(notifiers, phones(secrets, p.hookURL))
	if p.config.SMTPURL != "" {
		mail, err := email.New(p.config.SMTPURL, p.config.MailFrom)
		if err != nil {
			p.log.Error("e-mail pages cannot be sent", "error", err)
		} else {
			notifiers["email"] = mail
		}
	}
	return notifiers
}

// pager sends what is in the outbox through every provider.
func (p *plane) pager() *incidents.Pager {
	host, _ := os.Hostname()
	return &incidents.Pager{
		Outbox: p.db, Notifiers: p.notifiers(), BaseURL: p.config.PublicURL(), Owner: host, Log: p.log, Observe: p.metrics.pages,
	}
}

// noMail fails e-mail pages at once and visibly where no mail server is configured, so that the next step follows.
type noMail struct{}

func (noMail) Send(context.Context, incidents.Notification) (incidents.Receipt, error) {
	return incidents.Receipt{}, fault.New(fault.Invalid, "no mail server is configured; start the control plane with --smtp-url")
}
