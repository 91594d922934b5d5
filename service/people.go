package service

import (
	"context"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/prom"
)

// Storage's words for people, tokens, audit and alerts, put into the API's.

type people struct{ db *postgres.DB }

// CreateUser makes an account.
func (p people) CreateUser(ctx context.Context, who access.Principal, u httpapi.User, password string) (httpapi.User, error) {
	made, err := p.db.CreateUser(ctx, who, postgres.User(u), password)
	return httpapi.User(made), err
}

// Users lists accounts.
func (p people) Users(ctx context.Context, who access.Principal) ([]httpapi.User, error) {
	found, err := p.db.Users(ctx, who)
	return each(found, func(u postgres.User) httpapi.User { return httpapi.User(u) }), err
}

// CreateToken makes an API token and returns its secret, once.
func (p people) CreateToken(ctx context.Context, who access.Principal, name string, role access.Role, tenant string) (string, httpapi.Token, error) {
	plain, t, err := p.db.CreateToken(ctx, who, name, role, tenant)
	return plain, httpapi.Token(t), err
}

// Tokens lists API tokens.
func (p people) Tokens(ctx context.Context, who access.Principal) ([]httpapi.Token, error) {
	found, err := p.db.Tokens(ctx, who)
	return each(found, func(t postgres.Token) httpapi.Token { return httpapi.Token(t) }), err
}

// RevokeToken makes a token useless.
func (p people) RevokeToken(ctx context.Context, who access.Principal, id string) error {
	return p.db.RevokeToken(ctx, who, id)
}

type auditLog struct{ db *postgres.DB }

// Audit reads who did what.
func (a auditLog) Audit(ctx context.Context, who access.Principal, f httpapi.AuditFilter) ([]httpapi.AuditRecord, error) {
	found, err := a.db.Audit(ctx, who, postgres.AuditFilter(f))
	return each(found, func(r postgres.AuditRecord) httpapi.AuditRecord { return httpapi.AuditRecord(r) }), err
}

// alerts is storage's intake with the API's filter.
type alerts struct{ *postgres.DB }

// ReceiveAlerts makes them durable and, unless a storm is on, waits until they were worked off.
func (a alerts) ReceiveAlerts(ctx context.Context, who access.Principal, told []alerting.Alert, _ incidents.Router) error {
	return a.AcceptAlerts(ctx, who, told)
}

// Alerts returns the alerts in scope.
func (a alerts) Alerts(ctx context.Context, scope access.Scope, firing bool) ([]alerting.Alert, error) {
	return a.DB.Alerts(ctx, scope, postgres.AlertFilter{Active: firing})
}

func forecastPoint(p prom.Point) forecast.Point { return forecast.Point(p) }

func each[A, B any](from []A, f func(A) B) []B {
	to := make([]B, 0, len(from))
	for _, a := range from {
		to = append(to, f(a))
	}
	return to
}
