package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// audience says whose people may call an operation.
type audience string

const (
	operatorOnly audience = "operator" // the people who run the services
	anyone       audience = "any"      // tenants' people too, who see their own data only
)

// public is the role of what needs nobody signed in.
const public access.Role = "none"

// operation is one REST operation with what guards it, beside its handler.
type operation struct {
	id       string // operationId, kebab-case
	method   string
	path     string // below /api/v1, parameters in braces
	summary  string
	about    string // what a caller should know beyond the summary
	tag      string
	role     access.Role // the least role that may call it
	audience audience
	status   int  // of success; 200 unless set
	slow     bool // has the analyses' deadline
	endless  bool // has none
	produces string
}

// permit returns nil if the principal may call the operation.
func (o operation) permit(who access.Principal) error {
	if o.role == public {
		return nil
	}
	if err := who.Require(o.role); err != nil {
		return err
	}
	if o.audience == operatorOnly && who.Tenant != "" {
		return fault.New(fault.Forbidden, "this is for the operator's people; you belong to %s", who.Tenant)
	}
	return nil
}

// route is the template that the router knows it by.
func (o operation) route() string {
	return apiPath + strings.NewReplacer("{", ":", "}", "").Replace(o.path)
}

// body is an answer that is JSON and nothing else.
type body[T any] struct{ Body T }

func show[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return &body[T]{Body: v}, nil
}

// none is the input of operations that take nothing.
type none struct{}

// register adds an operation: the guard comes before the input is even read, and what the handler returns as an error is
// answered as a Problem.
func register[I, O any](a *API, o operation, handler func(context.Context, *I) (*O, error)) {
	a.slow[o.route()], a.endless[o.route()] = o.slow, o.endless
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: apiPath + o.path, Summary: o.summary, Description: o.about, Tags: []string{o.tag},
		DefaultStatus: o.status, MaxBodyBytes: int64(a.config.BodyLimit),
		Extensions:  map[string]any{"x-required-role": string(o.role), "x-audience": string(o.audience)},
		Middlewares: huma.Middlewares{a.guard(o)},
	}
	if o.role == public {
		op.Security = []map[string][]string{{}}
	}
	if o.produces != "" {
		op.Responses = map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{o.produces: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}}
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, problemFor(ctx, err)
		}
		return out, nil
	})
}

// problemFor words an error for the client and keeps its cause for the log.
func problemFor(ctx context.Context, err error) *Problem {
	e := exchangeOf(ctx)
	e.failed(err)
	p := problemOf(err)
	p.RequestID = e.id
	return p
}

func (a *API) guard(o operation) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		err := o.permit(access.PrincipalOf(ctx.Context()))
		if err == nil {
			next(ctx)
			return
		}
		p := problemFor(ctx.Context(), err)
		for name, values := range p.GetHeaders() {
			ctx.SetHeader(name, values[0])
		}
		ctx.SetHeader(fiber.HeaderContentType, p.ContentType(""))
		ctx.SetStatus(p.Status)
		_ = json.NewEncoder(ctx.BodyWriter()).Encode(p) // into the response's buffer, which takes it all
	}
}

// tenantOf narrows a question to a tenant: the operator's people may name any, "" being all; a tenant's people only their
// own, and another's is not found, so that nobody learns who else is a customer.
func tenantOf(who access.Principal, asked string) (string, error) {
	if who.Tenant == "" || asked == who.Tenant {
		return asked, nil
	}
	if asked == "" {
		return who.Tenant, nil
	}
	return "", fault.New(fault.NotFound, "there is no tenant %q", asked)
}

func humaConfig(version string) huma.Config {
	c := huma.DefaultConfig("Nines", version)
	c.Info.Description = "Keeps services within their promises: SLOs, alerts, incidents, SLA reports and capacity. " +
		"Errors are application/problem+json; `code` is for programs, `detail` for people. " +
		"x-required-role names the least role an operation needs, x-audience whether tenants' people may call it."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // the document is served by mountOpenAPI; pages come from elsewhere
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true // a misspelt filter must not mean "all"
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[cost.Money](), reflect.TypeFor[string]()) // it writes itself as text
	c.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[cost.Decimal](), reflect.TypeFor[string]())
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token; made with POST /api/v1/tokens."},
		"basic":   {Type: "http", Scheme: "basic", Description: "Any user name with an API token as the password."},
		"session": {Type: "apiKey", In: "cookie", Name: CookieName(""), Description: "The session cookie of POST /api/v1/sign-in; __Host-nines over https."},
	}
	c.Security = []map[string][]string{{"token": {}}, {"basic": {}}, {"session": {}}}
	return c
}

// schemaName keeps types of the same name in different packages apart: slo.Report is SloReport.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	room := path.Base(t.PkgPath())
	if t.Name() == "" || room == "." || room == "httpapi" || strings.Contains(t.Name(), "[") {
		return name
	}
	return strings.ToUpper(room[:1]) + room[1:] + name
}

const (
	get  = http.MethodGet
	post = http.MethodPost
)
