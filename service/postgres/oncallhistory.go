package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Served is a stretch in which a person was on call as it really was. One without an end lasts.
type Served struct {
	Schedule string     `json:"schedule"`
	Person   string     `json:"person"`
	From     time.Time  `json:"from"`
	To       *time.Time `json:"to"`
}

const (
	recordedSQL = `
insert into oncall_recorded (until) values (@now)
on conflict (tenant_id) do update set until = oncall_recorded.until
returning until`
	servingSQL      = `select schedule, person, started_at, ended_at from oncall_history where tenant_id = '' and ended_at is null`
	beginServingSQL = `insert into oncall_history (schedule, person, started_at, ended_at) values (@schedule, @person, @from, @to)`
	endServingSQL   = `
update oncall_history set ended_at = @to
where tenant_id = '' and schedule = @schedule and person = @person and ended_at is null and started_at < @to`
	// Somebody whose turn was recorded as begun at the very moment it turned out not to be was never on call.
	dropServingSQL = `
delete from oncall_history
where tenant_id = '' and schedule = @schedule and person = @person and ended_at is null and started_at >= @to`
	recordSQL = `update oncall_recorded set until = @now where tenant_id = ''`
)

func scanServed(row pgx.CollectableRow) (v Served, err error) {
	return v, row.Scan(&v.Schedule, &v.Person, &v.From, &v.To)
}

// RecordOnCall writes down who has been on call since it last did. One process at a time does it; what is written is
// never changed by later plans. After a longer absence it writes what the plans say now of the time in between.
func (d *DB) RecordOnCall(ctx context.Context) error {
	schedules := d.plans()
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		now = now.UTC().Truncate(time.Microsecond)
		since, err := one(rows(ctx, tx, recordedSQL, pgx.NamedArgs{"now": now}, pgx.RowTo[time.Time]))
		if err != nil {
			return err
		}
		serving, err := rows(ctx, tx, servingSQL, nil, scanServed)
		if err != nil {
			return err
		}
		// Up to and with now, so that the first run finds who is on call at this moment.
		until := now.Add(time.Microsecond)
		overlays, err := overlaysIn(ctx, tx, nil, since, until)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		bySchedule := map[string][]Served{}
		for _, v := range serving {
			bySchedule[v.Schedule] = append(bySchedule[v.Schedule], v)
		}
		for name, s := range schedules {
			keepServed(batch, name, bySchedule[name], stretches(s.Shifts(overlays[name], since, until)), since, until)
			delete(bySchedule, name)
		}
		for name, left := range bySchedule { // its definition is gone, and with it the duty
			keepServed(batch, name, left, nil, since, until)
		}
		batch.Queue(recordSQL, pgx.NamedArgs{"now": until})
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "record who is on call")
}

// stretches joins a person's shifts that follow one another, whatever they come from.
func stretches(shifts []oncall.Shift) map[string][]oncall.Span {
	by := map[string][]oncall.Span{}
	for _, s := range shifts {
		all := by[s.Person]
		if n := len(all); n > 0 && !s.From.After(all[n-1].To) {
			if s.To.After(all[n-1].To) {
				all[n-1].To = s.To
			}
			continue
		}
		by[s.Person] = append(all, oncall.Span{From: s.From, To: s.To})
	}
	return by
}

// keepServed queues what happened in one schedule between since and until, given who was on call at since.
func keepServed(batch *pgx.Batch, schedule string, serving []Served, spans map[string][]oncall.Span, since, until time.Time) {
	there := map[string]bool{}
	for _, v := range serving {
		end := since
		if all := spans[v.Person]; len(all) > 0 && !all[0].From.After(since) {
			end, spans[v.Person] = all[0].To, all[1:]
			there[v.Person] = true
		}
		if end.Before(until) {
			args := pgx.NamedArgs{"schedule": schedule, "person": v.Person, "to": end}
			batch.Queue(dropServingSQL, args)
			batch.Queue(endServingSQL, args)
		}
	}
	for person, all := range spans {
		for _, span := range all {
			args := pgx.NamedArgs{"schedule": schedule, "person": person, "from": span.From, "to": &span.To}
			if !span.To.Before(until) {
				args["to"] = (*time.Time)(nil)
			}
			batch.Queue(beginServingSQL, args)
		}
	}
}

const servedSQL = `
select schedule, person, started_at, ended_at
from oncall_history
where tenant_id = '' and (@schedule = '' or schedule = @schedule) and started_at < @to and coalesce(ended_at, 'infinity') > @from
order by started_at, schedule, person
limit 50000`

// OnCallHistory returns who was on call between from and to as it was recorded; schedule "" is all of them.
func (d *DB) OnCallHistory(ctx context.Context, scope access.Scope, schedule string, from, to time.Time) ([]Served, error) {
	if !from.Before(to) {
		return nil, fault.New(fault.Invalid, "to: must be after from")
	}
	found, err := read(ctx, d.api, scope, servedSQL, pgx.NamedArgs{"schedule": schedule, "from": from, "to": to}, scanServed)
	return found, explain(ctx, err, "read who was on call")
}

// A page goes out soon after it was made, and within a week where it was put off or the provider failed.
const pagedSQL = `
select p.person, e.at
from pages p
join timeline e on (e.tenant_id, e.incident_id) = (p.tenant_id, p.incident_id) and e.kind = 'page_sent' and (e.detail->>'page')::bigint = p.id
where p.person <> '' and p.action = 'trigger' and p.created_at >= @from::timestamptz - interval '7 days' and p.created_at < @to and e.at >= @from and e.at < @to
limit 100000`

// PagesOf returns when each person was sent a page between from and to, as the timelines tell.
func (d *DB) PagesOf(ctx context.Context, scope access.Scope, from, to time.Time) ([]oncall.Paged, error) {
	found, err := read(ctx, d.api, scope, pagedSQL, pgx.NamedArgs{"from": from, "to": to},
		func(row pgx.CollectableRow) (p oncall.Paged, err error) { return p, row.Scan(&p.Person, &p.At) })
	return found, explain(ctx, err, "read who was paged")
}

// Zones returns by whose clock each of the operator's people sleeps, by e-mail; nobody's is nil.
func (d *DB) Zones(ctx context.Context, scope access.Scope) (map[string]*time.Location, error) {
	zones := map[string]*time.Location{}
	_, err := read(ctx, d.api, scope, "select email, zone from users where tenant_id = ''", nil, func(row pgx.CollectableRow) (none struct{}, err error) {
		var email, name string
		if err = row.Scan(&email, &name); err != nil {
			return none, err
		}
		if zone, err := time.LoadLocation(name); err == nil {
			zones[email] = zone
		}
		return none, nil
	})
	return zones, explain(ctx, err, "read people's time zones")
}
