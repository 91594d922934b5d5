//go:build e2e || bench

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// probes watches for the pages of single alerts, each of a service of its own, among whatever else arrives.
type probes struct {
	URL string

	mu     sync.Mutex
	posted map[string]time.Time
	paged  map[string]time.Time
	others int // pages without a probe
}

var probeName = regexp.MustCompile(`Probe[a-z]+\d+`)

func startProbes(t testing.TB) *probes {
	t.Helper()
	p := &probes{posted: map[string]time.Time{}, paged: map[string]time.Time{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		raw, _ := io.ReadAll(r.Body)
		found := probeName.FindAllString(string(raw), -1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(found) == 0 {
			p.others++
		}
		for _, name := range found {
			if _, known := p.paged[name]; !known {
				p.paged[name] = now
			}
		}
	}))
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// send posts one probe, the first word of its service.
func (p *probes) send(t testing.TB, post func(name string, body any) error, name string) {
	t.Helper()
	p.mu.Lock()
	p.posted[name] = time.Now()
	p.mu.Unlock()
	body := []map[string]any{{"labels": map[string]string{"alertname": name, "severity": "critical", "service": "of-" + name},
		"annotations": map[string]string{"summary": name}}}
	if err := post(name, body); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// took waits for the pages of all probes and returns how long each took from its posting, in order of length.
func (p *probes) took(t testing.TB, within time.Duration) []time.Duration {
	t.Helper()
	var out []time.Duration
	eventually(t, within, "every probe is paged", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		out = out[:0]
		for name, at := range p.posted {
			if paged, ok := p.paged[name]; ok {
				out = append(out, paged.Sub(at))
			}
		}
		if len(out) < len(p.posted) {
			return fmt.Errorf("%d of %d", len(out), len(p.posted))
		}
		return nil
	})
	slices.Sort(out)
	return out
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// stormBodies are alerts of one service in batches of fifty, each of a group of its own where each names its pod.
func stormBodies(alerts int) [][]byte {
	const batch = 50
	var out [][]byte
	ends := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for n := 0; n < alerts; n += batch {
		var body []map[string]any
		for i := range batch {
			body = append(body, map[string]any{"labels": map[string]string{"alertname": fmt.Sprintf("Storm%06d", n+i), "severity": "critical",
				"service": "loud", "pod": fmt.Sprintf("loud-%06d", n+i)}, "endsAt": ends})
		}
		raw, _ := json.Marshal(body)
		out = append(out, raw)
	}
	return out
}

// storm posts the bodies from eight clients, and a probe every so often while they do; it returns how many probes.
func storm(t testing.TB, p *probes, kind string, every time.Duration, bodies [][]byte, flood func([]byte) error, post func(string, any) error) int {
	t.Helper()
	var next atomic.Int64
	var flooding sync.WaitGroup
	over := make(chan struct{})
	for range 8 {
		flooding.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(bodies)); n = next.Add(1) - 1 {
				if err := flood(bodies[n]); err != nil {
					t.Errorf("storm: %v", err)
					return
				}
			}
		})
	}
	go func() { flooding.Wait(); close(over) }()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-over:
			return n
		case <-tick.C:
			p.send(t, post, fmt.Sprintf("Probe%s%d", kind, n))
		}
	}
}
