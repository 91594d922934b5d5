package postgres

import (
	"context"
	"time"
)

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
