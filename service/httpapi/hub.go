package httpapi

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Notice is one change that listeners hear of. It says what changed, never how: they ask for that with their own rights.
type Notice struct {
	Topic  string `json:"topic"` // "incident", "alert", "page", "definitions", "ledger", "correction", "silence", "heartbeat" or "contact"
	Tenant string `json:"tenant"`
	ID     string `json:"id"`

	seq uint64
}

// Hub passes changes on to everybody who listens on GET /events, within their scope. Publishing never waits for a
// listener: one that is too slow loses notices and is told to read everything anew.
type Hub struct {
	heartbeat time.Duration // a comment this often shows that the stream lives, and finds clients that have left
	lifetime  time.Duration // after it a stream ends and the client, reconnecting, proves again who it is
	most      streamCaps

	mu        sync.Mutex
	listeners map[*listener]struct{}
	counts    map[string]int // open streams by principal and by tenant
	seq       uint64
	closed    bool
	done      chan struct{}
}

// streamCaps are the most open streams.
type streamCaps struct{ all, tenant, principal int }

// pending is how many notices wait for a slow listener before it has to read anew.
const pending = 16

// listener is one open stream.
type listener struct {
	who     access.Principal
	notices chan Notice
	lost    atomic.Bool // notices were dropped since the last one was read
}

// NewHub returns a hub with a heartbeat every 10 seconds, and streams of at most 10 minutes.
func NewHub() *Hub {
	return &Hub{
		heartbeat: 10 * time.Second, lifetime: 10 * time.Minute, most: streamCaps{all: 20_000, tenant: 1_000, principal: 32},
		listeners: map[*listener]struct{}{}, counts: map[string]int{}, done: make(chan struct{}),
	}
}

// Publish tells everybody in whose scope the tenant lies.
func (h *Hub) Publish(topic, tenant, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	n := Notice{Topic: topic, Tenant: tenant, ID: id, seq: h.seq}
	for l := range h.listeners {
		if !l.who.Scope().Allows(tenant) {
			continue
		}
		select {
		case l.notices <- n:
		default:
			l.lost.Store(true)
		}
	}
}

// Close ends every stream with a goodbye and refuses new ones. Call it before the server is shut down, which otherwise
// waits for the streams.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.done)
	}
}

// Closed reports whether Close was called: the server is about to stop.
func (h *Hub) Closed() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// Listeners returns how many streams are open.
func (h *Hub) Listeners() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.listeners)
}

// listen opens a stream for the principal; leave ends it. Too many streams are a fault.Limited.
func (h *Hub) listen(who access.Principal) (*listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, fault.New(fault.Unavailable, "the server is stopping; connect again")
	case len(h.listeners) >= h.most.all,
		h.counts["principal "+who.ID] >= h.most.principal,
		who.Tenant != "" && h.counts["tenant "+who.Tenant] >= h.most.tenant:
		return nil, fault.New(fault.Limited, "too many open event streams; close one, or try again later")
	}
	l := &listener{who: who, notices: make(chan Notice, pending)}
	h.listeners[l] = struct{}{}
	h.counts["principal "+who.ID]++
	h.counts["tenant "+who.Tenant]++
	return l, nil
}

func (h *Hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, open := h.listeners[l]; !open {
		return
	}
	delete(h.listeners, l)
	for _, key := range []string{"principal " + l.who.ID, "tenant " + l.who.Tenant} {
		if h.counts[key]--; h.counts[key] <= 0 {
			delete(h.counts, key)
		}
	}
}

// caughtUp reports whether nothing was lost; else it drops what still waits, because the client reads everything anew.
func (l *listener) caughtUp() bool {
	if !l.lost.Swap(false) {
		return true
	}
	for {
		select {
		case <-l.notices:
		default:
			return false
		}
	}
}
