package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
)

const insertAlertEventsSQL = `
insert into alert_events (tenant_id, alert_id, fingerprint, at, kind, starts_at, ends_at, verdict)
select tenant, alert, fingerprint, @now, kind, starts, ends, verdict::jsonb
from unnest(@tenants::text[], @alerts::bigint[], @fingerprints::text[], @kinds::text[], @starts::timestamptz[],
    @ends::timestamptz[], @verdicts::text[]) with ordinality as e (tenant, alert, fingerprint, kind, starts, ends, verdict, n)
order by n`

// writeHistory queues what happened to the alerts.
func (in *intake) writeHistory(w writes, told []telling) {
	var events []alerting.Event
	for _, t := range told {
		for _, kind := range t.happened(in.now) {
			events = append(events, alerting.Event{
				Tenant: t.alert.Tenant, Alert: t.stored.id, Fingerprint: t.alert.Fingerprint, Kind: kind,
				StartsAt: t.alert.StartsAt, EndsAt: t.alert.EndsAt, Verdict: t.alert.Verdict,
			})
		}
	}
	if len(events) == 0 {
		return
	}
	w.Queue(insertAlertEventsSQL, pgx.NamedArgs{
		"now":          in.now,
		"tenants":      column(events, func(e alerting.Event) string { return e.Tenant }),
		"alerts":       column(events, func(e alerting.Event) int64 { return e.Alert }),
		"fingerprints": column(events, func(e alerting.Event) string { return e.Fingerprint }),
		"kinds":        column(events, func(e alerting.Event) string { return string(e.Kind) }),
		"starts":       column(events, func(e alerting.Event) time.Time { return e.StartsAt }),
		"ends":         column(events, func(e alerting.Event) time.Time { return e.EndsAt }),
		"verdicts": column(events, func(e alerting.Event) *string {
			if e.Kind != alerting.EventSuppressed {
				return nil
			}
			return verdictText(e.Verdict)
		}),
	})
}

func verdictText(v *alerting.Verdict) *string {
	if v == nil {
		return nil
	}
	text, _ := json.Marshal(v) // lists of strings always encode
	s := string(text)
	return &s
}

// happened names what a telling changes.
func (t telling) happened(now time.Time) []alerting.EventKind {
	var kinds []alerting.EventKind
	switch {
	case t.fresh:
		kinds = append(kinds, alerting.EventFired)
	case !t.alert.Firing(now):
		return []alerting.EventKind{alerting.EventEnded}
	case !t.alert.StartsAt.Truncate(time.Microsecond).Equal(t.stored.StartsAt):
		kinds = append(kinds, alerting.EventRestarted)
	}
	switch before := t.stored.Verdict; {
	case t.alert.Verdict == nil && before != nil:
		kinds = append(kinds, alerting.EventReleased)
	case t.alert.Verdict != nil && !alike(before, t.alert.Verdict):
		kinds = append(kinds, alerting.EventSuppressed)
	}
	return kinds
}

// alike reports whether both say that the same keeps the alert from paging. Which alerts inhibit it changes all the time
// in an outage, and is no event each time.
func alike(a, b *alerting.Verdict) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.SilencedBy, b.SilencedBy) && slices.Equal(a.MutedBy, b.MutedBy) &&
		(len(a.InhibitedBy) > 0) == (len(b.InhibitedBy) > 0)
}

// identical reports whether both say the same word by word.
func identical(a, b *alerting.Verdict) bool {
	return alike(a, b) && (a == nil || slices.Equal(a.InhibitedBy, b.InhibitedBy))
}

const alertEventsSQL = `
with e as materialized (
    select * from alert_events where %s order by id desc limit @most
)
select e.id, e.tenant_id, e.alert_id, e.fingerprint, a.labels, e.at, e.kind, e.starts_at, e.ends_at,
    coalesce(a.incident_id::text, ''), e.verdict
from e join alerts a on (a.tenant_id, a.id) = (e.tenant_id, e.alert_id)
order by e.id desc`

// historyConditions are those that the filter sets, so that each question is planned for what it asks.
func historyConditions(f alerting.HistoryFilter) (where string, args pgx.NamedArgs) {
	conditions := []string{"true"}
	args = pgx.NamedArgs{}
	add := func(set bool, condition, name string, value any) {
		if set {
			conditions, args[name] = append(conditions, condition), value
		}
	}
	add(f.Fingerprint != "", "fingerprint = @fingerprint", "fingerprint", f.Fingerprint)
	add(len(f.Kinds) > 0, "kind = any(@kinds)", "kinds", column(f.Kinds, func(k alerting.EventKind) string { return string(k) }))
	add(!f.From.IsZero(), "at >= @from", "from", f.From)
	add(!f.To.IsZero(), "at < @to", "to", f.To)
	add(f.Before != 0, "id < @before", "before", f.Before)
	return strings.Join(conditions, " and "), args
}

const (
	historyUsual = 100
	historyMost  = 1000
	historyChunk = 2000
	historyReads = 25 // chunks that one question looks through for what its matchers select
)

// AlertHistory returns what happened to the alerts in scope, the newest first. Matchers that match little may give a page
// that is short or empty while Next says that there is more.
func (d *DB) AlertHistory(ctx context.Context, scope access.Scope, f alerting.HistoryFilter) (alerting.HistoryPage, error) {
	limit := clamp(f.Limit, historyUsual, historyMost)
	page := alerting.HistoryPage{Events: []alerting.Event{}}
	most := limit
	if len(f.Matchers) > 0 {
		most = historyChunk
	}
	for range historyReads {
		where, args := historyConditions(f)
		args["most"] = most
		found, err := read(ctx, d.api, scope, fmt.Sprintf(alertEventsSQL, where), args, scanAlertEvent)
		if err != nil {
			return page, explain(ctx, err, "read the history of alerts")
		}
		for n, e := range found {
			page.Next = e.ID
			if !f.Matchers.Match(e.Labels) {
				continue
			}
			page.Events = append(page.Events, e)
			if len(page.Events) == limit && (n+1 < len(found) || len(found) == most) {
				return page, nil
			}
		}
		if len(found) < most {
			page.Next = 0
			return page, nil
		}
		f.Before = page.Next
	}
	return page, nil
}

func scanAlertEvent(row pgx.CollectableRow) (e alerting.Event, err error) {
	return e, row.Scan(&e.ID, &e.Tenant, &e.Alert, &e.Fingerprint, &e.Labels, &e.At, &e.Kind, &e.StartsAt, &e.EndsAt,
		&e.Incident, &e.Verdict)
}

// An alert goes after all that happened to it, and not before its incident was resolved as long ago.
const forgetEventsSQL = `
delete from alert_events where (tenant_id, id) in (
    select tenant_id, id from alert_events where at < clock_timestamp() - @keep::interval order by at limit @most)`

const forgetAlertsSQL = `
delete from alerts where (tenant_id, id) in (
    select a.tenant_id, a.id
    from alerts a
    where not a.open and a.updated_at < clock_timestamp() - @keep::interval
        and not exists (
            select from alert_events e where (e.tenant_id, e.fingerprint, e.alert_id) = (a.tenant_id, a.fingerprint, a.id))
        and (a.incident_id is null or exists (
            select from incidents i
            where (i.tenant_id, i.id) = (a.tenant_id, a.incident_id) and i.resolved_at < clock_timestamp() - @keep::interval))
    limit @most)`

// Of each target the last test stays.
const forgetTestsSQL = `
delete from contact_tests where (tenant_id, id) in (
    select t.tenant_id, t.id
    from contact_tests t
    where t.at < clock_timestamp() - @keep::interval
        and exists (select from contact_tests l where l.target_key = t.target_key and l.took >= 0 and (l.at, l.id) > (t.at, t.id))
    limit @most)`

const forgetBatch = 5000

// ForgetAlerts removes ended alerts, what happened to alerts and tests of contacts that are older than keep, which is at
// least a day, and returns how many rows. Incidents and their timelines stay.
func (d *DB) ForgetAlerts(ctx context.Context, keep time.Duration) (int, error) {
	keep = max(keep, 25*time.Hour)
	all := 0
	for _, sql := range []string{forgetEventsSQL, forgetAlertsSQL, forgetTestsSQL} {
		for {
			n := 0
			err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
				tag, err := tx.Exec(ctx, sql, pgx.NamedArgs{"keep": keep, "most": forgetBatch})
				n = int(tag.RowsAffected())
				return err
			})
			all += n
			if err != nil {
				return all, explain(ctx, err, "forget old alerts")
			}
			if n < forgetBatch {
				break
			}
		}
	}
	return all, nil
}
