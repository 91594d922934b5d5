package service

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Backoff of a child that keeps ending: doubled from the first to the longest, and forgotten after a steady run.
const (
	firstBackoff   = 100 * time.Millisecond
	longestBackoff = 5 * time.Second
	steadyRun      = 30 * time.Second
)

// ChildState is how a child is doing, for /readyz and the terminal.
type ChildState struct {
	Name     string    `json:"name"`
	Up       bool      `json:"up"`
	Since    time.Time `json:"since"`    // when Up last changed
	Restarts int       `json:"restarts"` // since the control plane started
	Detail   string    `json:"detail"`   // why it last ended, or ""
}

// child is a process of ours that is started again whenever it ends.
type child struct {
	name string
	// run blocks until the process ends or ctx does; it calls ready when the process serves.
	run     func(ctx context.Context, ready func()) error
	log     *slog.Logger
	observe func(ChildState)

	mu    sync.Mutex
	state ChildState
	first chan struct{} // closed when it was ready for the first time
	never error         // why it never will be; set before first is closed
	once  sync.Once
}

func newChild(name string, log *slog.Logger, observe func(ChildState), run func(context.Context, func()) error) *child {
	return &child{name: name, run: run, log: log.With("child", name), observe: observe,
		state: ChildState{Name: name, Since: time.Now().UTC()}, first: make(chan struct{})}
}

// Run keeps the child running until ctx ends.
func (c *child) Run(ctx context.Context) error {
	backoff := firstBackoff
	for {
		began := time.Now()
		err := c.run(ctx, c.becameReady)
		if ctx.Err() != nil {
			c.set(func(s *ChildState) { s.Up, s.Detail = false, "stopped" })
			return nil
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		if fault.Is(err, fault.Conflict) && c.giveUp(err) { // somebody else has what it needs; trying again won't help
			return nil
		}
		if time.Since(began) > steadyRun {
			backoff = firstBackoff
		}
		c.set(func(s *ChildState) { s.Up, s.Detail = false, err.Error(); s.Restarts++ })
		c.log.Warn("a child ended; starting it again", "error", err, "in", backoff)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(backoff*2, longestBackoff)
	}
}

// Ready waits until the child has served once, or says why it never will.
func (c *child) Ready(ctx context.Context) error {
	select {
	case <-c.first:
		return c.never
	case <-ctx.Done():
		return ctx.Err()
	}
}

// State returns how the child is doing now.
func (c *child) State() ChildState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *child) becameReady() {
	c.set(func(s *ChildState) { s.Up, s.Detail = true, "" })
	c.once.Do(func() { close(c.first) })
}

// giveUp ends the wait for a child that was never ready; it returns false where it already was.
func (c *child) giveUp(err error) (gaveUp bool) {
	c.once.Do(func() {
		gaveUp, c.never = true, err
		close(c.first)
	})
	if gaveUp {
		c.set(func(s *ChildState) { s.Up, s.Detail = false, err.Error() })
	}
	return gaveUp
}

func (c *child) set(change func(*ChildState)) {
	c.mu.Lock()
	before := c.state.Up
	change(&c.state)
	if c.state.Up != before {
		c.state.Since = time.Now().UTC()
	}
	now := c.state
	c.mu.Unlock()
	c.observe(now)
}
