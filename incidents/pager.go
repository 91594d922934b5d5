package incidents

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// How pages are sent. A send ends before its lease does, so a page is with one sender at a time unless that sender died.
const (
	PageLease    = 10 * time.Second
	PageTimeout  = 8 * time.Second
	PageAttempts = 10 // spread over more than an hour; then the page has failed for all to see

	pollEvery      = time.Second     // how soon a retry or a dead sender's page is noticed without a notification
	finishTimeout  = 5 * time.Second // for writing down how an attempt ended
	defaultWorkers = 16
)

// PageObserver hears of every attempt. Implementations must not block.
type PageObserver interface {
	// Attempted tells of one attempt: its outcome ("sent", "retry", "failed" or "canceled"), how long the provider took
	// and how long after the page was due at first the attempt ended.
	Attempted(provider string, action Action, outcome string, took, sinceCreated time.Duration)
}

// Pager sends what is due in the outbox, at least once. It leaves who is paged, and when, to the incident.
type Pager struct {
	Outbox    Outbox
	Notifiers map[string]Notifier // by Target.Provider
	BaseURL   string              // of our UI, such as https://nines.example.com; pages link to BaseURL/incidents/<id>
	Owner     string              // this process, for logs and traces
	Workers   int                 // sends at once of each provider; 16 unless set
	Now       func() time.Time    // time.Now unless set
	Log       *slog.Logger        // discards unless set
	Observe   PageObserver        // may be nil
}

// Run claims and sends pages until ctx ends, then lets the sends in flight finish and returns nil. Trouble with the
// outbox never ends it: it says so once, keeps trying and says when it is over.
func (p *Pager) Run(ctx context.Context) error {
	d := newDispatch(p.withDefaults())
	defer d.sending.Wait()
	for ctx.Err() == nil {
		free := d.waitFree(ctx)
		if free == 0 {
			break
		}
		claimedAt := d.Now()
		claims, err := d.Outbox.ClaimDue(ctx, free, PageLease)
		d.outage(ctx, err)
		for _, c := range claims {
			d.start(ctx, c, claimedAt)
		}
		switch {
		case err != nil:
			pause(ctx, pollEvery)
		case len(claims) == 0:
			if err := d.Outbox.Wait(ctx, pollEvery); err != nil {
				pause(ctx, pollEvery)
			}
		}
	}
	return nil
}

func (p *Pager) withDefaults() *Pager {
	q := *p
	if q.Workers <= 0 {
		q.Workers = defaultWorkers
	}
	if q.Now == nil {
		q.Now = time.Now
	}
	if q.Log == nil {
		q.Log = slog.New(slog.DiscardHandler)
	}
	return &q
}

// dispatch is the state of one Run: room for the sends in flight, and a gate for each provider.
type dispatch struct {
	*Pager
	room    chan struct{} // one token for each send in flight
	gates   map[string]*gate
	sending sync.WaitGroup
	down    bool // the outbox failed last time
}

func newDispatch(p *Pager) *dispatch {
	d := &dispatch{Pager: p, gates: map[string]*gate{}}
	for provider := range p.Notifiers {
		d.gates[provider] = newGate(p.Workers, p.Now)
	}
	// Twice the gates' room, so that pages of one provider that wait at its gate leave room for the others'.
	d.room = make(chan struct{}, max(1, len(d.gates))*p.Workers*2)
	return d
}

// waitFree waits until there is room for a send and returns for how many; 0 when ctx has ended.
func (d *dispatch) waitFree(ctx context.Context) int {
	select {
	case d.room <- struct{}{}:
		<-d.room
		return cap(d.room) - len(d.room)
	case <-ctx.Done():
		return 0
	}
}

// start sends one claimed page in the background. It outlives ctx: what was claimed before a shutdown is sent.
func (d *dispatch) start(ctx context.Context, c Claim, claimedAt time.Time) {
	d.room <- struct{}{}
	d.sending.Go(func() {
		defer func() { <-d.room }()
		d.attempt(context.WithoutCancel(ctx), c, claimedAt)
	})
}

// outage logs the first failure of the outbox and its end, and nothing in between.
func (d *dispatch) outage(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	switch {
	case err != nil && !d.down:
		d.Log.Error("paging cannot reach its outbox; trying again every second", "owner", d.Owner, "error", err)
	case err == nil && d.down:
		d.Log.Info("paging reaches its outbox again", "owner", d.Owner)
	}
	d.down = err != nil
}

// finish writes down how the attempt ended. When that fails the lease runs out and the page is sent again, with the
// same dedup key, so it tries hard first.
func (d *dispatch) finish(ctx context.Context, c Claim, a Attempt, retryIn time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	for {
		err := d.Outbox.Finish(ctx, c, a, retryIn)
		switch {
		case err == nil:
			return
		case fault.Is(err, fault.Conflict):
			d.Log.Warn("another sender took over a page; it may be sent twice, under one dedup key",
				"incident", c.Page.Incident, "page", c.Page.ID, "owner", d.Owner)
			return
		case !pause(ctx, 250*time.Millisecond):
			d.Log.Error("how a page ended could not be written down; it will be sent again under the same dedup key",
				"incident", c.Page.Incident, "page", c.Page.ID, "outcome", a.Outcome, "owner", d.Owner, "error", err)
			return
		}
	}
}

// pause waits, and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
