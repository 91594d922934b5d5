package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxRate     = 2000                   // requests a second: it is an example, not a load generator
	maxOpen     = 500                    // requests at a time; more would only queue
	maxBacklog  = 250 * time.Millisecond // more than this behind is not made up for
	idle        = 50 * time.Millisecond  // how soon a new rate counts
	askTimeout  = 10 * time.Second
	settlePause = 5 * time.Millisecond
)

func checkRate(rps float64) error {
	if !(rps >= 0 && rps <= maxRate) {
		return fmt.Errorf("%g requests a second is not possible; 0 to %d are", rps, maxRate)
	}
	return nil
}

// traffic makes requests of the shop over real HTTP. Its customers, regions and routes are drawn from a seeded source.
type traffic struct {
	random  *rand.Rand // used by run alone
	client  *http.Client
	skipped prometheus.Counter

	mu   sync.Mutex
	rps  float64
	open int
}

func newTraffic(rps float64, seed uint64, reg prometheus.Registerer) *traffic {
	t := &traffic{
		random: random(seed, 1), rps: rps,
		client: &http.Client{Timeout: askTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}},
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shop_traffic_skipped_total", Help: "Requests not made, because too many were open already."}),
	}
	reg.MustRegister(t.skipped)
	return t
}

func (t *traffic) rate() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rps
}

func (t *traffic) set(rps float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rps = rps
}

// begin counts a request in, unless the rate has become 0 or too many are open.
func (t *traffic) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rps == 0 {
		return false
	}
	if t.open >= maxOpen {
		t.skipped.Inc()
		return false
	}
	t.open++
	return true
}

func (t *traffic) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open--
}

// settle waits while the rate is 0 and requests are still open.
func (t *traffic) settle(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		t.mu.Lock()
		open, rps := t.open, t.rps
		t.mu.Unlock()
		if open == 0 || rps != 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("some requests are still open")
		case <-time.After(settlePause):
		}
	}
}

// run makes requests until ctx ends, and returns when the last one is over.
func (t *traffic) run(ctx context.Context, base string) {
	var asking sync.WaitGroup
	defer asking.Wait()
	due := time.Now()
	for ctx.Err() == nil {
		rps := t.rate()
		if rps == 0 {
			due = time.Now()
			pause(ctx, idle)
			continue
		}
		every := time.Duration(float64(time.Second) / rps)
		if wait := time.Until(due); wait > 0 {
			due = due.Add(-max(0, wait-every)) // the rate was raised meanwhile
			pause(ctx, min(wait, idle))
			continue
		}
		due = due.Add(every)
		if behind := time.Now().Add(-maxBacklog); due.Before(behind) {
			due = behind
		}
		if t.begin() {
			ask := t.next(base)
			asking.Go(func() { defer t.end(); t.ask(ask) })
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// request is one drawn request.
type request struct{ method, url, tenant, region string }

// shares has each customer as often as its share of the traffic says.
var shares = []string{"acme", "acme", "acme", "globex", "globex", "initech"}

// next draws a request: four of five are served at home, one of five buys.
func (t *traffic) next(base string) request {
	r := request{method: http.MethodGet, url: base + "/products", tenant: shares[t.random.IntN(len(shares))]}
	home := homes[r.tenant]
	r.region = home[0]
	if t.random.IntN(5) == 0 {
		r.region = home[1]
	}
	if t.random.IntN(5) == 0 {
		r.method, r.url = http.MethodPost, base+"/checkout"
	}
	return r
}

// ask makes one request. What comes back is counted by the shop itself.
func (t *traffic) ask(r request) {
	req, err := http.NewRequest(r.method, r.url, nil)
	if err != nil {
		return // the address is our own
	}
	req.Header.Set("X-Tenant", r.tenant)
	req.Header.Set("X-Region", r.region)
	res, err := t.client.Do(req)
	if err != nil {
		return // the shop is stopping
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}
