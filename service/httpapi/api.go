// Package httpapi is the public HTTP surface for machines: the REST API with its OpenAPI document, Alertmanager's API v2,
// the guarded Prometheus query proxy and the event stream, with the middleware that every request passes. Handlers read,
// ask and show; rules, storage and pages live elsewhere and come in as the small interfaces of Deps.
package httpapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
)

// The roots of the three families of addresses.
const (
	apiPath          = "/api/v1"
	alertmanagerPath = "/alertmanager"
	prometheusPath   = "/prometheus"
)

// Config is what can be set about the API. Zero fields take their defaults.
type Config struct {
	BaseURL         string        // how people reach the site; https makes cookies Secure and sends HSTS
	Version         string        // of the program
	ResolveTimeout  time.Duration // end of an alert that names none; 5m
	RequestTimeout  time.Duration // of most requests; 10s
	AnalysisTimeout time.Duration // of analyses, reports and proxied queries; 30s
	SlowRequest     time.Duration // a request that took longer is logged as a warning; 1s
	BodyLimit       int           // bytes of a request's body, also when decompressed; 4 MiB
	PrometheusURL   string        // of the engine behind /prometheus
	PrometheusToken string        // Bearer token for it; "" sends none
	ProxyLimit      int64         // bytes of one proxied answer; 64 MiB
	// TrustedProxies are our own proxies, whose X-Forwarded-For says who a client is; from others it is ignored.
	TrustedProxies []netip.Prefix
	// HTMLError answers errors outside of the APIs; nil answers problem+json there too. The message is safe to show.
	HTMLError func(c *fiber.Ctx, status int, message string) error
}

func (c Config) https() bool { return strings.HasPrefix(c.BaseURL, "https://") }

func (c Config) withDefaults() Config {
	orDuration(&c.ResolveTimeout, alerting.DefaultResolveTimeout)
	orDuration(&c.RequestTimeout, 10*time.Second)
	orDuration(&c.AnalysisTimeout, 30*time.Second)
	orDuration(&c.SlowRequest, time.Second)
	if c.BodyLimit <= 0 {
		c.BodyLimit = 4 << 20
	}
	if c.ProxyLimit <= 0 {
		c.ProxyLimit = 64 << 20
	}
	return c
}

func orDuration(d *time.Duration, otherwise time.Duration) {
	if *d <= 0 {
		*d = otherwise
	}
}

// API is the state behind the routes.
type API struct {
	config   Config
	deps     Deps
	cookie   string
	began    time.Time
	routes   *routes
	attempts *attempts
	calls    *attempts // of integrations
	engine   *engine
	huma     huma.API
	slow     map[string]bool // route templates with the analyses' deadline
	endless  map[string]bool // route templates without one
}

// New builds the app with every middleware and machine-facing route. Further routes, such as the pages, are mounted on it
// afterwards and pass the same middleware. A missing dependency or a base URL that is none is a fault.Invalid.
func New(c Config, d Deps) (*fiber.App, error) {
	a, app, err := build(c, d)
	if err != nil {
		return nil, err
	}
	a.mount(app)
	return app, nil
}

func build(c Config, d Deps) (*API, *fiber.App, error) {
	if err := d.check(); err != nil {
		return nil, nil, err
	}
	c = c.withDefaults()
	if u, err := url.Parse(c.BaseURL); c.BaseURL != "" && (err != nil || u.Host == "") {
		return nil, nil, fault.New(fault.Invalid, "httpapi: BaseURL %q is not a URL such as https://nines.example.com", c.BaseURL)
	}
	proxied, err := newEngine(c)
	if err != nil {
		return nil, nil, err
	}
	speakFaults()
	a := &API{
		config: c, deps: d.withDefaults(), cookie: CookieName(c.BaseURL), engine: proxied,
		attempts: newAttempts(), calls: newAttempts(),
		slow: map[string]bool{}, endless: map[string]bool{},
	}
	a.began = a.deps.Now()
	app := a.newApp()
	a.routes = &routes{app: app}
	return a, app, nil
}

// newApp sets the server's limits. There is no write timeout, because the event stream has no end; every other answer is
// bounded by its request's deadline.
func (a *API) newApp() *fiber.App {
	app := fiber.New(fiber.Config{
		AppName: "nines", DisableStartupMessage: true,
		Immutable:         true, // handlers hand values to other goroutines; views of a reused buffer would change under them
		CaseSensitive:     true,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       60 * time.Second,
		ReadBufferSize:    16 << 10, // long GET queries
		ReduceMemoryUsage: true,     // a connection that waits for its next request holds no buffer
		BodyLimit:         a.config.BodyLimit,
		ErrorHandler:      a.answerError,
	})
	app.Server().KeepHijackedConns = true // event streams go on after their request has ended
	return app
}

func (a *API) mount(app *fiber.App) {
	app.Use(a.observe, a.secureHeaders, saneHeaders, a.unpack, a.deadline, a.sameOrigin, a.limitSignIn, a.authenticate)
	a.huma = humafiber.New(app, humaConfig(a.config.Version))
	for _, mount := range []func(){
		a.mountFigures, // before incidents, whose {id} would take the word search
		a.mountPeople, a.mountDefinitions, a.mountPromises, a.mountIncidents, a.mountPast, a.mountReports, a.mountCosts, a.mountCapacity, a.mountEvents,
		a.mountCorrections, a.mountBudgets, a.mountGate, a.mountAlerts, a.mountSilences, a.mountHeartbeats, a.mountContacts,
		a.mountAssignments, a.mountRoom, a.mountTrackers, a.mountMethods, a.mountPostmortems, a.mountRunbooks,
	} {
		mount()
	}
	if a.deps.OnCall != nil {
		a.mountOnCall()
	}
	a.mountOpenAPI(app)
	a.mountAlertmanager(app.Group(alertmanagerPath))
	a.mountPrometheus(app.Group(prometheusPath))
	a.mountHooks(app)
}

func (d Deps) check() error {
	for name, missing := range map[string]bool{
		"Sessions": d.Sessions == nil, "People": d.People == nil, "Audit": d.Audit == nil, "Definitions": d.Definitions == nil,
		"Versions": d.Versions == nil, "Alerts": d.Alerts == nil, "Incidents": d.Incidents == nil, "Past": d.Past == nil, "Evidence": d.Evidence == nil,
		"AlertHistory": d.AlertHistory == nil, "Silences": d.Silences == nil, "Heartbeats": d.Heartbeats == nil, "Explainer": d.Explainer == nil,
		"Intelligence": d.Intelligence == nil, "Decisions": d.Decisions == nil, "Forecasts": d.Forecasts == nil, "Router": d.Router == nil,
		"Corrections": d.Corrections == nil, "Budgets": d.Budgets == nil, "Gate": d.Gate == nil, "TierOf": d.TierOf == nil, "Hooks": d.Hooks == nil, "Contacts": d.Contacts == nil, "Metrics": d.Metrics == nil,
		"Assigner": d.Assigner == nil, "Reach": d.Reach == nil,
		"Room":        d.Room == nil,
		"Trackers":    d.Trackers == nil,
		"Postmortems": d.Postmortems == nil,
		"Runbooks":    d.Runbooks == nil,
	} {
		if missing {
			return fault.New(fault.Invalid, "httpapi: Deps.%s must be set", name)
		}
	}
	return nil
}

func (d Deps) withDefaults() Deps {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.AlertRules == nil {
		d.AlertRules = func() alerting.Rules { return alerting.Rules{} }
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Events == nil {
		d.Events = NewHub()
	}
	return d
}

// mountOpenAPI serves the document of everything below /api/v1, made once, at the first request.
func (a *API) mountOpenAPI(app *fiber.App) {
	asJSON := sync.OnceValues(a.huma.OpenAPI().MarshalJSON)
	asYAML := sync.OnceValues(a.huma.OpenAPI().YAML)
	serve := func(mediaType string, document func() ([]byte, error)) fiber.Handler {
		return func(c *fiber.Ctx) error {
			text, err := document()
			if err != nil {
				return err
			}
			c.Set(fiber.HeaderContentType, mediaType)
			return c.Status(http.StatusOK).Send(text)
		}
	}
	app.Get(apiPath+"/openapi.json", serve("application/openapi+json", asJSON))
	app.Get(apiPath+"/openapi.yaml", serve("application/openapi+yaml", asYAML))
}
