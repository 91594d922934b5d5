package engine

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

func TestSamplesStopWhenTheDiskIsNearlyFullAndComeBack(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(100 << 20)
	s, rules := newShop(t), t.TempDir()
	write(t, rules, "r.yaml", "groups: [{name: g, interval: 200ms, rules: [{record: evaluated_at, expr: 'time()'}]}]")
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules, MinFree: 50 << 20,
		free: func(string) (int64, error) { return free.Load(), nil }, diskPoll: 10 * time.Millisecond})
	scraped := func() bool { v, ok := e.value(`count_over_time(up{job="shop"}[2s])`); return ok && v > 2 }
	refused := func() bool {
		status, _ := e.request(http.MethodPost, "/api/v1/write", bytes.NewReader(remoteWrite(t, "pushed", time.Now(), 1)), "")
		return status == http.StatusInsufficientStorage
	}
	e.eventually("scraping", scraped)
	free.Store(40 << 20)
	e.eventually("writes are refused", refused)
	e.eventually("scraping stops", func() bool { _, ok := e.value(`count_over_time(up{job="shop"}[1s])`); return !ok })
	if _, text := e.get("/-/ready"); !strings.Contains(text, "disk is nearly full") || e.own("nines_engine_disk_low") != "1" {
		t.Errorf("/-/ready says %q, nines_engine_disk_low is %s", text, e.own("nines_engine_disk_low"))
	}
	if v, ok := e.value(`time() - evaluated_at`); !ok || v > 5 {
		t.Errorf("rules stand still: %v, %v", v, ok)
	}
	free.Store(55 << 20) // above the mark, but not by a fifth
	time.Sleep(50 * time.Millisecond)
	if !refused() {
		t.Error("samples came back too soon: they would stop again at once")
	}
	free.Store(61 << 20)
	e.eventually("scraping again", scraped)
	e.eventually("writes are taken", func() bool { return !refused() })
}

func TestAFullDiskEndsTheStartWithTheReason(t *testing.T) {
	t.Parallel()
	_, err := tryEngine(t, Config{free: func(string) (int64, error) { return 100 << 10, nil }})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), "102400 bytes") {
		t.Errorf("got %v", err)
	}
}

// TestARealFullDisk fills a small file system until samples cannot be kept. The engine refuses, or its process ends; with
// room again it starts and has everything that it had acknowledged before.
func TestARealFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	config := Config{DataDir: filepath.Join(disk, "data"), MinFree: 1} // the watermark is out of the way
	child := startChild(t, config)
	at := time.Now().Add(-time.Minute)
	if err := child.push("before", at, 1); err != nil {
		t.Fatal(err)
	}
	ballast := make([]byte, 5<<20)
	for len(ballast) > 0 && os.WriteFile(filepath.Join(disk, "ballast"), ballast, 0o600) != nil {
		ballast = ballast[:len(ballast)/2]
	}
	filling, err := os.Create(filepath.Join(disk, "filling"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; _, err = filling.Write(chunk) { // to the last page
	}
	filling.Close()
	refused := false
	for i := 0; i < 400 && !refused; i++ {
		refused = child.push("during", at.Add(time.Duration(i)*time.Millisecond), manyValues(200, float64(i))...) != nil
	}
	if !refused {
		t.Fatal("400 writes were acknowledged on a full disk")
	}
	child.kill()
	full := startChildRaw(t, config)
	if ended := full.wait(5 * time.Second); !ended || !strings.Contains(full.stderr.String(), "full") {
		t.Errorf("on a full disk: ended %v, said %s", ended, full.stderr.String())
	}
	for _, name := range []string{"ballast", "filling"} {
		if err := os.Remove(filepath.Join(disk, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	again := startChild(t, config)
	if v, ok := again.value(t, "last_over_time(before[1h])"); !ok || v != 1 {
		t.Error("what was acknowledged before the disk was full is gone")
	}
	if err := again.push("after", time.Now(), 1); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func manyValues(n int, v float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v * 1.1
	}
	return out
}
