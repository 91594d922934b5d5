package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
)

// Routing is what the definitions in force say of alerts: what keeps them from paging, and where they go otherwise.
type Routing struct {
	Router incidents.Router
	Rules  alerting.Rules
}

// needsSources reports whether a verdict on one of the alerts may depend on others that fire.
func (r Routing) needsSources(told []alerting.Alert) bool {
	for _, rule := range r.Rules.Inhibit {
		for _, a := range told {
			if rule.IsTarget(a.Labels) {
				return true
			}
		}
	}
	return false
}

// inhibits reports whether the alert may keep others from paging.
func (r Routing) inhibits(a alerting.Alert) bool {
	for _, rule := range r.Rules.Inhibit {
		if rule.IsSource(a.Labels) {
			return true
		}
	}
	return false
}

const silencesInForceSQL = `
select ` + silenceColumns + ` from silences where ends_at > @now and starts_at <= @now`

const sourcesSQL = `
select tenant_id, fingerprint, labels, starts_at, ends_at from alerts where open and ends_at > @now and tenant_id = any(@tenants::text[])`

// judge prepares verdicts on what is told: its own firing alerts count as sources, too. It returns nil where nothing can
// keep an alert from paging.
func (in *intake) prepare(ctx context.Context, told []alerting.Alert, silences []alerting.Silence) error {
	rules := in.routing.Rules
	if len(silences) == 0 && len(rules.Inhibit) == 0 && len(rules.Maintenance) == 0 {
		return nil
	}
	var firing []alerting.Alert
	if in.routing.needsSources(told) {
		stored, err := in.sources(ctx, told)
		if err != nil {
			return err
		}
		firing = stored
	}
	in.judge = alerting.NewJudge(rules, silences, firing, in.now)
	return nil
}

// sources returns the alerts that fire and may keep others from paging, as they will be after this telling.
func (in *intake) sources(ctx context.Context, told []alerting.Alert) ([]alerting.Alert, error) {
	tenants := map[string]bool{"": true}
	firing := map[alertKey]alerting.Alert{}
	for _, a := range told {
		tenants[a.Tenant] = true
	}
	names := make([]string, 0, len(tenants))
	for name := range tenants {
		names = append(names, name)
	}
	stored, err := rows(ctx, in.tx, sourcesSQL, pgx.NamedArgs{"now": in.now, "tenants": names}, scanSource)
	if err != nil {
		return nil, err
	}
	for _, a := range stored {
		firing[keyOf(a)] = a
	}
	for _, a := range told {
		if a.Firing(in.now) {
			firing[keyOf(a)] = a
		} else {
			delete(firing, keyOf(a))
		}
	}
	out := make([]alerting.Alert, 0, len(firing))
	for _, a := range firing {
		if in.routing.inhibits(a) {
			out = append(out, a)
		}
	}
	return out, nil
}

func scanSource(row pgx.CollectableRow) (a alerting.Alert, err error) {
	return a, row.Scan(&a.Tenant, &a.Fingerprint, &a.Labels, &a.StartsAt, &a.EndsAt)
}

// verdict is nil where nothing keeps the alert from paging.
func (in *intake) verdict(a alerting.Alert) *alerting.Verdict {
	if in.judge == nil {
		return nil
	}
	if v := in.judge.Verdict(a); v.Suppressed() {
		return &v
	}
	return nil
}

var _ = time.Second
