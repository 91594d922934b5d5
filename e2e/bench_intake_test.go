//go:build bench

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestBenchIntake posts the same alerts to Nines, which answers when they are on disk, and to Debian's Alertmanager,
// which keeps them in memory: one at a time from sixteen clients, and in batches of 64 from eight. Then both are killed,
// and what they have after a restart is counted. All alerts of a run belong to a hundred services; half of them are
// ever new, half are told again.
func TestBenchIntake(t *testing.T) {
	for _, c := range []struct{ batch, clients, posts int }{{1, 16, 20_000}, {64, 8, 3000}} {
		t.Run(fmt.Sprintf("batches of %d", c.batch), func(t *testing.T) {
			ours := startPaging(t, planeOptions{})
			am := startAlertmanager(t)
			bodies := intakeBodies(c.posts, c.batch)
			// In turns, so that a busy moment of the machine meets both.
			var mine, theirs []float64
			for round := range 3 {
				part := bodies[round*len(bodies)/3 : (round+1)*len(bodies)/3]
				theirs = append(theirs, rate(t, am.url+"/api/v2/alerts", "", part, c.clients)*float64(c.batch))
				mine = append(mine, rate(t, ours.url("/alertmanager/api/v2/alerts"), ours.token, part, c.clients)*float64(c.batch))
			}
			t.Logf("batches of %d: Nines %.0f alerts/s, Alertmanager %.0f alerts/s, ratio %.2f (rounds %.0f and %.0f)", c.batch,
				mid(mine), mid(theirs), mid(mine)/mid(theirs), mine, theirs)
			want := c.posts / 3 * 3 * c.batch / 2
			ours.kill()
			ours.plane.start()
			ours.ready(time.Minute)
			am.kill()
			am.start()
			eventually(t, 3*time.Minute, "the inbox is worked off", func() error {
				if left := ours.metric("nines_inbox_alerts"); left != 0 {
					return fmt.Errorf("%v alerts wait", left)
				}
				return nil
			})
			kept := count2(t, ours.url("/alertmanager/api/v2/alerts"), ours.token)
			t.Logf("after kill -9: Nines has %d of %d alerts, Alertmanager %d", kept, want, count2(t, am.url+"/api/v2/alerts", ""))
			if kept < want {
				t.Errorf("%d alerts were acknowledged and are gone", want-kept)
			}
		})
	}
}

func mid(all []float64) float64 {
	sorted := append([]float64(nil), all...)
	for i := range sorted {
		for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted[len(sorted)/2]
}

// intakeBodies are postings; every second alert was told before.
func intakeBodies(posts, batch int) [][]byte {
	bodies := make([][]byte, posts)
	ends := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for n := range bodies {
		alerts := make([]map[string]any, batch)
		for i := range alerts {
			id := (n*batch + i) / 2 // each twice
			alerts[i] = map[string]any{
				"labels": map[string]string{"alertname": "InstanceDown", "severity": "warning", "service": "svc-" + strconv.Itoa(id%100),
					"instance": fmt.Sprintf("10.%d.%d.%d:9100", id>>16&255, id>>8&255, id&255), "cluster": "eu-1", "namespace": "prod"},
				"annotations": map[string]string{"summary": "instance is down", "description": "The instance has not answered for five minutes."},
				"endsAt":      ends, "generatorURL": "http://prometheus.example/graph?g0.expr=up",
			}
		}
		bodies[n], _ = json.Marshal(alerts)
	}
	return bodies
}

// rate posts all bodies and returns how many were answered 200 a second.
func rate(t *testing.T, url, token string, bodies [][]byte, clients int) float64 {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var working sync.WaitGroup
	began := time.Now()
	for range clients {
		working.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(bodies)); n = next.Add(1) - 1 {
				req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(bodies[n]))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				if token != "" {
					req.Header.Set("Authorization", "Bearer "+token)
				}
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				text, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("%s: %d %s", url, res.StatusCode, text)
					return
				}
			}
		})
	}
	working.Wait()
	return float64(len(bodies)) / time.Since(began).Seconds()
}

// count2 counts the active alerts.
func count2(t *testing.T, url, token string) int {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, url, nil)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var all []json.RawMessage
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return len(all)
}

type realAlertmanager struct {
	*process
	url   string
	start func()
}

func startAlertmanager(t *testing.T) *realAlertmanager {
	t.Helper()
	return startAlertmanagerWith(t, "route: {receiver: none, group_by: [service]}\nreceivers: [{name: none}]\n")
}

func startAlertmanagerWith(t *testing.T, config string) *realAlertmanager {
	t.Helper()
	dir, listen := tempDir(t), freePort(t)
	write(t, filepath.Join(dir, "alertmanager.yml"), config)
	am := &realAlertmanager{url: "http://" + listen}
	am.start = func() {
		am.process = start(t, "alertmanager", nil, find(t, "prometheus-alertmanager", "alertmanager"), "--config.file="+filepath.Join(dir, "alertmanager.yml"),
			"--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen, "--cluster.listen-address=", "--log.level=error")
		eventually(t, 20*time.Second, "Alertmanager is ready", func() error {
			_, err := http.Get(am.url + "/-/ready")
			return err
		})
	}
	am.start()
	return am
}
