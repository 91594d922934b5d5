package postgres

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
)

// Routing is what the definitions in force say of alerts: what keeps them from paging, and where they go otherwise.
type Routing struct {
	Router incidents.Router
	Rules  alerting.Rules // compiled, where they are used for long
}

const silencesInForceSQL = `
select ` + silenceColumns + ` from silences where ends_at > @now and starts_at <= @now`

// Candidates alone: a rule's source has all the labels that are asked for, and may still be none.
const sourcesSQL = `
select tenant_id, fingerprint, labels, starts_at, ends_at
from alerts
where open and ends_at > @now and (@everyone or tenant_id = any(@tenants::text[])) and labels @> any(@required::jsonb[])`

// convene prepares verdicts on what is told, and leaves the judge out where nothing can keep an alert from paging.
func (in *intake) convene(ctx context.Context, told []alerting.Alert, silences []alerting.Silence) error {
	rules := in.routing.Rules
	if len(silences) == 0 && len(rules.Inhibit) == 0 && len(rules.Maintenance) == 0 {
		return nil
	}
	var firing []alerting.Alert
	if slices.ContainsFunc(told, rules.Inhibitable) {
		stored, err := sources(ctx, in.tx, rules, in.now, tenantsOf(told))
		if err != nil {
			return err
		}
		firing = after(stored, told, rules, in.now)
	}
	in.judge = alerting.NewJudge(rules, silences, firing, in.now)
	return nil
}

// tenantsOf are the tenants of alerts, and the operator, whose alerts concern everybody's.
func tenantsOf(told []alerting.Alert) []string {
	tenants := map[string]bool{"": true}
	for _, a := range told {
		tenants[a.Tenant] = true
	}
	return slices.Collect(maps.Keys(tenants))
}

// sources returns the alerts that fire and may keep those of the tenants from paging; nil tenants are all.
func sources(ctx context.Context, tx querier, rules alerting.Rules, now time.Time, tenants []string) ([]alerting.Alert, error) {
	if len(rules.Inhibit) == 0 {
		return nil, nil
	}
	found, err := rows(ctx, tx, sourcesSQL, pgx.NamedArgs{
		"now": now, "everyone": tenants == nil, "tenants": tenants, "required": column(rules.InhibitorLabels(), pairs),
	}, scanSource)
	return slices.DeleteFunc(found, func(a alerting.Alert) bool { return !rules.Inhibits(a) }), err
}

func scanSource(row pgx.CollectableRow) (a alerting.Alert, err error) {
	return a, row.Scan(&a.Tenant, &a.Fingerprint, &a.Labels, &a.StartsAt, &a.EndsAt)
}

// after returns the sources as they are once it is known what is told.
func after(stored, told []alerting.Alert, rules alerting.Rules, now time.Time) []alerting.Alert {
	firing := make(map[alertKey]alerting.Alert, len(stored))
	for _, a := range stored {
		firing[keyOf(a)] = a
	}
	for _, a := range told {
		switch _, known := firing[keyOf(a)]; {
		case !a.Firing(now):
			delete(firing, keyOf(a))
		case !known && rules.Inhibits(a):
			firing[keyOf(a)] = a
		}
	}
	return slices.Collect(maps.Values(firing))
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
