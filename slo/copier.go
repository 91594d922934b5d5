package slo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Ledger keeps closed buckets.
type Ledger interface {
	// ClosedUntil returns the time up to which the SLO's buckets are final; the zero time where there are none yet.
	ClosedUntil(ctx context.Context, slo string) (time.Time, error)
	// PutBuckets writes the buckets over those of the same series and start and moves ClosedUntil to until, in one
	// transaction. ClosedUntil never moves backwards.
	PutBuckets(ctx context.Context, slo string, until time.Time, buckets []Bucket) error
}

// copyChunk is the span of one question to the engine: 360 increments a series at one minute.
const copyChunk = 6 * time.Hour

// Copier carries increments from the metrics engine into the ledger, once they are final. It holds no state: where it
// goes on is what the ledger says, so it may be stopped anywhere and run twice.
type Copier struct {
	Source  SampleSource
	Recount Recounter // heals what rules did not record; nil leaves it a gap
	Ledger  Ledger
	SLOs    func() []Versioned
	Width   time.Duration // of a bucket; five minutes unless set
	Horizon time.Duration // how far back to look for an SLO that the ledger does not know; a day unless set
	Log     *slog.Logger  // nil is silent
	// Observe, where set, is told of each SLO's progress.
	Observe func(Progress)
}

// Progress is what one turn did for an SLO.
type Progress struct {
	SLO         string
	ClosedUntil time.Time // the ledger's
	Buckets     int       // written
	Health                // of the rules in what was closed
	Err         error     // why it stopped, nil where it is up to date
}

// CopyOnce brings every SLO up to date. A bucket is closed when now is past its end by the settle time and two
// intervals. A span whose question or write fails is not passed over: the SLO stays where it is and the next call tries
// again; the other SLOs go on. The returned error joins what went wrong, nil if nothing did.
func (c *Copier) CopyOnce(ctx context.Context, now time.Time) error {
	var failed []error
	for _, v := range c.SLOs() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(failed, err)...)
		}
		done := Progress{SLO: v.SLO.ID}
		if err := c.copy(ctx, v, now, &done); err != nil {
			done.Err = fmt.Errorf("ledger of %s: %w", v.SLO.ID, err)
			failed = append(failed, done.Err)
		}
		c.tell(done)
	}
	return errors.Join(failed...)
}

// copy tells in done how far it came, also where it failed half-way.
func (c *Copier) copy(ctx context.Context, v Versioned, now time.Time, done *Progress) error {
	s, width := v.SLO.withDefaults(), c.width()
	closed, err := c.Ledger.ClosedUntil(ctx, s.ID)
	done.ClosedUntil = closed
	if err != nil {
		return fmt.Errorf("asking how far it is closed: %w", err)
	}
	if closed.IsZero() {
		closed = epochFloor(now.Add(-c.horizon()), width)
	}
	until := epochFloor(now.Add(-s.closingLag()), width)
	for closed.Before(until) {
		next := earlier(until, epochFloor(closed.Add(max(copyChunk, width)), width))
		series, health, err := c.increments(ctx, s, closed, next)
		if err != nil {
			return err
		}
		buckets := Buckets(s, v.Version, series, closed, next, width)
		if err := c.Ledger.PutBuckets(ctx, s.ID, next, buckets); err != nil {
			return fmt.Errorf("writing buckets up to %s: %w", next.Format(time.RFC3339), err)
		}
		closed = next
		done.ClosedUntil, done.Buckets = closed, done.Buckets+len(buckets)
		done.Missed, done.Healed = done.Missed+health.Missed, done.Healed+health.Healed
	}
	return nil
}

func (c *Copier) tell(p Progress) {
	if c.Log != nil && p.Err != nil {
		c.Log.Warn("the ledger is not up to date; trying again at the next turn", "slo", p.SLO, "closedUntil", p.ClosedUntil, "error", p.Err)
	}
	if c.Log != nil && p.Missed > 0 {
		c.Log.Warn("rule evaluations were missed; what the raw series tell was recounted, the rest stays a gap", "slo", p.SLO,
			"missed", p.Missed, "recounted", p.Healed)
	}
	if c.Observe != nil {
		c.Observe(p)
	}
}

func (c *Copier) width() time.Duration {
	if c.Width > 0 {
		return c.Width
	}
	return bucketWidth
}

func (c *Copier) horizon() time.Duration {
	if c.Horizon > 0 {
		return c.Horizon
	}
	return 24 * time.Hour
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
