package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// The topics of changes.
const (
	TopicIncident    = "incident"
	TopicDefinitions = "definitions"
	TopicPage        = "page"
	TopicAlert       = "alert"
	TopicLedger      = "ledger"
	TopicCorrection  = "correction"
	TopicSilence     = "silence"
	TopicHeartbeat   = "heartbeat"
	TopicContact     = "contact"
	TopicOncall      = "oncall" // of a schedule, by its name

	topicInbox = "inbox" // postings were worked off; for the process that accepted them
	topicToken = "token" // one was revoked
)

var topics = []string{TopicIncident, TopicDefinitions, TopicPage, TopicAlert, TopicLedger, TopicCorrection, TopicSilence,
	TopicHeartbeat, TopicContact, TopicOncall}

// Change tells that something was committed. It carries no data: read what is needed.
type Change struct {
	Topic  string `json:"topic"`
	Tenant string `json:"tenant"`       // whose it is; "" for the operator's own
	ID     string `json:"id,omitempty"` // an incident's id, an SLO's; "" means several, or that some may have been missed
}

const channel = "nines"

const (
	listenPing  = 15 * time.Second
	listenRetry = 500 * time.Millisecond
)

// Listen calls f for every change that any process commits, one at a time, until ctx ends; then it returns nil. While
// PostgreSQL is away it tries again, and whenever it listens anew it tells of every topic with an empty ID, since changes
// in between went unheard. f must not block for long.
func (d *DB) Listen(ctx context.Context, f func(Change)) error {
	for ctx.Err() == nil {
		err := d.listenOnce(ctx, f)
		if ctx.Err() != nil {
			return nil
		}
		d.log.Warn("lost the connection that listens for changes; connecting again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(listenRetry):
		}
	}
	return nil
}

func (d *DB) listenOnce(ctx context.Context, f func(Change)) error {
	config, err := pgx.ParseConfig(d.config.URL)
	if err != nil {
		return err
	}
	configure(config, "nines listen", limits{})
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return err
	}
	d.bearers.forgetAll()
	for _, topic := range topics {
		f(Change{Topic: topic})
	}
	for {
		n, err := nextNotification(ctx, conn)
		if err != nil {
			return err
		}
		var c Change
		switch {
		case n == "" || json.Unmarshal([]byte(n), &c) != nil:
		case c.Topic == topicInbox:
			d.inbox.workedElsewhere(c.ID)
		case c.Topic == topicToken:
			d.bearers.forgetAll()
		default:
			f(c)
		}
	}
}

// nextNotification waits for the next payload, and returns "" after a while in which the connection proved alive.
func nextNotification(ctx context.Context, conn *pgx.Conn) (string, error) {
	wait, cancel := context.WithTimeout(ctx, listenPing)
	defer cancel()
	n, err := conn.WaitForNotification(wait)
	switch {
	case err == nil:
		return n.Payload, nil
	case ctx.Err() == nil && wait.Err() != nil && !conn.IsClosed():
		ping, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		return "", conn.Ping(ping)
	}
	return "", err
}

const notifySQL = `select pg_notify('` + channel + `', $1)`

// announce tells listeners of changes once the transaction commits; equal ones are told once.
func announce(batch *pgx.Batch, changes ...Change) {
	seen := map[Change]bool{}
	for _, c := range changes {
		if seen[c] {
			continue
		}
		seen[c] = true
		payload, _ := json.Marshal(c) // three strings
		batch.Queue(notifySQL, string(payload))
	}
}

// Wait implements incidents.Outbox: it returns at a notification that pages were written, or after at most the given time.
func (d *DB) Wait(ctx context.Context, atMost time.Duration) error {
	d.waking.Do(d.startWaking)
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-d.wake:
		return nil
	case <-timer.C:
		return nil
	case <-d.alive.Done():
		return context.Canceled
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startWaking listens for pages until Close. A wake-up that nobody waits for is kept, so that none is lost between a
// claim and the next wait.
func (d *DB) startWaking() {
	d.done.Go(func() {
		_ = d.Listen(d.alive, func(c Change) {
			if c.Topic != TopicPage {
				return
			}
			select {
			case d.wake <- struct{}{}:
			default:
			}
		})
	})
}
