package engine

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheControlPlaneIsScrapedOnce(t *testing.T) {
	t.Parallel()
	f := func(name, text, controlPlane string, want ...string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "prometheus.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Config{ConfigFile: path, ScrapeInterval: 15 * time.Second, EvalInterval: time.Minute, ControlPlane: controlPlane, Log: slog.New(slog.DiscardHandler)}
		s, err := c.load("127.0.0.1:9992")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		jobs, err := s.prometheus.GetScrapeConfigs()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, j := range jobs {
			got[j.JobName] = true
			if j.JobName == controlJob && (time.Duration(j.ScrapeInterval) != 5*time.Second || j.ScrapeTimeout > j.ScrapeInterval) {
				t.Errorf("%s: scraped every %v", name, j.ScrapeInterval)
			}
		}
		for _, w := range want {
			if !got[w] {
				t.Errorf("%s: there is no job %s in %v", name, w, got)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	f("nothing configured", "", "127.0.0.1:9991", selfJob, controlJob)
	f("one that has it", "scrape_configs: [{job_name: nines, static_configs: [{targets: ['127.0.0.1:9991']}]}]", "127.0.0.1:9991", selfJob, "nines")
	f("one that has another", "scrape_configs: [{job_name: nines, static_configs: [{targets: ['127.0.0.1:9990']}]}]", "127.0.0.1:9991", selfJob, "nines", controlJob)
	f("no control plane", "", "", selfJob)
}
