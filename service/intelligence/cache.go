package intelligence

import (
	"context"
	"errors"
	"sync"
	"time"
)

// cache keeps answers for a moment and lets those who ask the same at the same time share one. Errors are shared with
// those who wait, and not kept.
type cache[K comparable, V any] struct {
	keep time.Duration
	now  func() time.Time

	mu      sync.Mutex
	entries map[K]*entry[V]
}

type entry[V any] struct {
	done  chan struct{} // closed when value, err and until are set
	value V
	err   error
	until time.Time
}

func newCache[K comparable, V any](keep time.Duration, now func() time.Time) *cache[K, V] {
	return &cache[K, V]{keep: keep, now: now, entries: map[K]*entry[V]{}}
}

// get returns a kept or shared answer, or has one made. make's context does not end with the asker's, because others
// may wait for the same answer; it must limit itself.
func (c *cache[K, V]) get(ctx context.Context, key K, make func(context.Context) (V, error)) (V, error) {
	e, mine := c.enter(key)
	if !mine {
		select {
		case <-e.done:
			return e.value, e.err
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
	}
	e.err = errNoAnswer // what those who wait get if make panics
	defer c.leave(key, e)
	e.value, e.err = make(context.WithoutCancel(ctx))
	return e.value, e.err
}

var errNoAnswer = errors.New("the shared answer was not made")

func (c *cache[K, V]) leave(key K, e *entry[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.until = c.now().Add(c.keep)
	if e.err != nil {
		delete(c.entries, key)
	}
	close(e.done)
}

// enter returns the entry of the key and whether the caller is to fill it. What has expired is forgotten.
func (c *cache[K, V]) enter(key K) (e *entry[V], mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for k, old := range c.entries {
		if !old.until.IsZero() && !now.Before(old.until) {
			delete(c.entries, k)
		}
	}
	if e, ok := c.entries[key]; ok {
		return e, false
	}
	e = &entry[V]{done: make(chan struct{})}
	c.entries[key] = e
	return e, true
}
