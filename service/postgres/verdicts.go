package postgres

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
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
	in.seat(silences, firing)
	return nil
}

// seat makes the judge, and remembers the words for what it finds.
func (in *intake) seat(silences []alerting.Silence, firing []alerting.Alert) {
	in.judge = alerting.NewJudge(in.routing.Rules, silences, firing, in.now)
	in.words = make(map[string]string, len(silences)+len(firing))
	for _, s := range silences {
		in.words[s.ID] = wordsOfSilence(s)
	}
	for _, a := range firing {
		in.words[a.Fingerprint] = strings.TrimSpace("alert " + a.Labels["alertname"] + " " + serviceLabel(a.Labels))
	}
}

func wordsOfSilence(s alerting.Silence) string {
	words := "silence"
	if s.CreatedBy != "" {
		words += " of " + s.CreatedBy
	}
	words += " until " + s.EndsAt.UTC().Format("2006-01-02 15:04 UTC")
	if s.Comment != "" {
		words += " (" + short(s.Comment) + ")"
	}
	return words
}

const longestComment = 80 // characters of a comment, on a timeline

func short(comment string) string {
	comment = strings.Join(strings.Fields(comment), " ")
	if runes := []rune(comment); len(runes) > longestComment {
		return string(runes[:longestComment-1]) + "…"
	}
	return comment
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

const silencesNotExpiredSQL = `
select ` + silenceColumns + `
from silences
where ends_at > @now and (@everyone or tenant_id = any(@tenants::text[]))
order by ends_at, id`

// Judge returns a judge over all that may keep the scope's alerts from paging now, who can explain what becomes of one;
// silences that have not begun are among it. What concerns other tenants alone is not.
func (d *DB) Judge(ctx context.Context, scope access.Scope, routing Routing) (*alerting.Judge, error) {
	tenants, rules := []string(nil), routing.Rules
	if !scope.IsOperator() {
		tenants = []string{"", scope.TenantName()}
		rules = rulesFor(tenants, rules)
	}
	var judge *alerting.Judge
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		args := pgx.NamedArgs{"now": now, "everyone": tenants == nil, "tenants": tenants}
		silences, err := rows(ctx, tx, silencesNotExpiredSQL, args, scanSilence)
		if err != nil {
			return err
		}
		firing, err := sources(ctx, tx, rules, now, tenants)
		judge = alerting.NewJudge(rules, silences, firing, now)
		return err
	})
	return judge, explain(ctx, err, "judge alerts")
}

func rulesFor(tenants []string, rules alerting.Rules) alerting.Rules {
	own := alerting.Rules{Inhibit: rules.Inhibit}
	for _, w := range rules.Maintenance {
		if slices.Contains(tenants, w.Tenant) {
			own.Maintenance = append(own.Maintenance, w)
		}
	}
	for _, r := range rules.Routes {
		if slices.Contains(tenants, r.Tenant) {
			own.Routes = append(own.Routes, r)
		}
	}
	return own
}
