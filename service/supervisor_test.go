package service

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

func TestAChildThatEndsIsStartedAgainWithABackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Duration
		began := time.Now()
		c := newChild("engine", slog.New(slog.DiscardHandler), func(ChildState) {}, func(ctx context.Context, ready func()) error {
			starts = append(starts, time.Since(began))
			ready()
			if len(starts) < 4 {
				return errors.New("out of disk")
			}
			<-ctx.Done()
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(time.Minute)
		if s := c.State(); !s.Up || s.Restarts != 3 || s.Detail != "" {
			t.Errorf("after three ends it is up again: %+v", s)
		}
		want := []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond}
		for i := range want {
			if starts[i] != want[i] {
				t.Errorf("start %d came at %v, want %v", i, starts[i], want[i])
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopping it is no error: %v", err)
		}
		if s := c.State(); s.Up || s.Detail != "stopped" {
			t.Errorf("a stopped child says so: %+v", s)
		}
	})
}

func TestTheBackoffIsBoundedAndForgottenAfterASteadyRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		c := newChild("postgres", slog.New(slog.DiscardHandler), func(ChildState) {}, func(ctx context.Context, ready func()) error {
			starts = append(starts, time.Now())
			if len(starts) == 10 {
				time.Sleep(steadyRun + time.Second)
			}
			return errors.New("no")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if gap := starts[9].Sub(starts[8]); gap != longestBackoff {
			t.Errorf("the ninth wait is %v, want %v", gap, longestBackoff)
		}
		if gap := starts[10].Sub(starts[9]) - steadyRun - time.Second; gap != firstBackoff {
			t.Errorf("after a steady run the wait is %v, want %v", gap, firstBackoff)
		}
		if err := newChild("x", slog.New(slog.DiscardHandler), nil, nil).Ready(ctx); err == nil {
			t.Error("waiting for a child that never was ready ends with the context")
		}
	})
}

func TestAChildWhoseFolderIsTakenIsNotTriedForEver(t *testing.T) {
	t.Parallel()
	starts := 0
	c := newChild("postgres", slog.New(slog.DiscardHandler), func(ChildState) {}, func(context.Context, func()) error {
		starts++
		return fault.New(fault.Conflict, "another process runs on this folder")
	})
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); !fault.Is(err, fault.Conflict) || starts != 1 {
		t.Errorf("after %d starts: %v", starts, err)
	}
}
