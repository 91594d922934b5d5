//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/pgcluster"
)

// TestAHundredKillsLoseNothing kills the control plane a hundred times while 10,000 alerts of 500 services arrive, at
// whatever it is doing. Nothing that was answered 200 is lost, every incident is paged, and nothing is left half done.
func TestAHundredKillsLoseNothing(t *testing.T) {
	const kills, alerts, services = 100, 10_000, 500
	dir := tempDir(t)
	cluster, err := pgcluster.Open(pgcluster.Config{Dir: filepath.Join(dir, "pg"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	runCluster(t, cluster)
	w := startPaging(t, planeOptions{dir: dir, args: []string{"--database-url", cluster.URL("nines"), "--prometheus-url", quietPrometheus(t)}})

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var (
		next   atomic.Int64
		mu     sync.Mutex
		acked  = map[string]bool{}
		poster sync.WaitGroup
	)
	for range 4 {
		poster.Go(func() {
			for n := next.Add(1); n <= alerts && ctx.Err() == nil; n = next.Add(1) {
				name := fmt.Sprintf("Kill%05d", n)
				// As a source does: again until it is answered.
				for ctx.Err() == nil {
					body := []map[string]any{{"labels": map[string]string{
						"alertname": "Down", "severity": "critical", "service": fmt.Sprintf("svc-%03d", n%services), "pod": name}}}
					code, _, _, err := w.try(w.token, http.MethodPost, "/alertmanager/api/v2/alerts", body)
					if err == nil && code == http.StatusOK {
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
				mu.Lock()
				acked[name] = true
				mu.Unlock()
			}
		})
	}
	for k := range kills {
		// The alerts are spread over all the kills.
		eventually(t, time.Minute, "some alerts are answered", func() error {
			mu.Lock()
			defer mu.Unlock()
			if want := min(alerts, (k+1)*alerts/kills); len(acked) < want {
				return fmt.Errorf("%d of %d", len(acked), want)
			}
			return nil
		})
		time.Sleep(time.Duration(rand.Int64N(int64(30 * time.Millisecond))))
		w.kill()
		w.plane.start()
	}
	w.ready(time.Minute)
	poster.Wait()

	conn, err := pgx.Connect(context.Background(), cluster.DatabaseURL(pgcluster.Superuser, pgcluster.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	ask := func(sql string) (n int) {
		t.Helper()
		if err := conn.QueryRow(context.Background(), sql).Scan(&n); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return n
	}
	eventually(t, 2*time.Minute, "all is worked off", func() error {
		inbox, pages := ask("select count(*) from inbox"), ask("select count(*) from pages where state in ('pending', 'sending')")
		if inbox+pages > 0 {
			return fmt.Errorf("%d postings and %d pages are left", inbox, pages)
		}
		return nil
	})
	if n := ask("select count(distinct labels->>'pod') from alerts"); n != alerts || len(acked) != alerts {
		t.Errorf("%d alerts were acknowledged, %d are there", len(acked), n)
	}
	for what, sql := range map[string]string{
		"alerts without an incident":           "select count(*) from alerts where incident_id is null",
		"incidents that nobody was paged for":  "select count(*) from incidents i where not exists (select from pages p where p.incident_id = i.id and p.state = 'sent')",
		"open incidents of one group":          "select count(*) - count(distinct group_key) from incidents where state <> 'resolved'",
		"pages without an attempt":             "select count(*) from pages p where p.state = 'sent' and not exists (select from attempts a where a.page_id = p.id and a.outcome = 'sent')",
		"timelines that do not begin":          "select count(*) from incidents i where not exists (select from timeline e where e.incident_id = i.id and e.kind = 'opened')",
		"postings that could not be worked on": "select count(*) from inbox",
	} {
		if n := ask(sql); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	if n := ask("select count(*) from incidents"); n != services {
		t.Errorf("%d incidents of %d services", n, services)
	}
	sent := map[string]int{}
	for _, p := range w.sink.pages() {
		sent[p.ID]++
	}
	again := 0
	for _, n := range sent {
		again += n - 1
	}
	if len(sent) != services {
		t.Errorf("%d different pages of %d services arrived", len(sent), services)
	}
	t.Logf("%d kills, %d alerts, %d pages, %d of them sent twice under their key", kills, alerts, len(sent), again)
	if strings.Contains(w.out.String(), "parked") {
		t.Error("a posting was parked")
	}
}

// quietPrometheus answers every question with nothing, so that a control plane starts and ends without a metrics engine.
func quietPrometheus(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
