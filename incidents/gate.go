package incidents

import (
	"context"
	"sync/atomic"
	"time"
)

// gate lets a bounded number of sends of one provider through at once, and tells a slow provider from a stuck one: at a
// slow one pages queue for a moment, at a stuck one they are turned away, so that they never hold up other providers.
type gate struct {
	slots chan struct{}
	now   func() time.Time
	moved atomic.Int64 // when a send last started or ended, in Unix nanoseconds
}

const (
	gateWait  = 900 * time.Millisecond // longest queueing, within what a lease leaves beyond a send
	gateStuck = time.Second            // full and still for so long is stuck
)

func newGate(n int, now func() time.Time) *gate {
	return &gate{slots: make(chan struct{}, n), now: now}
}

// enter reports whether the send may start; then leave must be called.
func (g *gate) enter(ctx context.Context) bool {
	select {
	case g.slots <- struct{}{}:
		g.touch()
		return true
	default:
	}
	if g.now().Sub(time.Unix(0, g.moved.Load())) >= gateStuck {
		return false
	}
	timer := time.NewTimer(gateWait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		g.touch()
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (g *gate) leave() {
	<-g.slots
	g.touch()
}

func (g *gate) touch() { g.moved.Store(g.now().UnixNano()) }
