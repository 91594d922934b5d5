//go:build bench

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkBacktestOfAMonth replays thirty days of one SLO over 20 raw series in Debian's Prometheus, peers included.
// The figure s/replay is to stay below 20.
func BenchmarkBacktestOfAMonth(b *testing.B) {
	const days = 35 // thirty, and what the longest windows look back
	var text strings.Builder
	text.WriteString("# TYPE http_requests counter\n")
	for i := range 20 {
		n, code := 0, 200+300*(i%2)
		for at := backtestBegin; !at.After(backtestBegin.Add(days * 24 * time.Hour)); at = at.Add(30 * time.Second) {
			if n += 300; code == 500 {
				n -= 300 - i%3
			}
			fmt.Fprintf(&text, "http_requests_total{job=\"shop\",instance=\"%d\",code=\"%d\"} %d %d\n", i/2, code, n, at.Unix())
		}
	}
	text.WriteString("# EOF\n")
	base := startPrometheus(b, text.String())
	spec := filepath.Join(b.TempDir(), "slo.yaml")
	if err := os.WriteFile(spec, []byte(backtestSpec), 0o600); err != nil {
		b.Fatal(err)
	}
	end := backtestBegin.Add(days * 24 * time.Hour).Format(time.RFC3339)
	for b.Loop() {
		var out, errOut bytes.Buffer
		if code := run(context.Background(), []string{"slo", "backtest", "-f", spec, "--prometheus-url", base, "--to", end, "--json"}, strings.NewReader(""), &out, &errOut); code != exitOK {
			b.Fatal(errOut.String())
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/replay")
}
