package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What a sink holds while its store is slow; beyond either limit lines are dropped.
const (
	sinkLines   = 8192
	sinkBytes   = 8 << 20
	reportEvery = time.Minute // how often drops are told in the local log
)

// lineSender is all that we ask of a log store's client. One goroutine calls Send and then Stop.
type lineSender interface {
	// Send hands a line over; it may block for as long as the store does.
	Send(at time.Time, line string)
	// Lost returns how many lines were taken and given up on so far. It may be called at any time.
	Lost() float64
	// Trouble returns why the store did not take something lately, "" if nothing is known. It may be called at any time.
	Trouble() string
	// Stop sends what Send left behind and ends the client.
	Stop()
}

type line struct {
	at   time.Time
	text string
}

// sink stands between the log and a store that may be slow, hang or be away: writing never waits and never fails. What
// does not fit is dropped, which a metric counts and the local log says once a minute.
type sink struct {
	name   string
	sender lineSender
	local  *slog.Logger // where drops are told

	lines   chan line
	held    atomic.Int64 // bytes in lines
	dropped atomic.Int64

	once    sync.Once
	closing chan struct{} // closed when nothing more is to be taken
	abandon atomic.Bool   // the time for the last lines is over
	pumped  chan struct{} // closed when the sender has stopped
	told    chan struct{} // closed when the last report was made
}

func newSink(name string, sender lineSender, local *slog.Logger) *sink {
	s := &sink{
		name: name, sender: sender, local: local, lines: make(chan line, sinkLines),
		closing: make(chan struct{}), pumped: make(chan struct{}), told: make(chan struct{}),
	}
	go s.pump()
	go s.report()
	return s
}

// Write takes one line. It never blocks; the error is always nil.
func (s *sink) Write(p []byte) (int, error) {
	size := int64(len(p))
	select {
	case <-s.closing:
		s.dropped.Add(1)
		return len(p), nil
	default:
	}
	if s.held.Add(size) > sinkBytes {
		s.drop(size)
		return len(p), nil
	}
	select {
	case s.lines <- line{time.Now(), string(p)}:
	default:
		s.drop(size)
	}
	return len(p), nil
}

func (s *sink) drop(size int64) {
	s.held.Add(-size)
	s.dropped.Add(1)
}

// Close sends what is left until ctx ends; then the rest is dropped, the error is ctx's, and the sender goes on
// stopping on its own.
func (s *sink) Close(ctx context.Context) error {
	s.once.Do(func() { close(s.closing) })
	select {
	case <-s.pumped:
		<-s.told
		return nil
	case <-ctx.Done():
		s.abandon.Store(true)
		return ctx.Err()
	}
}

func (s *sink) pump() {
	defer close(s.pumped)
	defer s.sender.Stop()
	for {
		select {
		case l := <-s.lines:
			s.pass(l)
		case <-s.closing:
			s.drain()
			return
		}
	}
}

func (s *sink) drain() {
	for {
		select {
		case l := <-s.lines:
			s.pass(l)
		default:
			return
		}
	}
}

func (s *sink) pass(l line) {
	s.held.Add(-int64(len(l.text)))
	if s.abandon.Load() {
		s.dropped.Add(1)
		return
	}
	s.sender.Send(l.at, l.text)
}

// report tells of drops once a minute and at the end, in the local log alone.
func (s *sink) report() {
	defer close(s.told)
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var before float64
	tell := func() {
		if now := s.lost(); now > before {
			s.local.Warn("log lines were dropped", "sink", s.name, "lines", int64(now-before), "reason", s.sender.Trouble())
			before = now
		}
	}
	for {
		select {
		case <-tick.C:
			tell()
		case <-s.pumped:
			tell()
			return
		}
	}
}

func (s *sink) lost() float64 { return float64(s.dropped.Load()) + s.sender.Lost() }

func (s *sink) collector() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name:        "nines_log_dropped_total",
		Help:        "Log lines that a log store did not take, by sink. They are in the local log all the same.",
		ConstLabels: prometheus.Labels{"sink": s.name},
	}, s.lost)
}
