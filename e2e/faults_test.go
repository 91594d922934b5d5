//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/pgcluster"
)

func alert(name string) []map[string]any {
	return []map[string]any{{"labels": map[string]string{"alertname": name, "severity": "critical", "tenant": "acme"}}}
}

func (p *plane) postAlert(name string) int {
	p.t.Helper()
	status, _, _ := p.call(http.MethodPost, "/alertmanager/api/v2/alerts", alert(name))
	return status
}

func (s *sink) waitFor(t *testing.T, within time.Duration, text string) webhookPage {
	t.Helper()
	var found webhookPage
	eventually(t, within, "a page about "+text, func() error {
		for _, p := range s.pages() {
			if strings.Contains(string(p.Raw), text) {
				found = p
				return nil
			}
		}
		return fmt.Errorf("%d pages, none about it", len(s.pages()))
	})
	return found
}

func (s *sink) about(text string) []webhookPage {
	var out []webhookPage
	for _, p := range s.pages() {
		if strings.Contains(string(p.Raw), text) {
			out = append(out, p)
		}
	}
	return out
}

// childPID returns the process id of the plane's child whose command line holds the word.
func (p *plane) childPID(word string) int {
	p.t.Helper()
	raw, err := exec.Command("pgrep", "-P", strconv.Itoa(p.cmd.Process.Pid), "-f", word).Output()
	if err != nil {
		p.t.Fatalf("no child %q: %v", word, err)
	}
	pid, err := strconv.Atoi(strings.Fields(string(raw))[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return pid
}

// While the metrics engine is dead, an alert that is posted still pages; the engine comes back by itself.
func TestAKilledEngineDelaysNoPage(t *testing.T) {
	t.Parallel()
	w := startPaging(t, planeOptions{})
	before := w.childPID("nines engine")
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status := w.postAlert("EngineIsDead"); status != http.StatusOK {
		t.Fatalf("the alert was answered %d", status)
	}
	w.sink.waitFor(t, 5*time.Second, "EngineIsDead")
	w.ready(20 * time.Second)
	if after := w.childPID("nines engine"); after == before {
		t.Error("the engine was not started again")
	}
}

// With the engine's disk full, the engine may refuse or end, but an alert that is posted still pages.
func TestAFullEngineDiskDelaysNoPage(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	disk := filepath.Join(dir, "data", "engine")
	if err := os.MkdirAll(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "data"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	shop := startShop(t, 20)
	w := startPaging(t, planeOptions{dir: dir, scrape: strings.ReplaceAll(scrapeShop, "SHOP", shop.listen), args: []string{"--engine-min-free", "1048576"}})
	fill(t, filepath.Join(disk, "filler"))
	for i := range 5 {
		name := fmt.Sprintf("DiskIsFull%d", i)
		if status := w.postAlert(name); status != http.StatusOK {
			t.Fatalf("the alert was answered %d", status)
		}
		w.sink.waitFor(t, 5*time.Second, name)
		time.Sleep(time.Second) // lets scrapes run into the full disk between two alerts
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	w.ready(60 * time.Second)
}

func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return // no space left, as intended
		}
	}
}

// kill -9 before, during and after a provider call: every page arrives, with the same key each time.
func TestAKilledControlPlaneLosesNoPage(t *testing.T) {
	t.Parallel()
	w := startPaging(t, planeOptions{})

	// During: the receiver has the page and has not answered.
	release := w.sink.holdAnswers()
	const queued = 12 // more than are sent at a time, so that some are killed before their call
	for i := range queued {
		if status := w.postAlert(fmt.Sprintf("Killed%02d", i)); status != http.StatusOK {
			t.Fatalf("the alert was answered %d", status)
		}
	}
	select {
	case <-w.sink.began:
	case <-time.After(10 * time.Second):
		t.Fatal("no page began")
	}
	w.kill()
	release()
	held := w.sink.pages()
	w.start()
	w.ready(15 * time.Second)
	ready := time.Now()
	for i := range queued {
		name := fmt.Sprintf("Killed%02d", i)
		eventually(t, 15*time.Second-time.Since(ready), "a page about "+name+" after the restart", func() error {
			if got := w.sink.about(name); len(got) == 0 || len(got) == count(held, name) {
				return fmt.Errorf("%d pages, %d of them before the kill", len(got), count(held, name))
			}
			return nil
		})
	}
	for i := range queued {
		pages := w.sink.about(fmt.Sprintf("Killed%02d", i))
		for _, p := range pages {
			if p.ID != pages[0].ID {
				t.Errorf("a repeated page has another key: %s and %s", p.ID, pages[0].ID)
			}
		}
		if len(pages) > 2 {
			t.Errorf("%d pages for one alert", len(pages))
		}
	}

	// After: the plane is killed the moment the receiver has answered.
	w.sink.killOnAnswer(w.cmd.Process.Pid)
	if status := w.postAlert("AfterAnswer"); status != http.StatusOK {
		t.Fatalf("the alert was answered %d", status)
	}
	w.sink.waitFor(t, 10*time.Second, "AfterAnswer")
	<-w.done
	w.start()
	w.ready(15 * time.Second)
	eventually(t, 15*time.Second, "the page is known to be sent", func() error {
		return w.attemptsOf("AfterAnswer")
	})
	for _, p := range w.sink.about("AfterAnswer") {
		if p.ID != w.sink.about("AfterAnswer")[0].ID {
			t.Errorf("a repeated page has another key")
		}
	}
}

func count(pages []webhookPage, text string) int {
	n := 0
	for _, p := range pages {
		if strings.Contains(string(p.Raw), text) {
			n++
		}
	}
	return n
}

// attemptsOf returns nil once an attempt of the incident with the title was recorded as sent.
func (p *plane) attemptsOf(title string) error {
	for _, i := range p.incidents("triggered") {
		if !strings.Contains(i.Title, title) {
			continue
		}
		var answer struct {
			Attempts []struct {
				Outcome string `json:"outcome"`
			} `json:"attempts"`
		}
		if err := p.get("/api/v1/incidents/"+i.ID+"/attempts", &answer); err != nil {
			return err
		}
		for _, a := range answer.Attempts {
			if a.Outcome == "sent" {
				return nil
			}
		}
		return fmt.Errorf("attempts %+v", answer.Attempts)
	}
	return fmt.Errorf("no incident %q", title)
}

// PostgreSQL is stopped for 30 s while alerts keep arriving: what is answered 200 is there afterwards, everything else is
// a 503 that says when to try again, and the plane recovers without a restart.
func TestNothingAcknowledgedIsLostWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	cluster, err := pgcluster.Open(pgcluster.Config{Dir: filepath.Join(dir, "pg"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	stop := runCluster(t, cluster)
	w := startPaging(t, planeOptions{dir: dir, args: []string{"--database-url", cluster.URL("nines")}})

	var (
		mu     sync.Mutex
		acked  []string
		status = map[int]int{}
	)
	ctx, cancel := context.WithCancel(context.Background())
	var posting sync.WaitGroup
	posting.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			name := fmt.Sprintf("While%04d", n)
			code, body, header, err := w.try(w.token, http.MethodPost, "/alertmanager/api/v2/alerts", alert(name))
			if err != nil {
				t.Errorf("no answer at all: %v", err)
				return
			}
			mu.Lock()
			status[code]++
			if code == http.StatusOK {
				acked = append(acked, name)
			} else if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
				t.Errorf("answered %d %q with Retry-After %q", code, body, header.Get("Retry-After"))
			}
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
		}
	})
	time.Sleep(2 * time.Second)
	stop()
	time.Sleep(30 * time.Second)
	runCluster(t, cluster)
	back := time.Now()
	eventually(t, 10*time.Second, "alerts are taken again", func() error {
		code, body, _, err := w.try(w.token, http.MethodPost, "/alertmanager/api/v2/alerts", alert("Back"))
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("%d %s %v", code, body, err)
		}
		return nil
	})
	t.Logf("recovered %v after PostgreSQL was back; answers %v", time.Since(back).Round(time.Millisecond), status)
	cancel()
	posting.Wait()
	if status[http.StatusServiceUnavailable] == 0 || status[http.StatusOK] == 0 {
		t.Errorf("the outage was not felt: %v", status)
	}
	var stored []struct {
		Labels map[string]string `json:"labels"`
	}
	if err := w.get("/alertmanager/api/v2/alerts", &stored); err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, a := range stored {
		have[a.Labels["alertname"]] = true
	}
	for _, name := range acked {
		if !have[name] {
			t.Errorf("%s was acknowledged and is gone", name)
		}
	}
	w.sink.waitFor(t, 20*time.Second, "Back")
	for _, name := range acked {
		w.sink.waitFor(t, 20*time.Second, name)
	}
}

// runCluster runs the cluster until the returned function or the test's end stops it.
func runCluster(t *testing.T, c *pgcluster.Cluster) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- c.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("the cluster ended: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the cluster did not start")
	}
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// Bad definitions name every problem with file and line and apply nothing.
func TestBadDefinitionsApplyNothing(t *testing.T) {
	t.Parallel()
	w := startPaging(t, planeOptions{})
	before := w.cli("export")
	bad := filepath.Join(w.dir, "bad.yaml")
	write(t, bad, strings.NewReplacer("objective: 99.9", "objective: 100", "window: 2h", "window: 30 days", "groupBy:", "grupBy:",
		"policy: shop-oncall, runbook", "policy: nobody, runbook").Replace(definitionsFor(w.sink.URL, "http://127.0.0.1:1")))
	for _, command := range []string{"validate", "apply", "diff"} {
		out, err := w.tryCLI("", command, "-f", bad)
		if code := exitCode(err); code != 3 {
			t.Errorf("%s exits with %d: %s", command, code, out)
		}
		for _, need := range []string{"bad.yaml:5", "bad.yaml:12", "bad.yaml:13", "did you mean groupBy", "nobody"} {
			if !strings.Contains(out, need) {
				t.Errorf("%s does not say %q:\n%s", command, need, out)
			}
		}
	}
	if after := w.cli("export"); after != before {
		t.Errorf("something was applied:\n%s", after)
	}
	write(t, bad, strings.Repeat("[", 1<<20))
	if out, err := w.tryCLI("", "apply", "-f", bad); exitCode(err) != 3 || len(out) > 2000 {
		t.Errorf("a megabyte of brackets: %v, %d bytes of answer", err, len(out))
	}
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := err.(*exec.ExitError); ok {
		return e.ExitCode()
	}
	return -1
}
