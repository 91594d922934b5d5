package postgres

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/oncall"
)

// plans is where the schedules in force come from; nothing before UseSchedules.
type plans = atomic.Pointer[func() map[string]oncall.Schedule]

type plansKey struct{}

// withPlans lets what runs in a transaction ask for the schedules in force.
func withPlans(ctx context.Context, p *plans) context.Context {
	return context.WithValue(ctx, plansKey{}, p)
}

func plansOf(ctx context.Context) map[string]oncall.Schedule {
	p, _ := ctx.Value(plansKey{}).(*plans)
	if p == nil {
		return nil
	}
	if f := p.Load(); f != nil {
		return (*f)()
	}
	return nil
}

// Who is called is the operator's, also where a tenant's people or its source of alerts cause it: these reads, and nothing
// else of the transaction, are in the operator's scope.
const (
	asOperatorSQL = `
select set_config('app.asked', coalesce(current_setting('app.scope', true), ''), true), set_config('app.scope', 'operator', true)`
	asAskedSQL = `select set_config('app.scope', current_setting('app.asked', true), true)`
)

// roster returns who can be called now of those whom the policy names, by themselves or by a schedule.
func roster(ctx context.Context, tx querier, p incidents.Policy, now time.Time) (incidents.Roster, error) {
	r := incidents.Roster{People: map[string]incidents.Person{}, OnCall: map[string][]string{}}
	schedules := plansOf(ctx)
	var emails, names []string
	for _, t := range p.Everybody() {
		if t.User != "" {
			emails = append(emails, Account(t.User))
		}
		if _, defined := schedules[t.Schedule]; defined && !slices.Contains(names, t.Schedule) {
			names = append(names, t.Schedule)
		}
	}
	if len(names) > 0 {
		found, err := asOperator(ctx, tx, overlaysSQL, overlayArgs(names, now, now.Add(time.Microsecond)), scanOverlaid)
		if err != nil {
			return r, err
		}
		overlays := gather(found)
		for _, name := range names {
			r.OnCall[name] = schedules[name].At(overlays[name], now)
			emails = append(emails, r.OnCall[name]...)
		}
	}
	people, err := accounts(ctx, tx, emails)
	r.People = people
	return r, err
}

// accounts returns the people whose accounts are in use, by address, with how they want to be reached.
func accounts(ctx context.Context, tx querier, emails []string) (map[string]incidents.Person, error) {
	people := map[string]incidents.Person{}
	if len(emails) == 0 {
		return people, nil
	}
	slices.Sort(emails)
	channels := channelsOf(ctx)
	found, err := asOperator(ctx, tx, peopleSQL, pgx.NamedArgs{"emails": slices.Compact(emails)},
		func(row pgx.CollectableRow) (incidents.Person, error) { return person(row, channels) })
	for _, p := range found {
		people[p.Email] = p
	}
	return people, err
}

// asOperator asks one question in the operator's scope, in one round trip.
func asOperator[T any](ctx context.Context, tx querier, sql string, args pgx.NamedArgs, row pgx.RowToFunc[T]) (found []T, err error) {
	batch := &pgx.Batch{}
	batch.Queue(asOperatorSQL)
	batch.Queue(sql, args)
	batch.Queue(asAskedSQL)
	results := tx.SendBatch(ctx, batch)
	defer func() { err = errors.Join(err, results.Close()) }()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	answer, err := results.Query()
	if err != nil {
		return nil, err
	}
	if found, err = pgx.CollectRows(answer, row); err != nil {
		return nil, err
	}
	_, err = results.Exec()
	return found, err
}
