package service

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/telemetry"
	"github.com/nines-sre/nines/service/web"
	"golang.org/x/sync/errgroup"
)

// shutdownTime is how long requests in flight get to finish when the control plane stops.
const shutdownTime = 10 * time.Second

// buildApp joins the machine-facing API and the pages in one Fiber app.
func (p *plane) buildApp(context.Context) error {
	p.hub = httpapi.NewHub()
	telemetry.Watch(p.telemetry.Registry, "nines_event_streams", "Live event streams that are open.", func() float64 { return float64(p.hub.Listeners()) })
	answers, stakes := insight{p.intelligence}, p.newStakes()
	prometheusURL := p.config.PrometheusURL
	if prometheusURL == "" {
		prometheusURL = "http://" + loopback(p.config.EngineListen)
	}
	app, err := httpapi.New(httpapi.Config{
		BaseURL: p.config.PublicURL(), Version: p.options.Version, ResolveTimeout: p.config.ResolveAfter,
		PrometheusURL: prometheusURL, PrometheusToken: p.engineToken, HTMLError: web.HTMLError,
	}, httpapi.Deps{
		OnCall:   onCall{p.db, p},
		Sessions: sessions{p.db, p.engineToken}, People: people{p.db}, Audit: auditLog{p.db}, Definitions: p.definitions, Versions: p.db,
		Alerts: alerts{p.db}, Incidents: p.db, Past: p.db, Intelligence: apiInsight{answers}, Decisions: p.db, Forecasts: forecastLog{p.db},
		Corrections: p.corrections(), Budgets: budgets{p.intelligence}, Gate: p.gatekeeper(), Hooks: p.hooks(),
		AlertHistory: p.db, Silences: silences{p.db, p}, Heartbeats: heartbeats{p}, Explainer: explainer{p}, Contacts: p.contacts(),
		Assigner: p.assigner(), Reach: p.reach(),
		Room:        p.room(),
		Trackers:    trackerDesk{p.db, p},
		Postmortems: p.postmortems(),
		Evidence:    p.evidence(stakes),
		Runbooks:    runner{p},
		AlertRules:  func() alerting.Rules { return p.definitions.Catalog().AlertRules() },
		Router:      p.router, TierOf: func(tenant string) string { return p.definitions.Catalog().Tier(tenant) },
		Metrics: p.metrics.http, Events: p.hub, Log: p.log,
	})
	if err != nil {
		return err
	}
	p.app = app
	return web.Mount(app, web.Config{CookieName: httpapi.CookieName(p.config.PublicURL()), BaseURL: p.config.PublicURL(), Version: p.options.Version},
		web.Deps{OnCall: webOnCall{onCall{p.db, p}}, Reach: webReach{p.reach()}, Sessions: p.db, Incidents: p.db, Insight: webInsight{answers}, Definitions: pageDefinitions{p.definitions}, Runbook: p.runbookText, Log: p.log,
			Corrections: webCorrections{p.corrections()}, Changes: p.db, Alerts: webAlerts{silences{p.db, p}}, Contacts: p.contacts(),
			Assigner: p.assigner(), Room: p.room(), Runbooks: webRunbooks{runner{p}}, Postmortems: webPostmortems{p.postmortems()},
			Evidence: p.evidence(stakes), Capacity: webCapacity{p}})
}

// sessions knows the engine's own token beside those that are stored.
type sessions struct {
	httpapi.Sessions
	engineToken string
}

// PrincipalOfToken returns who is behind an API token.
func (s sessions) PrincipalOfToken(ctx context.Context, token string) (access.Principal, error) {
	if s.engineToken != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.engineToken)) == 1 {
		return access.Principal{ID: "system:engine", Name: "metrics engine", Role: access.Responder}, nil
	}
	return s.Sessions.PrincipalOfToken(ctx, token)
}

// listen opens both listeners before anything is promised, and serves on them until ctx ends.
func (p *plane) listen(ctx context.Context, g *errgroup.Group) error {
	public, err := open(p.config.Listen, "listen")
	if err != nil {
		return err
	}
	private, err := open(p.config.OpsListen, "ops-listen")
	if err != nil {
		_ = public.Close() // nothing was served on it
		return err
	}
	ops := &http.Server{Handler: telemetry.OpsHandler(p.telemetry.Registry, p.checks), ReadHeaderTimeout: 10 * time.Second}
	g.Go(func() error { return p.app.Listener(public) })
	g.Go(func() error {
		if err := ops.Serve(private); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		p.hub.Close() // streams have no end of their own, and shutting down waits for them
		// Until then answers ask their clients to connect anew, so that nobody sends on a connection that we are closing.
		time.Sleep(p.config.Drain)
		err := p.app.ShutdownWithTimeout(shutdownTime)
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		return errors.Join(err, ops.Shutdown(stop))
	})
	return nil
}

func open(address, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.Wrap(fault.Conflict, err, "cannot listen on %s; is another Nines running? name another address with --%s", address, flag)
	}
	return l, nil
}

// checks is what /readyz shows. Without storage nothing works; without the engine paging and the UI still do, but numbers
// are missing, so a load balancer should know.
func (p *plane) checks(ctx context.Context) []telemetry.Check {
	out := []telemetry.Check{check("storage", p.db.Ping(ctx))}
	out = append(out, check("metrics engine", p.engine.Ready(ctx)))
	for _, c := range p.children {
		s := c.State()
		detail := s.Detail
		if s.Up {
			detail = "running"
		}
		out = append(out, telemetry.Check{Name: "child " + s.Name, OK: s.Up, Detail: detail, Since: s.Since})
	}
	if p.hub.Closed() {
		out = append(out, check("stopping", errors.New("told to stop; send requests elsewhere")))
	}
	return out
}

func check(name string, err error) telemetry.Check {
	c := telemetry.Check{Name: name, OK: err == nil, Required: true, Detail: "answers"}
	if err != nil {
		c.Detail = err.Error()
	}
	return c
}
