package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nines-sre/nines/slo/packs"
)

func TestEveryPackIsWrittenAndValid(t *testing.T) {
	for _, p := range packs.All() {
		for _, e := range p.Exporters {
			dir := filepath.Join(t.TempDir(), "new")
			code, out, errOut := nines(t, "slo", "init", "--pack", p.Name, "--exporter", e.Name, "--service", "shop", "--job", `it's "1"`, "-o", dir)
			if code != exitOK || !strings.Contains(out, filepath.Join(dir, "shop."+p.Name+".yaml")) {
				t.Fatalf("%s/%s exits with %d: %s%s", p.Name, e.Name, code, out, errOut)
			}
			if code, out, errOut := nines(t, "validate", "-f", dir); code != exitOK {
				t.Errorf("%s/%s: validate exits with %d: %s%s", p.Name, e.Name, code, out, errOut)
			}
		}
	}
}

func TestPacksOfOneServiceShareItsDocument(t *testing.T) {
	dir := t.TempDir()
	for _, pack := range packs.Names() {
		if code, out, errOut := nines(t, "slo", "init", "--pack", pack, "--service", "shop", "-o", dir); code != exitOK {
			t.Fatalf("%s exits with %d: %s%s", pack, code, out, errOut)
		}
	}
	if code, out, errOut := nines(t, "validate", "-f", dir); code != exitOK || !strings.Contains(out, "in 12 files") {
		t.Errorf("validate exits with %d: %s%s", code, out, errOut)
	}
}

func TestInitDoesNotWriteOverWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	write := func(extra ...string) (int, string) {
		code, out, errOut := nines(t, append([]string{"slo", "init", "--pack", "redis", "--service", "shop", "-o", dir}, extra...)...)
		return code, out + errOut
	}
	mine := []byte("# mine\n")
	service, slos := filepath.Join(dir, "shop.service.yaml"), filepath.Join(dir, "shop.redis.yaml")
	for _, path := range []string{service, slos} {
		if err := os.WriteFile(path, mine, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, text := write(); code != exitFailed || !strings.Contains(text, slos) || !strings.Contains(text, "--force") {
		t.Errorf("exits with %d: %s", code, text)
	}
	if got, _ := os.ReadFile(slos); string(got) != string(mine) {
		t.Error("the SLOs were written over")
	}
	if code, text := write("--force"); code != exitOK || !strings.Contains(text, "kept  "+service) || !strings.Contains(text, "wrote "+slos) {
		t.Errorf("with --force exits with %d: %s", code, text)
	}
	if got, _ := os.ReadFile(slos); string(got) == string(mine) {
		t.Error("--force did not write")
	}
	if got, _ := os.ReadFile(service); string(got) != string(mine) {
		t.Error("the service was written over")
	}
}

func TestInitPrintsListsAndExplains(t *testing.T) {
	for _, c := range []struct {
		words string
		code  int
		want  []string
	}{
		{"--pack http", exitOK, []string{"kind: Service", "name: http-latency", "# Runbook  slo-http"}},
		{"--list", exitOK, []string{"PACK", "clickhouse", "kafka_exporter, kminion, burrow", "postgres-replication"}},
		{"--pack kafka --explain", exitOK, []string{"replicas-objective", "10000", "messages", "kafka_consumergroup_lag", "slo-kafka"}},
		{"--pack kafka --explain --exporter kminion", exitOK, []string{"kminion_kafka_consumer_group_topic_lag"}},
		{"--pack kafka --explain --exporter none", exitInvalid, []string{"write one of kafka_exporter, kminion, burrow"}},
		{"--pack http --json", exitOK, []string{`"name": "web.http.yaml"`, `"text": "# HTTP service`}},
		{"--pack llm --explain --json", exitOK, []string{`"defaults": {`, `"first-token": "vllm:time_to_first_token_seconds"`}},
		{"--pack http --objective 99.5 --threshold 1s --set window=28d", exitOK, []string{"objective: 99.5", "threshold: 1s", "window: 28d"}},
		{"--pack http --threshold 300ms --objective 0", exitInvalid, []string{"objective", "strictly between 0 and 100"}},
		{"--pack nothing", exitInvalid, []string{"the packs are http"}},
		{"", exitUsage, []string{"--pack is missing", "--list"}},
		{"--pack http --set job", exitUsage, []string{"key=value"}},
		{"--pack http --job a --set job=b", exitUsage, []string{"job is set twice"}},
	} {
		code, out, errOut := nines(t, append([]string{"slo", "init"}, strings.Fields(c.words)...)...)
		if code != c.code {
			t.Errorf("%s exits with %d: %s%s", c.words, code, out, errOut)
		}
		for _, want := range c.want {
			if !strings.Contains(out+errOut, want) {
				t.Errorf("%s does not say %q:\n%s%s", c.words, want, out, errOut)
			}
		}
	}
}
