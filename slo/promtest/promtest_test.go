package promtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
	"github.com/nines-sre/nines/slo/packs"
)

func slosOf(t testing.TB, files ...manifest.File) []slo.SLO {
	t.Helper()
	set, problems := definitions.LoadSLOs(files)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed, so the unit tests are only written")
	}
	return path
}

func run(t *testing.T, suite Suite) []Result {
	t.Helper()
	dir := t.TempDir()
	if err := suite.Write(dir); err != nil {
		t.Fatal(err)
	}
	results, err := suite.Run(t.Context(), promtool(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func shipped(t testing.TB) []slo.SLO {
	t.Helper()
	var files []manifest.File
	for _, path := range []string{"../../examples/quickstart/nines-slos.yaml", "../../examples/quickstart/shop-slos.yaml", "../../examples/sloth/shop.yml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, manifest.File{Name: filepath.Base(path), Text: string(text)})
	}
	return slosOf(t, files...)
}

func TestEveryShippedPromiseKeepsItsUnitTest(t *testing.T) {
	t.Parallel()
	set := shipped(t)
	for _, p := range packs.All() {
		files, err := p.Files(nil)
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, slosOf(t, files.Service, files.SLOs)...)
	}
	tried := 0
	for _, s := range set {
		t.Run(s.ID, func(t *testing.T) {
			suite, err := Of(s, slo.RuleOptions{})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for _, r := range run(t, suite) {
				t.Log(r.Name, r.Outcome, r.Means, r.Detail)
				if r.Outcome == Passed {
					tried++
				}
				if r.Outcome == Failed {
					t.Errorf("%s: %s: %s\n%s", r.Name, r.Means, r.Detail, suite.Unit)
				}
			}
			t.Log(time.Since(began))
		})
	}
	t.Log(tried)
}

var _ = bytes.Contains
var _ = strings.Contains
