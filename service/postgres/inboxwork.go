package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/golang/snappy"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// WorkInbox opens, joins and ends incidents by what was accepted, until ctx ends. Any number of replicas may call it;
// one at a time works. Trouble with the database never ends it. A posting that cannot be worked off, which is a defect of
// ours, is tried alone, then parked and told; it holds up nothing else.
func (d *DB) WorkInbox(ctx context.Context, routing func() Routing) error {
	failing, most, turn := false, inboxRows, inboxTurn
	for ctx.Err() == nil {
		began := time.Now()
		n, hurry, err := d.workInbox(ctx, routing(), most, turn)
		if n > 0 {
			turn = nextTurn(turn, time.Since(began))
		}
		if err != nil && ctx.Err() == nil {
			if !failing {
				d.log.Error("the inbox of alerts cannot be worked off; trying again", "error", err)
			}
			if !passing(err) {
				if most > 1 {
					most = 1
				} else if err = d.park(ctx, err); err == nil {
					most = inboxRows
				}
			}
		}
		if err == nil && failing {
			d.log.Info("the inbox of alerts is worked off again")
		}
		failing = err != nil
		switch {
		case err != nil:
			pauseFor(ctx, nil, 100*time.Millisecond)
		case n == 0:
			most = inboxRows
			pauseFor(ctx, d.inbox.wake, inboxPoll)
		case !hurry && d.inbox.pouring():
			// While a storm comes in, taking it in goes first: nothing of what waits is the first word about anything.
			pauseFor(ctx, d.inbox.urgent, min(3*time.Since(began), inboxPoll))
		}
	}
	return nil
}

// nextTurn is how many alerts the next transaction works off, by how long the one before took.
func nextTurn(turn int, took time.Duration) int {
	switch {
	case took > 2*inboxTook:
		turn /= 2
	case took > inboxTook:
		turn -= turn / 4
	case took < inboxTook/2:
		turn += turn / 2
	}
	return min(max(turn, inboxLeast), inboxTurn)
}

// passing reports whether trouble lies with the database and not with what is worked off.
func passing(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout)
}

func pauseFor(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Posters take turns, so that one that floods delays another by a posting at most; each one's own keep their order.
const nextPostingsSQL = `
with recursive posters as (
    (select tenant_id from inbox where parked_at is null order by tenant_id limit 1)
    union all
    select (select i.tenant_id from inbox i where i.parked_at is null and i.tenant_id > p.tenant_id order by i.tenant_id limit 1)
    from posters p where p.tenant_id is not null
), turns as (
    select of_one.*, row_number() over (partition by of_one.tenant_id, of_one.urgent order by of_one.id) as turn
    from posters p cross join lateral (
        select * from inbox i where i.tenant_id = p.tenant_id and i.parked_at is null order by i.urgent desc, i.id limit @most
    ) as of_one
), next as (
    select *, sum(alerts) over (order by urgent desc, turn, id) - alerts as before
    from turns order by urgent desc, turn, id limit @most
)
select id, tenant_id, actor, name, role, urgent, body, trace from next where before < @alerts order by urgent desc, turn, id`

const removePostingsSQL = `delete from inbox where id = any(@ids::bigint[])`

// row is a posting as it was kept.
type row struct {
	id     int64
	who    access.Principal
	urgent bool
	body   []byte
	trace  string
	alerts []alerting.Alert
}

func scanRow(r pgx.CollectableRow) (w row, err error) {
	if err = r.Scan(&w.id, &w.who.Tenant, &w.who.ID, &w.who.Name, &w.who.Role, &w.urgent, &w.body, &w.trace); err != nil {
		return w, err
	}
	text, err := snappy.Decode(nil, w.body)
	if err == nil {
		err = json.Unmarshal(text, &w.alerts)
	}
	return w, err
}

// workInbox works off the next postings, most rows and turn alerts, in one transaction and returns how many, and whether some were urgent.
func (d *DB) workInbox(ctx context.Context, routing Routing, most, turn int) (n int, hurry bool, err error) {
	var ids []int64
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		ids = nil
		mine, err := rows(ctx, tx, `select pg_try_advisory_xact_lock(@key)`, pgx.NamedArgs{"key": int64(inboxLock)}, pgx.RowTo[bool])
		if err != nil || !mine[0] {
			return err
		}
		next, err := rows(ctx, tx, nextPostingsSQL, pgx.NamedArgs{"most": most, "alerts": turn}, scanRow)
		if err != nil || len(next) == 0 {
			return err
		}
		hurry = next[0].urgent
		for len(next) > 0 {
			together := 1
			for together < len(next) && next[together].who == next[0].who {
				together++
			}
			if err := workTogether(ctx, tx, now, routing, next[:together]); err != nil {
				return err
			}
			ids = append(ids, column(next[:together], func(r row) int64 { return r.id })...)
			next = next[together:]
		}
		batch := &pgx.Batch{}
		batch.Queue(removePostingsSQL, pgx.NamedArgs{"ids": ids})
		if others := d.inbox.others(ids); others != "" {
			announce(batch, Change{Topic: topicInbox, ID: others})
		}
		return send(ctx, tx, batch)
	})
	if err != nil {
		return 0, false, explain(ctx, err, "work off the inbox of alerts")
	}
	d.inbox.workedOff(ids)
	return len(ids), hurry, nil
}

// workTogether makes one intake of postings of the same source.
func workTogether(ctx context.Context, tx querier, now time.Time, routing Routing, postings []row) error {
	in := intake{tx: tx, who: postings[0].who, routing: routing, now: now, traces: map[alertKey]string{}}
	var told []alerting.Alert
	for _, p := range postings {
		for _, a := range p.alerts {
			if _, again := in.traces[keyOf(a)]; !again {
				in.traces[keyOf(a)] = p.trace
			}
		}
		told = append(told, p.alerts...)
	}
	return in.receive(ctx, distinct(in.who, told))
}

const parkPostingSQL = `
update inbox set parked_at = clock_timestamp(), why = @why
where (tenant_id, id) = (select tenant_id, id from inbox where parked_at is null order by urgent desc, id limit 1)
returning id`

// park puts the next posting aside.
func (d *DB) park(ctx context.Context, cause error) error {
	var ids []int64
	err := d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) (err error) {
		ids, err = rows(ctx, tx, parkPostingSQL, pgx.NamedArgs{"why": cause.Error()}, pgx.RowTo[int64])
		return err
	})
	if err != nil {
		return explain(ctx, errors.Join(err, cause), "park a posting")
	}
	d.log.Error("a posting of alerts could not be worked off and is parked in the table inbox; this is a defect of Nines, please report it",
		"rows", ids, "error", cause)
	d.inbox.workedOff(ids)
	return nil
}
