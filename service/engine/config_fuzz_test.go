package engine

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// FuzzConfiguration holds the reader to this: any file gives settings that scrape the engine itself, or fault.Invalid.
func FuzzConfiguration(f *testing.F) {
	for _, seed := range []string{
		"", "global:\n", "global: {scrape_interval: 5s}\nscrape_configs: [{job_name: a, static_configs: [{targets: ['x:1']}]}]",
		"scrape_configs: [{job_name: nines-engine}]", "alerting: {}", "a: &a [*a]", "scrape_configs: {a: b}", "global: []", "- a", "%", "{{{{{",
		"scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: pod}]}]", "scrape_configs:\n- &j {job_name: a}\n- <<: *j\n  job_name: b\n",
		"storage: {tsdb: {out_of_order_time_window: 5m}}", "rule_files: ['*.yaml']", "scrape_config_files: ['/nowhere/*.yaml']", "global: null\nscrape_configs: null",
		"storage: {exemplars: null}", "global: {external_labels: {a: '${HOME}'}}", "---\n---\n", "scrape_configs: [null]",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "prometheus.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Config{ConfigFile: path, ScrapeInterval: 15 * time.Second, EvalInterval: time.Minute, Token: "t", Log: slog.New(slog.DiscardHandler)}
		s, err := c.load("127.0.0.1:9992")
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("want invalid, got %v", err)
			}
			return
		}
		jobs, err := s.prometheus.GetScrapeConfigs()
		if err != nil {
			t.Fatal(err)
		}
		own := false
		for _, j := range jobs {
			own = own || j.JobName == selfJob
		}
		if !own || s.prometheus.StorageConfig.ExemplarsConfig == nil {
			t.Fatalf("incomplete settings from %q", text)
		}
	})
}
