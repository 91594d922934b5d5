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
	Ledger  Ledger
	SLOs    func() []Versioned
	Width   time.Duration // of a bucket; five minutes unless set
	Horizon time.Duration // how far back to look for an SLO that the ledger does not know; a day unless set
	Log     *slog.Logger  // nil is silent
	// Observe, where set, is told of each SLO's progress: the time closed so far, the buckets written, and why it stopped.
	Observe func(slo string, closedUntil time.Time, buckets int, err error)
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
		closed, written, err := c.copy(ctx, v, now)
		if err != nil {
			err = fmt.Errorf("ledger of %s: %w", v.SLO.ID, err)
			failed = append(failed, err)
		}
		c.tell(v.SLO.ID, closed, written, err)
	}
	return errors.Join(failed...)
}

// copy returns the time closed so far and the buckets written, also where it failed half-way.
func (c *Copier) copy(ctx context.Context, v Versioned, now time.Time) (closed time.Time, written int, err error) {
	s, width := v.SLO.withDefaults(), c.width()
	closed, err = c.Ledger.ClosedUntil(ctx, s.ID)
	if err != nil {
		return closed, 0, fmt.Errorf("asking how far it is closed: %w", err)
	}
	if closed.IsZero() {
		closed = epochFloor(now.Add(-c.horizon()), width)
	}
	until := epochFloor(now.Add(-s.closingLag()), width)
	for closed.Before(until) {
		next := earlier(until, epochFloor(closed.Add(max(copyChunk, width)), width))
		series, err := c.Source.Increments(ctx, s, closed, next)
		if err != nil {
			return closed, written, fmt.Errorf("reading increments from %s to %s: %w", closed.Format(time.RFC3339), next.Format(time.RFC3339), err)
		}
		buckets := Buckets(s, v.Version, series, closed, next, width)
		if err := c.Ledger.PutBuckets(ctx, s.ID, next, buckets); err != nil {
			return closed, written, fmt.Errorf("writing buckets up to %s: %w", next.Format(time.RFC3339), err)
		}
		closed, written = next, written+len(buckets)
	}
	return closed, written, nil
}

func (c *Copier) tell(slo string, closed time.Time, written int, err error) {
	if c.Log != nil && err != nil {
		c.Log.Warn("the ledger is not up to date; trying again at the next turn", "slo", slo, "closedUntil", closed, "error", err)
	}
	if c.Observe != nil {
		c.Observe(slo, closed, written, err)
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
