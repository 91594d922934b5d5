package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"go.opentelemetry.io/otel/propagation"
)

// AlertFilter narrows a list of alerts. The zero filter is all of them, firing and ended, last told first.
type AlertFilter struct {
	Active   bool   // only those firing now
	Incident string // only those of the incident with this id; "" means all
	Limit    int    // 1 to 100000; 0 means all that the bound allows
}

const mostAlerts = 100_000

const alertColumns = `tenant_id, fingerprint, labels, annotations, starts_at, ends_at, updated_at, generator_url,
    coalesce(incident_id::text, ''), verdict`

func alertFields(a *alerting.Alert) []any {
	return []any{
		&a.Tenant, &a.Fingerprint, &a.Labels, &a.Annotations, &a.StartsAt, &a.EndsAt, &a.UpdatedAt, &a.GeneratorURL, &a.Incident, &a.Verdict,
	}
}

const alertsSQL = `
select ` + alertColumns + `
from alerts
where (not @active or (open and ends_at > clock_timestamp())) and (@incident = '' or incident_id = nullif(@incident, '')::uuid)
order by updated_at desc, id desc
limit @most`

// Alerts returns the alerts in scope.
func (d *DB) Alerts(ctx context.Context, scope access.Scope, f AlertFilter) ([]alerting.Alert, error) {
	if f.Incident != "" && !isUUID(f.Incident) {
		return nil, notThere(f.Incident)
	}
	args := pgx.NamedArgs{"active": f.Active, "incident": f.Incident, "most": clamp(f.Limit, mostAlerts, mostAlerts)}
	found, err := read(ctx, d.api, scope, alertsSQL, args, func(row pgx.CollectableRow) (a alerting.Alert, err error) {
		return a, row.Scan(alertFields(&a)...)
	})
	return found, explain(ctx, err, "list alerts")
}

// ReceiveAlerts stores what a source tells, opens, joins or ends incidents, and writes their timeline, pages and audit
// records: all of it in one transaction, so that nil means that nothing of it can be lost. The same told twice changes
// nothing but times. An ended alert that nobody knew is not kept. It needs the role responder.
//
// Alerts belong to the poster's tenant. Of the operator's own, an alert that names a tenant in its tenant label is that
// tenant's, so that customers see the incidents about their own promises.
func (d *DB) ReceiveAlerts(ctx context.Context, who access.Principal, alerts []alerting.Alert, routing Routing) error {
	if err := who.Require(access.Responder); err != nil {
		return err
	}
	told := distinct(who, alerts)
	if len(told) == 0 {
		return nil
	}
	leave, err := d.enterIntake(ctx)
	if err != nil {
		return explain(ctx, err, "receive alerts")
	}
	defer leave()
	trace := traceOf(ctx)
	// The operator's silences and alerts concern a tenant's, too; distinct keeps what is told to the teller's own.
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		in := intake{tx: tx, who: who, routing: routing, now: now, trace: trace}
		return in.receive(ctx, told)
	})
	return explain(ctx, err, "receive alerts")
}

// maxTenant is the longest tenant, in bytes; a longer label is not one.
const maxTenant = 150

// distinct gives each alert its tenant and merges repetitions, in the order in which rows are locked.
func distinct(who access.Principal, alerts []alerting.Alert) []alerting.Alert {
	merged := make(map[alertKey]alerting.Alert, len(alerts))
	for _, a := range alerts {
		switch label := a.Labels["tenant"]; {
		case who.Tenant != "":
			a.Tenant = who.Tenant
		case a.Tenant == "" && len(label) <= maxTenant:
			a.Tenant = label
		}
		a.Incident, a.Verdict = "", nil
		if before, again := merged[keyOf(a)]; again {
			a = alerting.Merge(before, a)
		}
		merged[keyOf(a)] = a
	}
	told := make([]alerting.Alert, 0, len(merged))
	for _, a := range merged {
		told = append(told, a)
	}
	slices.SortFunc(told, func(a, b alerting.Alert) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return told
}

// enterIntake waits for a turn, but not for long.
func (d *DB) enterIntake(ctx context.Context) (leave func(), err error) {
	timer := time.NewTimer(acquireTime)
	defer timer.Stop()
	select {
	case d.intake <- struct{}{}:
		return func() { <-d.intake }, nil
	case <-timer.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// traceOf returns the context's span as a W3C traceparent, "" for none.
func traceOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

const lapsedSQL = `
select id, ` + alertColumns + `
from alerts
where open and ends_at <= @now
    and not exists (select from inbox where parked_at is null and received_at < @now::timestamptz - @patience::interval)
order by tenant_id, fingerprint
limit @most
for no key update skip locked`

const lapseBatch = 500

// LapseAlerts ends the alerts whose end has passed without another word from their source, and returns how many. While
// postings wait in the inbox none ends: the word may be among them.
func (d *DB) LapseAlerts(ctx context.Context, routing Routing) (int, error) {
	all := 0
	for {
		n, err := d.lapseSome(ctx, routing)
		all += n
		if err != nil || n < lapseBatch {
			return all, explain(ctx, err, "end lapsed alerts")
		}
	}
}

func (d *DB) lapseSome(ctx context.Context, routing Routing) (n int, err error) {
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		lapsed, err := rows(ctx, tx, lapsedSQL, pgx.NamedArgs{"now": now, "most": lapseBatch, "patience": inboxPatience}, scanStored)
		n = len(lapsed)
		if err != nil || n == 0 {
			return err
		}
		in := intake{tx: tx, who: access.System("alerts"), routing: routing, now: now}
		for _, s := range lapsed {
			in.classify(telling{stored: s, alert: s.Alert})
		}
		return in.settle(ctx)
	})
	return n, err
}
