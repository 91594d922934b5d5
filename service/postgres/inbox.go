package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
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
