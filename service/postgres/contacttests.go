package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// How often tests may be sent, so that nobody rings a telephone for fun or uses us to flood a provider.
const (
	testEvery      = 10 * time.Second // one target
	testsPerPerson = 10               // within testsSpan
	testsSpan      = time.Minute
)

// begun marks the row of a test that is about to be sent; how it went is a row of its own, because rows are never changed.
// A test whose sender died has a beginning alone.
const begun = -1

const (
	// Tests are few, so that one lock for all is no matter.
	lockTestsSQL = `select pg_advisory_xact_lock(hashtextextended('contact tests', 0))`

	// The clock is asked after the lock: what another has just written may not lie ahead of it.
	recentTestsSQL = `
select
    coalesce(extract(epoch from @every::interval - (clock_timestamp() - max(at) filter (where target_key = any(@keys)))), 0)::float8 as target_wait,
    (count(*) filter (where actor = @actor and at > clock_timestamp() - @span::interval))::int as by_person,
    coalesce(extract(epoch from @span::interval - (clock_timestamp() - min(at) filter (where actor = @actor and at > clock_timestamp() - @span::interval))), 0)::float8
        as person_wait
from contact_tests
where took = @begun and at > clock_timestamp() - greatest(@span::interval, @every::interval)`

	addTestSQL = `
insert into contact_tests (at, actor, target_key, provider, took, error) values (clock_timestamp(), @actor, @key, @provider, @took, @error)`
)

type recentTests struct {
	TargetWait float64 // seconds
	ByPerson   int
	PersonWait float64 // seconds until the first of them counts no more
}

// BeginContactTests takes the targets' turns for a test each, with an audit record, or none of them: a target that was
// tested less than 10 seconds ago, and a person with 10 tests in the last minute, are a fault.Limited that says when to try
// again. It needs the role responder among the operator's people; whether the targets are theirs to test is up to the
// caller. object is what the audit record names.
func (d *DB) BeginContactTests(ctx context.Context, who access.Principal, targets []incidents.Target, object string) error {
	if err := who.Require(access.Responder); err != nil {
		return err
	}
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "contacts belong to the operator")
	}
	if len(targets) > testsPerPerson {
		return fault.New(fault.Invalid, "%d targets are too many at once; test up to %d, such as one step", len(targets), testsPerPerson)
	}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		if _, err := tx.Exec(ctx, lockTestsSQL); err != nil {
			return err
		}
		recent, err := one(rows(ctx, tx, recentTestsSQL, pgx.NamedArgs{
			"keys": column(targets, targetKey), "actor": who.ID, "every": testEvery, "span": testsSpan, "begun": int64(begun),
		}, pgx.RowToStructByPos[recentTests]))
		if err != nil {
			return err
		}
		if err := recent.allow(len(targets)); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for _, t := range targets {
			addTest(batch, who, targetKey(t), t.Provider(), begun, "")
			record(batch, who, "", "contact.test", object, map[string]any{"provider": t.Provider(), "target": t.String()})
		}
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "begin a test of contacts")
}

// allow returns nil if so many more tests may be sent now.
func (r recentTests) allow(more int) error {
	switch {
	case r.TargetWait > 0:
		return limited(r.TargetWait, "this was tested less than %s ago; try again in %s", testEvery)
	case r.ByPerson+more > testsPerPerson:
		return limited(r.PersonWait, "you may send %d tests a minute; try again in %s", testsPerPerson)
	}
	return nil
}

// limited says in whole seconds how long to wait.
func limited(seconds float64, format string, what any) error {
	wait := time.Duration(math.Ceil(max(seconds, 1))) * time.Second
	err := fault.New(fault.Limited, "%s", fmt.Sprintf(format, what, wait))
	err.RetryAfter = wait
	return err
}

func addTest(batch *pgx.Batch, who access.Principal, key, provider string, took time.Duration, why string) {
	batch.Queue(addTestSQL, pgx.NamedArgs{"actor": who.ID, "key": key, "provider": provider, "took": int64(took), "error": why})
}

// EndContactTests writes down how tests went. A target that took its test counts as broken no more, so that the next page
// is sent at once; one that refused stays as it is.
func (d *DB) EndContactTests(ctx context.Context, who access.Principal, tests []incidents.ContactTest) error {
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		batch := &pgx.Batch{}
		var arrived []string
		for _, t := range tests {
			addTest(batch, who, shortTargetKey(t.Key), t.Provider, max(t.Took, 0), t.Error)
			if t.OK() {
				arrived = append(arrived, shortTargetKey(t.Key))
			}
		}
		states, err := rows(ctx, tx, lockTargetsSQL, pgx.NamedArgs{"keys": arrived}, pgx.RowToStructByPos[incidents.TargetState])
		if err != nil {
			return err
		}
		for _, s := range states {
			repaired, _ := s.After(incidents.Attempt{Outcome: incidents.OutcomeSent}, 0, now)
			writes{batch}.target(repaired)
		}
		announce(batch, Change{Topic: TopicContact})
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "write down a test of contacts")
}

const lastTestsSQL = `
select distinct on (target_key) target_key, provider, at, took, error
from contact_tests
where took >= 0 and target_key = any(@keys)
order by target_key, at desc, id desc`

// LastContactTests returns the last test of each of the targets that ended, by Target.Key. Who sent them stands in the
// audit log.
func (d *DB) LastContactTests(ctx context.Context, scope access.Scope, targets []incidents.Target) (map[string]incidents.ContactTest, error) {
	found, err := read(ctx, d.api, scope, lastTestsSQL, pgx.NamedArgs{"keys": column(targets, targetKey)}, scanTest)
	if err != nil {
		return nil, explain(ctx, err, "read the tests of contacts")
	}
	byKey := map[string]incidents.ContactTest{}
	for _, t := range found {
		byKey[t.Key] = t
	}
	tests := map[string]incidents.ContactTest{}
	for _, t := range targets {
		if test, ok := byKey[targetKey(t)]; ok {
			test.Key, test.Name = t.Key(), t.String()
			tests[test.Key] = test
		}
	}
	return tests, nil
}

func scanTest(row pgx.CollectableRow) (t incidents.ContactTest, err error) {
	var took int64
	err = row.Scan(&t.Key, &t.Provider, &t.At, &took, &t.Error)
	t.At, t.Took, t.Outcome = t.At.UTC(), time.Duration(took), incidents.OutcomeSent
	if t.Error != "" {
		t.Outcome = incidents.OutcomeFailed
	}
	return t, err
}
