// Package access has the words for who asks and what they may see: Role, Principal, Scope.
// It neither authenticates nor stores anybody.
package access

import (
	"context"
	"slices"

	"github.com/nines-sre/nines/internal/fault"
)

// Role is what a person or token may do. Each role may do all that the ones before it may.
type Role string

// The roles, least first.
const (
	Viewer    Role = "viewer"    // reads
	Responder Role = "responder" // acknowledges, resolves, silences, posts alerts
	Editor    Role = "editor"    // applies definitions
	Admin     Role = "admin"     // manages people and tokens
)

// Roles lists every role, least first.
var Roles = []Role{Viewer, Responder, Editor, Admin}

// Valid reports whether r is one of Roles.
func (r Role) Valid() bool { return slices.Contains(Roles, r) }

// Includes reports whether r may do what needs role want. An unknown role includes nothing.
func (r Role) Includes(want Role) bool {
	have := slices.Index(Roles, r)
	need := slices.Index(Roles, want)
	return have >= 0 && need >= 0 && have >= need
}

// Scope is whose data a query may touch. The zero Scope sees nothing.
type Scope struct {
	tenant   string
	operator bool
}

// Operator is the scope of the people who run the services: every tenant's data.
func Operator() Scope { return Scope{operator: true} }

// Tenant is the scope of one customer: only rows with its tenant_id. An empty name sees nothing.
func Tenant(name string) Scope { return Scope{tenant: name} }

// IsOperator reports whether every tenant's data is in scope.
func (s Scope) IsOperator() bool { return s.operator }

// TenantName returns the tenant of a tenant scope, and "" otherwise.
func (s Scope) TenantName() string { return s.tenant }

// Allows reports whether a row of the tenant may be seen.
func (s Scope) Allows(tenant string) bool {
	return s.operator || (s.tenant != "" && s.tenant == tenant)
}

// Principal is who asks: a signed-in person, a token or the system itself.
type Principal struct {
	ID     string // "user:<uuid>", "token:<uuid>" or "system:<what>"; this is the audit record's actor
	Name   string // e-mail or token name, for people
	Role   Role
	Tenant string // "" for the operator's own people
}

// System is the principal of work that nobody asked for in person, such as an alert or a timer.
func System(what string) Principal {
	return Principal{ID: "system:" + what, Name: what, Role: Admin}
}

// Scope returns what the principal may see: its tenant's rows, or all for the operator's people.
func (p Principal) Scope() Scope {
	if p.ID == "" {
		return Scope{}
	}
	if p.Tenant != "" {
		return Tenant(p.Tenant)
	}
	return Operator()
}

type principalKey struct{}

// WithPrincipal returns a context that carries who asks.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns who asks, and the zero Principal, which may do and see nothing, where nobody was authenticated.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}

// Require returns nil if the principal's role includes want; otherwise a fault.Unauthorized for nobody and a
// fault.Forbidden for somebody.
func (p Principal) Require(want Role) error {
	switch {
	case p.ID == "":
		return fault.New(fault.Unauthorized, "sign in, or send an API token")
	case !p.Role.Includes(want):
		return fault.New(fault.Forbidden, "this needs the role %s; you are %s", want, p.Role)
	}
	return nil
}
