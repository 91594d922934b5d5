package main

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// fastEnough is the promise about latency; it is a bucket boundary.
const fastEnough = 250 * time.Millisecond

// event is one answered request of a customer.
type event struct {
	tenant, region, route string
	code                  int
	took                  time.Duration
}

// books count every event twice: in metrics for whoever watches from outside, and exactly, for comparing.
type books struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec

	mu     sync.Mutex
	counts map[place]counts
}

type place struct{ tenant, region string }

type counts struct{ good, fast, total int64 }

// newBooks registers the metrics. No series is made before its first event, as in most services: whoever measures the
// first error ever must get it right all the same.
func newBooks(reg prometheus.Registerer) *books {
	b := &books{
		counts: map[place]counts{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered, by customer, region, route and status code.",
		}, []string{"tenant", "region", "route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "How long requests took to answer.",
			Buckets:                        []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"tenant", "region", "route"}),
	}
	reg.MustRegister(b.requests, b.duration)
	return b
}

func (b *books) record(e event) {
	seconds := e.took.Seconds()
	b.mu.Lock()
	defer b.mu.Unlock()
	at := place{e.tenant, e.region}
	c := b.counts[at]
	c.total++
	if e.code < 500 {
		c.good++
	}
	if seconds <= fastEnough.Seconds() {
		c.fast++
	}
	b.counts[at] = c
	b.requests.WithLabelValues(e.tenant, e.region, e.route, strconv.Itoa(e.code)).Inc()
	b.duration.WithLabelValues(e.tenant, e.region, e.route).Observe(seconds)
}

// truth is what happened since the start, exactly.
type truth struct {
	Since time.Time  `json:"since"`
	Until time.Time  `json:"until"`
	Rows  []truthRow `json:"rows"`
}

type truthRow struct {
	Tenant string `json:"tenant"`
	Region string `json:"region"`
	Good   int64  `json:"good"` // did not fail on our side: status below 500
	Fast   int64  `json:"fast"` // answered within 250 ms
	Total  int64  `json:"total"`
}

func (b *books) truth(since time.Time) truth {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := truth{Since: since, Until: time.Now().UTC(), Rows: []truthRow{}}
	for at, c := range b.counts {
		t.Rows = append(t.Rows, truthRow{at.tenant, at.region, c.good, c.fast, c.total})
	}
	slices.SortFunc(t.Rows, func(a, b truthRow) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Region, b.Region))
	})
	return t
}
