package engine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// push writes a value and fails the test unless it is acknowledged.
func (r *running) push(name string, at time.Time, value float64) {
	r.t.Helper()
	status, body := r.request(http.MethodPost, "/api/v1/write", bytes.NewReader(remoteWrite(r.t, name, at, value)), r.token)
	if status != http.StatusNoContent {
		r.t.Fatalf("write: %d: %s", status, body)
	}
}

// oldBlock puts a block with a series of that name, five hours old, into a data folder and returns the block's folder.
func oldBlock(t *testing.T, dataDir, name string) string {
	t.Helper()
	at := time.Now().Add(-5 * time.Hour).UnixMilli()
	var points []chunks.Sample
	for i := range int64(60) {
		points = append(points, point{at + i*1000, float64(i)})
	}
	series := storage.NewListSeries(labels.FromStrings("__name__", name), points)
	dir := filepath.Join(dataDir, "tsdb")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	block, err := tsdb.CreateBlock([]storage.Series{series}, dir, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// spoil overwrites the middle of a file.
func spoil(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(text[len(text)/3:], bytes.Repeat([]byte{0xa5}, len(text)/3))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamageNeverStopsTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage      func(t *testing.T, data string)
		quarantined map[string]string // by part, as the metric says
		keeps       []string          // series that must be there afterwards
	}{
		"a block's index is overwritten": {func(t *testing.T, data string) {
			spoil(t, filepath.Join(oldBlock(t, data, "bad_block"), "index"))
		}, map[string]string{"block": "1", "head": "0"}, []string{"in_head", "good_block"}},
		"a block has lost its description": {func(t *testing.T, data string) {
			if err := os.Remove(filepath.Join(oldBlock(t, data, "bad_block"), "meta.json")); err != nil {
				t.Fatal(err)
			}
		}, map[string]string{"block": "1", "head": "0"}, []string{"in_head", "good_block"}},
		"the end of the log is torn off": {func(t *testing.T, data string) {
			segment := lastSegment(t, data)
			info, err := os.Stat(segment)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(segment, info.Size()-37); err != nil {
				t.Fatal(err)
			}
		}, map[string]string{"block": "0", "head": "0"}, []string{"good_block"}},
		"the log is overwritten": {func(t *testing.T, data string) {
			spoil(t, lastSegment(t, data))
		}, map[string]string{"block": "0", "head": "0"}, []string{"good_block"}},
		"a checkpoint is rubbish": {func(t *testing.T, data string) {
			rubbishCheckpoint(t, data)
		}, map[string]string{"block": "0", "head": "2"}, []string{"good_block"}},
		"all at once": {func(t *testing.T, data string) {
			spoil(t, filepath.Join(oldBlock(t, data, "bad_block"), "index"))
			spoil(t, filepath.Join(oldBlock(t, data, "bad_block"), "meta.json"))
			rubbishCheckpoint(t, data)
		}, map[string]string{"head": "2"}, []string{"good_block"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			oldBlock(t, data, "good_block")
			first := startEngine(t, Config{DataDir: data})
			first.push("in_head", time.Now(), 1)
			first.stop()
			c.damage(t, data)
			e := startEngine(t, Config{DataDir: data})
			for part, want := range c.quarantined {
				if got := e.own(fmt.Sprintf("nines_engine_quarantined_total{part=%q}", part)); got != want {
					t.Errorf("quarantined %s: want %s, got %s", part, want, got)
				}
			}
			for _, series := range c.keeps {
				if _, ok := e.value(`last_over_time(` + series + `[6h])`); !ok {
					t.Errorf("%s is gone", series)
				}
			}
			e.push("afterwards", time.Now(), 1)
			if moved, _ := os.ReadDir(filepath.Join(data, "quarantine")); len(moved) == 0 && strings.Contains(e.log.String(), "moved aside") {
				t.Error("nothing is in the quarantine folder")
			}
			e.stop()
			again := startEngine(t, Config{DataDir: data}) // what was mended stays mended
			if _, ok := again.value(`last_over_time(afterwards[1h])`); !ok {
				t.Error("what was written after the damage is gone")
			}
			if got := again.own(`nines_engine_quarantined_total{part="head"}`); got != "0" {
				t.Errorf("the second start quarantined %s parts of the head", got)
			}
		})
	}
}

// rubbishCheckpoint puts an unreadable checkpoint where the log's first segment was, as after a truncation.
func rubbishCheckpoint(t *testing.T, data string) {
	t.Helper()
	wal := filepath.Join(data, "tsdb", "wal")
	if err := os.Rename(filepath.Join(wal, "00000000"), filepath.Join(wal, "00000001")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(wal, "checkpoint.00000000")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "00000000", strings.Repeat("rubbish", 10_000))
}

func lastSegment(t *testing.T, data string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(data, "tsdb", "wal", "0*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no log: %v", err)
	}
	for i := len(found) - 1; i >= 0; i-- {
		if info, err := os.Stat(found[i]); err == nil && info.Size() > 100 {
			return found[i]
		}
	}
	t.Fatal("the log is empty")
	return ""
}

func TestADataFolderInUseIsNotTakenApart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	first := startEngine(t, Config{DataDir: data})
	first.push("mine", time.Now(), 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := Run(ctx, Config{DataDir: data, Listen: "127.0.0.1:0"}, nil)
	if err == nil || !strings.Contains(err.Error(), "lock") {
		t.Errorf("a second engine on the same data: %v", err)
	}
	if _, err := os.Stat(filepath.Join(data, "quarantine")); err == nil {
		t.Error("the data of a running engine was moved")
	}
	if _, ok := first.value("mine"); !ok {
		t.Error("the first engine is broken")
	}
}

// point is a float sample.
type point struct {
	t int64
	v float64
}

func (p point) T() int64                      { return p.t }
func (p point) F() float64                    { return p.v }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }
