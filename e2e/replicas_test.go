//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/pgcluster"
)

// startReplicas starts control planes on one database of their own, under definitions that page the returned world's sink.
func startReplicas(t *testing.T, n int, definitions string) (*world, []*plane, *pgcluster.Cluster) {
	t.Helper()
	dir := tempDir(t)
	// The built-in cluster has room for one control plane and those beside it for a while; for several, PostgreSQL's own default.
	cluster, err := pgcluster.Open(pgcluster.Config{Dir: filepath.Join(dir, "pg"), Log: slog.New(slog.DiscardHandler),
		ExtraSettings: map[string]string{"max_connections": "100"}})
	if err != nil {
		t.Fatal(err)
	}
	runCluster(t, cluster)
	w := &world{sink: startSink(t)}
	var all []*plane
	for range n {
		all = append(all, startPlane(t, planeOptions{env: pageKeys,
			args: []string{"--database-url", cluster.URL(pgcluster.Role), "--prometheus-url", quietPrometheus(t)}}))
	}
	w.plane = all[0]
	path := filepath.Join(dir, "definitions.yaml")
	write(t, path, strings.ReplaceAll(definitions, "SINK", w.sink.URL))
	w.cli("apply", "-f", path)
	return w, all, cluster
}

// threeSteps pages once every two seconds.
const threeSteps = `
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: default}
spec:
  repeat: 1
  steps:
  - targets: [{webhook: {url: "SINK/1", secret: {env: E2E_WEBHOOK_SECRET}}}]
  - delay: 2s
    targets: [{webhook: {url: "SINK/2", secret: {env: E2E_WEBHOOK_SECRET}}}]
  - delay: 2s
    targets: [{webhook: {url: "SINK/3", secret: {env: E2E_WEBHOOK_SECRET}}}]
`

// TestAFrozenReplicaNeitherHoldsUpNorRepeatsAStep freezes one of three replicas after the other, at whatever it is doing,
// while 48 incidents, fewer than a storm, escalate through two rounds of three steps.
func TestAFrozenReplicaNeitherHoldsUpNorRepeatsAStep(t *testing.T) {
	t.Parallel()
	const many = 48
	w, replicas, _ := startReplicas(t, 3, threeSteps)
	for n := range many {
		if code := w.postAlert(fmt.Sprintf("Frozen%02d", n)); code != http.StatusOK {
			t.Fatal(code)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var freezing sync.WaitGroup
	freezing.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			p := replicas[1+n%2] // the first answers our questions
			_ = syscall.Kill(p.cmd.Process.Pid, syscall.SIGSTOP)
			select {
			case <-ctx.Done():
			case <-time.After(4 * time.Second):
			}
			_ = syscall.Kill(p.cmd.Process.Pid, syscall.SIGCONT)
		}
	})
	defer freezing.Wait()
	defer cancel()
	steps := func() map[string]int {
		seen := map[string]int{}
		for _, p := range w.sink.pages() {
			var body struct {
				Type string
				Data struct {
					Title string
					Page  struct{ Step, Round int }
				}
			}
			if err := json.Unmarshal(p.Raw, &body); err != nil {
				t.Errorf("%s: %v", p.Raw, err)
			}
			seen[fmt.Sprintf("%s %d/%d %s", body.Data.Title, body.Data.Page.Round, body.Data.Page.Step, p.ID)]++
		}
		return seen
	}
	eventually(t, 90*time.Second, "every step of every round is paged", func() error {
		if got := len(steps()); got < many*6 {
			return fmt.Errorf("%d of %d", got, many*6)
		}
		return nil
	})
	cancel()
	freezing.Wait()
	again := 0
	for _, n := range steps() {
		again += n - 1
	}
	if got := len(steps()); got != many*6 {
		t.Errorf("%d different pages; want %d", got, many*6)
	}
	t.Logf("%d pages, %d of them sent again under their id after a freeze", many*6, again)
}

// TestADeployFailsNoRequest replaces one of two replicas after the other under load, as a rolling deploy does behind a
// balancer that asks /readyz: whoever is told to stop says so, answers what still comes, and finishes what it has begun.
func TestADeployFailsNoRequest(t *testing.T) {
	t.Parallel()
	w, replicas, _ := startReplicas(t, 2, pagingOnly)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var answered atomic.Int64
	var usable [2]atomic.Bool
	for n, p := range replicas {
		usable[n].Store(true)
		running.Go(func() {
			for ctx.Err() == nil {
				res, err := http.Get("http://" + p.ops + "/readyz")
				usable[n].Store(err == nil && res.StatusCode == http.StatusOK)
				if err == nil {
					res.Body.Close()
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	for n := range 8 {
		running.Go(func() {
			at := n % 2
			for i := 0; ctx.Err() == nil; i++ {
				if !usable[at].Load() {
					at = 1 - at
				}
				code, body, _, err := replicas[at].try(w.token, http.MethodPost, "/alertmanager/api/v2/alerts", alert(fmt.Sprintf("Deploy%d", i%20)))
				if err != nil || code != http.StatusOK {
					t.Errorf("%d %s %v", code, body, err)
				}
				answered.Add(1)
			}
		})
	}
	for round := range 4 {
		before := answered.Load()
		eventually(t, 20*time.Second, "requests are answered", func() error {
			if answered.Load() < before+100 {
				return errors.New("not yet")
			}
			return nil
		})
		p := replicas[round%2]
		p.stop()
		p.start()
		p.ready(30 * time.Second)
	}
	cancel()
	running.Wait()
	t.Logf("%d requests through four restarts", answered.Load())
}

// TestTenThousandPeopleLookOn opens ten thousand live streams of two hundred and more people, tells something, and closes
// half of them without a word.
func TestTenThousandPeopleLookOn(t *testing.T) {
	const streams, each = 10_000, 30
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < streams+500 {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < streams+500 {
			t.Skipf("this machine allows %d open files, and ten thousand streams need more", limit.Max)
		}
	}
	w, _, _ := startReplicas(t, 1, pagingOnly)
	alone := w.metric("process_resident_memory_bytes")
	var tokens []string
	for n := range (streams + each - 1) / each {
		status, raw, _ := w.call(http.MethodPost, "/api/v1/tokens", map[string]string{"name": fmt.Sprintf("viewer-%d", n), "role": "viewer"})
		var made struct{ Token string }
		if err := json.Unmarshal(raw, &made); err != nil || made.Token == "" {
			t.Fatalf("%d %s", status, raw)
		}
		tokens = append(tokens, made.Token)
	}
	var opened, told atomic.Int64
	var mu sync.Mutex
	var conns []net.Conn
	var late []time.Duration
	var began atomic.Int64
	var opening, reading sync.WaitGroup
	room := make(chan struct{}, 200)
	for n := range streams {
		opening.Add(1)
		room <- struct{}{}
		reading.Go(func() {
			ready := sync.OnceFunc(func() { <-room; opening.Done() })
			defer ready()
			// Source addresses differ, because one has fewer ports than we have streams.
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n%8))}}
			conn, err := dialer.Dial("tcp", w.listen)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n", w.listen, tokens[n/each])
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				switch line := lines.Text(); {
				case strings.HasPrefix(line, "HTTP/1.1 ") && !strings.HasPrefix(line, "HTTP/1.1 200"):
					t.Errorf("stream %d: %s", n, line)
					return
				case strings.HasPrefix(line, "retry:"):
					opened.Add(1)
					ready()
				case strings.HasPrefix(line, "event: incident") && told.Load() < streams:
					mu.Lock()
					late = append(late, time.Duration(time.Now().UnixNano()-began.Load()))
					mu.Unlock()
					told.Add(1)
					return
				}
			}
		})
	}
	opening.Wait()
	if opened.Load() != streams {
		t.Fatalf("%d of %d streams are open", opened.Load(), streams)
	}
	memory := w.metric("process_resident_memory_bytes") - alone
	began.Store(time.Now().UnixNano())
	if code := w.postAlert("TenThousand"); code != http.StatusOK {
		t.Fatal(code)
	}
	eventually(t, 30*time.Second, "everybody hears of it", func() error {
		if n := told.Load(); n < streams {
			return fmt.Errorf("%d have", n)
		}
		return nil
	})
	slices.Sort(late)
	t.Logf("%d streams heard of an incident: half after %v, 99 %% after %v; %.0f KB a stream", streams, late[streams/2].Round(time.Millisecond),
		late[streams*99/100].Round(time.Millisecond), memory/streams/1024)
	if memory > streams*40<<10 {
		t.Errorf("a stream takes %.0f KB; want 40 at most", memory/streams/1024)
	}
	for _, c := range conns {
		c.Close()
	}
	reading.Wait()
	eventually(t, 45*time.Second, "those who left are forgotten", func() error {
		if n := w.metric("nines_event_streams"); n != 0 {
			return fmt.Errorf("%v streams are still open", n)
		}
		return nil
	})
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", w.cmd.Process.Pid)); err != nil {
		t.Error("nines is gone")
	}
}
