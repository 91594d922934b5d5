package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/promguard"
)

// proxied is what of Prometheus's HTTP API is passed on; all of it only reads. Asked with POST, the parameters are in a
// form, as Grafana sends long queries.
var proxied = []struct {
	path string
	post bool
}{
	{"/query", true}, {"/query_range", true}, {"/query_exemplars", true}, {"/format_query", true}, {"/labels", true}, {"/series", true},
	{"/label/:name/values", false}, {"/metadata", false}, {"/rules", false}, {"/alerts", false}, {"/targets", false}, {"/status/buildinfo", false},
}

// engine is the metrics engine behind the proxy.
type engine struct {
	base  string
	token string
	most  int64 // bytes of one answer
	http  *http.Client
}

func newEngine(c Config) (*engine, error) {
	u, err := url.Parse(c.PrometheusURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fault.New(fault.Invalid, "httpapi: PrometheusURL %q is not an http or https URL", c.PrometheusURL)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: c.AnalysisTimeout}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &engine{
		base: strings.TrimRight(c.PrometheusURL, "/"), token: c.PrometheusToken, most: c.ProxyLimit,
		http: &http.Client{Transport: transport, CheckRedirect: refuse},
	}, nil
}

func (a *API) mountPrometheus(r fiber.Router) {
	r.Use(operatorsOnly)
	for _, p := range proxied {
		r.Get("/api/v1"+p.path, a.proxy)
		if p.post {
			r.Post("/api/v1"+p.path, a.proxy)
		}
	}
}

// operatorsOnly guards raw PromQL: a query is not bound to a tenant.
func operatorsOnly(c *fiber.Ctx) error {
	rights := operation{role: access.Viewer, audience: operatorOnly}
	if err := rights.permit(access.PrincipalOf(c.UserContext())); err != nil {
		return err
	}
	return c.Next()
}

// proxy passes a question on to the engine and its answer back, status included.
func (a *API) proxy(c *fiber.Ctx) error {
	params, err := promParams(c)
	if err != nil {
		return err
	}
	if err := guardParams(params); err != nil {
		return err
	}
	status, answer, err := a.engine.ask(c.UserContext(), c.Method(), strings.TrimPrefix(c.Path(), prometheusPath), params)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(status).Send(answer)
}

// promParams reads the query string and, of a POST, the form.
func promParams(c *fiber.Ctx) (url.Values, error) {
	params, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the query string cannot be read")
	}
	if c.Method() != fiber.MethodPost {
		return params, nil
	}
	if media, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";"); !strings.EqualFold(strings.TrimSpace(media), fiber.MIMEApplicationForm) {
		return nil, refusal(http.StatusUnsupportedMediaType, "send the parameters as %s", fiber.MIMEApplicationForm)
	}
	form, err := url.ParseQuery(string(c.Body()))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the form cannot be read")
	}
	for name, values := range form {
		params[name] = append(params[name], values...)
	}
	return params, nil
}

// guardParams checks every expression before the engine's parser, which nothing can interrupt, gets to see it.
func guardParams(params url.Values) error {
	const mostSelectors = 100
	for _, name := range []string{"query", "match[]"} {
		if len(params[name]) > mostSelectors {
			return fault.New(fault.Invalid, "%s: is given %d times; the most is %d", name, len(params[name]), mostSelectors)
		}
		for _, expr := range params[name] {
			if err := promguard.Check(expr); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask sends the question within ctx's deadline. No header of the client's goes along but the trace.
func (e *engine) ask(ctx context.Context, method, path string, params url.Values) (status int, answer []byte, err error) {
	ctx, span := otel.Tracer(instrumentation).Start(ctx, "prometheus proxy", trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	if deadline, ok := ctx.Deadline(); ok {
		params.Set("timeout", shorter(params.Get("timeout"), time.Until(deadline)))
	}
	req, err := e.request(ctx, method, path, params)
	if err != nil {
		return 0, nil, fault.Wrap(fault.Invalid, err, "the request cannot be passed on")
	}
	res, err := e.http.Do(req)
	if err != nil {
		return 0, nil, engineFault(err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, e.most+1))
	switch {
	case err != nil:
		return 0, nil, engineFault(err)
	case int64(len(answer)) > e.most:
		return 0, nil, refusal(http.StatusUnprocessableEntity, "the answer is larger than %d bytes; ask for fewer series or a longer step", e.most)
	case !json.Valid(answer):
		return 0, nil, fault.Wrap(fault.Unavailable, fmt.Errorf("engine answered %s with something that is not JSON", res.Status), "the metrics engine does not answer as it should; try again")
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return 0, nil, fault.Wrap(fault.Unavailable, errors.New(res.Status), "the metrics engine refuses our credential")
	}
	return res.StatusCode, answer, nil
}

func (e *engine) request(ctx context.Context, method, path string, params url.Values) (*http.Request, error) {
	target, encoded := e.base+path, params.Encode()
	var form io.Reader
	if method == http.MethodPost {
		form = strings.NewReader(encoded)
	} else {
		target += "?" + encoded
	}
	req, err := http.NewRequestWithContext(ctx, method, target, form)
	if err != nil {
		return nil, err
	}
	if form != nil {
		req.Header.Set(fiber.HeaderContentType, fiber.MIMEApplicationForm)
	}
	if e.token != "" {
		req.Header.Set(fiber.HeaderAuthorization, "Bearer "+e.token)
	}
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(req.Header))
	return req, nil
}

func engineFault(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(fault.Timeout, err, "the query took too long and was stopped; ask for a shorter range or a longer step")
	}
	return fault.Wrap(fault.Unavailable, err, "the metrics engine does not answer; try again in a moment")
}

// shorter returns the client's timeout, seconds or a Prometheus duration, unless ours ends before it.
func shorter(asked string, ours time.Duration) string {
	limit := max(ours, time.Millisecond)
	if seconds, err := finite(asked); err == nil && seconds > 0 && seconds < limit.Seconds() {
		return asked
	}
	if d, err := time.ParseDuration(asked); err == nil && d > 0 && d < limit {
		return asked
	}
	return strconv.FormatFloat(limit.Seconds(), 'f', 3, 64)
}

// finite reads a number that is neither NaN nor infinite.
func finite(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		err = errors.New("not a finite number")
	}
	return x, err
}

// prometheusProblem words a Problem as Prometheus does, which Grafana shows to people.
func prometheusProblem(p *Problem) fiber.Map {
	kinds := map[int]string{
		http.StatusBadRequest: "bad_data", http.StatusNotFound: "not_found", http.StatusUnprocessableEntity: "execution",
		http.StatusServiceUnavailable: "unavailable", http.StatusGatewayTimeout: "timeout", http.StatusInternalServerError: "internal",
		http.StatusUnauthorized: "unauthorized", http.StatusForbidden: "forbidden",
	}
	kind, known := kinds[p.Status]
	if !known {
		kind = "bad_data"
	}
	text := p.Detail
	for _, d := range p.Errors {
		text += "; " + d.Location + ": " + d.Message
	}
	return fiber.Map{"status": "error", "errorType": kind, "error": text}
}
