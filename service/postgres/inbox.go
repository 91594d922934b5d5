package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// The inbox makes what sources tell durable before anything is made of it: a posting is one row, and postings that
// arrive while a commit is under way share the next. So a storm is taken in as fast as it comes, and what is urgent in
// it, the first word about a service, is worked off before the rest.

const (
	inboxTurn      = 512                   // alerts worked off in one transaction at most, unless one posting holds more
	inboxLeast     = 32                    // and as few as that where each takes long
	inboxTook      = 25 * time.Millisecond // how long a transaction is meant to take: so long may what is urgent wait for it
	inboxRows      = 256                   // postings of one transaction
	inboxPoll      = time.Second           // how soon a posting is found whose own process died
	urgentAlerts   = 64                    // of one service, that go before a storm
	urgentOfTenant = 512                   // of one tenant, whatever its services
	inboxBacklog   = 8                     // alerts of others that wait, beyond which a source is not kept waiting for the work
	inboxWait      = 500 * time.Millisecond
	inboxPatience  = 2 * time.Second // beyond which what waits is a backlog, and silence of a source means nothing
	inboxLock      = 0x6e696e65      // of whoever works the inbox off; one at a time, so that tellings keep their order
	coalesced      = 512             // postings of one commit

	giveWayMost  = 200 * time.Millisecond // how long a large posting waits for what is urgent
	giveWayAfter = 15 * time.Millisecond  // for which an urgent one's page is still under way
)

// inbox is this process' part of it.
type inbox struct {
	mu      sync.Mutex
	waiting []*posting // for the next commit
	writing int        // commits under way
	backlog map[serviceKey]int
	size    int                     // alerts accepted here and not worked off
	done    map[int64]chan struct{} // by row, of those who wait
	counts  map[int64]*posting      // by row, of those that were not worked off
	hurried map[string]int          // alerts accepted as urgent here and not worked off, by tenant
	wake    chan struct{}           // something was accepted
	urgent  chan struct{}           // something urgent was
	calm    chan struct{}           // closed when nothing urgent waits any more; nil while nothing does
	calmAt  time.Time               // when the last urgent posting was worked off

	yielding int           // posters that give way
	since    time.Time     // when the first of them began to
	stood    time.Duration // how long any did, within the second
	second   time.Time
	last     time.Time // when something was accepted last
}

type serviceKey struct{ tenant, service string }

func newInbox() *inbox {
	return &inbox{
		backlog: map[serviceKey]int{}, hurried: map[string]int{}, done: map[int64]chan struct{}{}, counts: map[int64]*posting{},
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
	}
}

// posting is one row to be, and what became of it.
type posting struct {
	who      access.Principal
	urgent   bool
	alerts   int
	body     []byte
	trace    string
	services []serviceKey

	id       int64
	worked   chan struct{}
	err      error
	accepted chan struct{}
}

// AcceptAlerts keeps what a source tells: nil means that it cannot be lost, and that WorkInbox will do with it what
// ReceiveAlerts does. Unless much waits already it returns when that has been done, so that who posts and then asks
// finds it. It needs the role responder.
func (d *DB) AcceptAlerts(ctx context.Context, who access.Principal, alerts []alerting.Alert) error {
	if err := who.Require(access.Responder); err != nil {
		return err
	}
	told := distinct(who, alerts)
	if len(told) == 0 {
		return nil
	}
	postings, err := d.inbox.split(who, told, traceOf(ctx))
	if err != nil {
		return err
	}
	for _, p := range postings {
		d.commit(ctx, p)
	}
	for _, p := range postings {
		select {
		case <-p.accepted:
		case <-ctx.Done():
			return explain(ctx, ctx.Err(), "receive alerts")
		}
		if p.err != nil {
			return explain(ctx, p.err, "receive alerts")
		}
	}
	d.inbox.await(ctx, postings)
	return nil
}

// split makes one posting of what is urgent and one of the rest. Only services of which nothing waits are urgent, so
// that what one service tells stays in order.
func (b *inbox) split(who access.Principal, told []alerting.Alert, trace string) ([]*posting, error) {
	b.mu.Lock()
	var parts [2][]alerting.Alert
	var services [2][]serviceKey
	fresh := map[serviceKey]int{}
	for _, a := range told {
		key := serviceKey{a.Tenant, serviceLabel(a.Labels)}
		n := 1
		if _, known := fresh[key]; known || b.backlog[key] == 0 {
			if fresh[key]++; fresh[key] <= urgentAlerts && b.hurried[key.tenant] < urgentOfTenant {
				b.hurry(key.tenant)
				n = 0
			}
		}
		parts[n], services[n] = append(parts[n], a), append(services[n], key)
	}
	for _, keys := range services {
		for _, key := range keys {
			b.backlog[key]++
		}
	}
	b.size += len(told)
	b.mu.Unlock()
	var out []*posting
	for n, part := range parts {
		if len(part) == 0 {
			continue
		}
		text, err := json.Marshal(part)
		if err != nil {
			return nil, fmt.Errorf("write alerts for the inbox: %w", err)
		}
		out = append(out, &posting{who: who, urgent: n == 0, alerts: len(part), body: snappy.Encode(nil, text), trace: trace,
			services: services[n], worked: make(chan struct{}), accepted: make(chan struct{})})
	}
	return out, nil
}

func (b *inbox) hurry(tenant string) {
	if b.hurried[tenant]++; b.calm == nil {
		b.calm = make(chan struct{})
	}
}

// hurriedOff takes an urgent alert out of the count.
func (b *inbox) hurriedOff(tenant string) {
	if b.hurried[tenant]--; b.hurried[tenant] <= 0 {
		delete(b.hurried, tenant)
	}
	if len(b.hurried) == 0 && b.calm != nil {
		close(b.calm)
		b.calm, b.calmAt = nil, time.Now()
	}
}

// GiveWay waits, during a storm, while the first word about some service is worked off: whoever is about to read a large
// posting calls it before, because reading it takes the processors from what is urgent. It waits a fifth of a second at
// most, and takes no more than a third of the time of those who post.
func (d *DB) GiveWay(ctx context.Context) {
	b, end := d.inbox, time.Now().Add(giveWayMost)
	if !b.yield() {
		return
	}
	defer b.yielded()
	for {
		b.mu.Lock()
		calm, wait := b.calm, time.Until(b.calmAt.Add(giveWayAfter))
		b.mu.Unlock()
		if calm != nil {
			wait = time.Until(end)
		}
		if wait = min(wait, time.Until(end)); wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-calm:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// yield reports whether a poster is to give way: a storm is on, something is urgent, and those who post have not waited
// for a third of this second already.
func (b *inbox) yield() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Sub(b.second) >= time.Second {
		b.second, b.stood = now, 0
	}
	if b.size <= inboxTurn || b.stood > time.Second/3 || (b.calm == nil && now.Sub(b.calmAt) >= giveWayAfter) {
		return false
	}
	if b.yielding++; b.yielding == 1 {
		b.since = now
	}
	return true
}

func (b *inbox) yielded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.yielding--; b.yielding == 0 {
		b.stood += time.Since(b.since)
	}
}

func serviceLabel(labels map[string]string) string {
	for _, name := range []string{"sloth_service", "service", "job"} {
		if v := labels[name]; v != "" {
			return v
		}
	}
	return ""
}

// commit hands the posting to the next commit, and makes that commit where nobody does.
func (d *DB) commit(ctx context.Context, p *posting) {
	b := d.inbox
	b.mu.Lock()
	b.waiting = append(b.waiting, p)
	if b.writing > 0 {
		b.mu.Unlock()
		return
	}
	b.writing++
	b.mu.Unlock()
	d.done.Go(func() { d.flush(context.WithoutCancel(ctx)) })
}

// flush commits what waits until nothing does.
func (d *DB) flush(ctx context.Context) {
	b := d.inbox
	for {
		b.mu.Lock()
		batch := b.waiting[:min(len(b.waiting), coalesced)]
		b.waiting = b.waiting[len(batch):]
		if len(batch) == 0 {
			b.waiting = nil
			b.writing--
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(ctx, longestCall)
		ids, err := d.insertPostings(ctx, batch)
		cancel()
		b.committed(batch, ids, err)
	}
}

func (b *inbox) committed(batch []*posting, ids []int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, p := range batch {
		if p.err = err; err != nil {
			b.forget(p)
		} else {
			p.id = ids[i]
			b.done[p.id], b.counts[p.id] = p.worked, p
		}
		close(p.accepted)
		if p.urgent {
			signal(b.urgent)
		}
	}
	b.last = time.Now()
	signal(b.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pouring reports whether alerts keep coming.
func (b *inbox) pouring() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size > inboxTurn && time.Since(b.last) < 100*time.Millisecond
}

// forget takes alerts out of the backlog.
func (b *inbox) forget(p *posting) {
	for _, key := range p.services {
		if p.urgent {
			b.hurriedOff(key.tenant)
		}
		if b.backlog[key]--; b.backlog[key] <= 0 {
			delete(b.backlog, key)
		}
	}
	b.size -= len(p.services)
}

// await waits until the postings were worked off, unless too much waits before them.
func (b *inbox) await(ctx context.Context, postings []*posting) {
	b.mu.Lock()
	crowded := b.size > inboxBacklog
	for _, p := range postings {
		crowded = crowded && b.size-p.alerts > inboxBacklog
	}
	b.mu.Unlock()
	if crowded {
		return
	}
	timer := time.NewTimer(inboxWait)
	defer timer.Stop()
	for _, p := range postings {
		select {
		case <-p.worked:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// workedOff tells those who wait.
func (b *inbox) workedOff(ids []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		if worked, mine := b.done[id]; mine {
			close(worked)
			b.forget(b.counts[id])
			delete(b.done, id)
			delete(b.counts, id)
		}
	}
}

// others are the ids of rows that other processes accepted, as text; "" for none.
func (b *inbox) others(ids []int64) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, id := range ids {
		if _, mine := b.done[id]; !mine {
			out = append(out, strconv.FormatInt(id, 36))
		}
	}
	return strings.Join(out, " ")
}

// workedElsewhere hears from another process that rows were worked off.
func (b *inbox) workedElsewhere(ids string) {
	var all []int64
	for _, text := range strings.Fields(ids) {
		if id, err := strconv.ParseInt(text, 36, 64); err == nil {
			all = append(all, id)
		}
	}
	b.workedOff(all)
}

const insertPostingsSQL = `
insert into inbox (tenant_id, actor, name, role, urgent, alerts, body, trace)
select tenant, actor, name, role, urgent, alerts, body, trace
from unnest(@tenants::text[], @actors::text[], @names::text[], @roles::text[], @urgent::bool[], @alerts::int[], @bodies::bytea[],
    @traces::text[]) with ordinality as p (tenant, actor, name, role, urgent, alerts, body, trace, n)
order by n
returning id`

// insertPostings commits the postings in one round trip and returns their rows' ids, in the same order.
func (d *DB) insertPostings(ctx context.Context, batch []*posting) ([]int64, error) {
	args := pgx.NamedArgs{
		"tenants": column(batch, func(p *posting) string { return p.who.Tenant }), "actors": column(batch, func(p *posting) string { return p.who.ID }),
		"names": column(batch, func(p *posting) string { return p.who.Name }), "roles": column(batch, func(p *posting) string { return string(p.who.Role) }),
		"urgent": column(batch, func(p *posting) bool { return p.urgent }), "alerts": column(batch, func(p *posting) int { return p.alerts }),
		"bodies": column(batch, func(p *posting) []byte { return p.body }), "traces": column(batch, func(p *posting) string { return p.trace }),
	}
	ids, err := readOnce(ctx, d.paging, access.Operator(), insertPostingsSQL, args, pgx.RowTo[int64])
	if err == nil && len(ids) != len(batch) {
		err = fmt.Errorf("%d of %d postings were kept", len(ids), len(batch))
	}
	return ids, err
}

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
