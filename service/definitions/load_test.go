package definitions

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

const fine = `apiVersion: nines/v1
kind: Service
metadata: {name: shop}
spec: {owner: shop-team, policy: oncall, runbook: slo-burn}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  objective: 99.9
  sli: {events: {errors: 'http_requests_total{job="shop",code=~"5.."}', total: 'http_requests_total{job="shop"}'}}
  groupBy: [tenant, region]
  budgetBy: [tenant]
---
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: oncall}
spec: {steps: [{targets: [{email: {to: [ada@example.com]}}]}]}
---
apiVersion: nines/v1
kind: Tenant
metadata: {name: acme}
spec: {name: Acme, promises: [{slo: shop-availability, objective: 99.5}]}
`

func ships(name string) bool { return name == "slo-burn" }

func load(t *testing.T, text string, stored ...manifest.Record) (Set, manifest.Problems) {
	t.Helper()
	return Load([]manifest.File{{Name: "a.yaml", Text: text}}, stored, ships)
}

func TestASetOfEveryKindIsOneCatalog(t *testing.T) {
	t.Parallel()
	set, problems := load(t, fine)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	c := set.Catalog
	if len(set.Records) != 4 || len(c.SLOs()) != 1 || len(c.Contracts()) != 1 || len(c.Services()) != 1 {
		t.Errorf("read %d records", len(set.Records))
	}
	if v, ok := c.SLO("shop-availability"); !ok || v.SLO.Service != "shop" {
		t.Errorf("the SLO is %+v", v)
	}
	if c.Tier("") != "none" || c.Tier("nobody") != "unknown" {
		t.Errorf("tiers are %q and %q", c.Tier(""), c.Tier("nobody"))
	}
	url := c.Router(func(name string) string { return "https://nines/" + name }).Runbook("shop-availability", "shop")
	if url != "https://nines/slo-burn" {
		t.Errorf("an SLO without a runbook of its own has its service's: %q", url)
	}
}

func TestEveryDanglingReferenceIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("policy: oncall", "policy: oncal", "runbook: slo-burn", "runbook: no-such", "service: shop\n", "service: shoop\n",
		"slo: shop-availability", "slo: shop-latency").Replace(fine)
	_, problems := load(t, text)
	got := fmt.Sprint(problems.Sorted())
	for _, need := range []string{"a.yaml:4: spec.policy", "a.yaml:4: spec.runbook", "a.yaml:10: spec.service", "a.yaml:24: spec.promises.0.slo"} {
		if !strings.Contains(got, need) {
			t.Errorf("no problem %q in %s", need, got)
		}
	}
	if len(problems) != 4 {
		t.Errorf("%d problems: %s", len(problems), got)
	}
}

func TestAReferenceMayLeadToWhatIsApplied(t *testing.T) {
	t.Parallel()
	docs := strings.SplitAfterN(fine, "---\n", 2)
	stored, problems := load(t, docs[1]+"---\n"+docs[0])
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	for i := range stored.Records {
		stored.Records[i].Version = 7
	}
	set, problems := load(t, docs[0], stored.Records...)
	if len(problems) != 0 || len(set.Records) != 1 {
		t.Errorf("applying the service alone: %d records, problems %v", len(set.Records), problems)
	}
	if v, _ := set.Catalog.SLO("shop-availability"); v.Version != 7 {
		t.Errorf("the applied SLO keeps its version, got %d", v.Version)
	}
}

func TestTwoServicesMayHaveAnSLOOfOneName(t *testing.T) {
	t.Parallel()
	parts := strings.SplitN(fine, "---\n", 3)
	other := strings.NewReplacer("service: shop", "service: bank", "{name: shop}", "{name: bank}")
	set, problems := load(t, fine+"---\n"+other.Replace(parts[0])+"---\n"+other.Replace(parts[1]))
	if len(problems) != 0 || len(set.Catalog.SLOs()) != 2 {
		t.Errorf("%d SLOs, problems %v", len(set.Catalog.SLOs()), problems)
	}
}

func TestASecondDefinitionIsRefused(t *testing.T) {
	t.Parallel()
	sloth := "version: prometheus/v1\nservice: shop\nslos:\n- name: availability\n  objective: 99\n  sli: {events: {error_query: 'sum(rate(e[{{.window}}]))', total_query: 'sum(rate(t[{{.window}}]))'}}\n  alerting: {page_alert: {disable: true}, ticket_alert: {disable: true}}\n"
	_, problems := load(t, fine+"---\n"+sloth)
	if got := fmt.Sprint(problems); len(problems) != 1 || !strings.Contains(got, "shop-availability, which is already taken") {
		t.Errorf("a Sloth file that makes the same id: %s", got)
	}
	_, problems = load(t, fine+"---\n"+fine)
	if len(problems) < 4 {
		t.Errorf("every document again: %v", problems)
	}
}

// What a hostile or careless file gets: every problem at once with file and line, nothing usable, and quickly.
func TestBadDefinitionsAreRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	slo := func(from, to string) string { return strings.Replace(fine, from, to, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"unknown field":      {slo("  objective: 99.9", "  objektive: 99.9"), "a.yaml:11"},
		"wrong unit":         {slo("  objective: 99.9", "  objective: 99.9\n  window: 30 days"), "a.yaml:12"},
		"objective 100":      {slo("objective: 99.9", "objective: 100"), "a.yaml:11"},
		"dangling reference": {slo("policy: oncall", "policy: nobody"), "a.yaml:4"},
		"brackets":           {strings.Repeat("[", 1<<20), "a.yaml"},
		"alias bomb":         {"apiVersion: nines/v1\na: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "a.yaml:2"},
	} {
		best := time.Hour
		for range 3 { // the best of three, so that a busy machine does not count
			began := time.Now()
			_, problems := load(t, c.text)
			best = min(best, time.Since(began))
			if got := fmt.Sprint(problems); len(problems) == 0 || !strings.Contains(got, c.want) {
				t.Errorf("%s: no problem at %s: %s", name, c.want, got)
			}
		}
		if best > 100*time.Millisecond {
			t.Errorf("%s took %v to refuse", name, best)
		}
	}
}

func TestFilesReadsFoldersAndPassesOverPrometheusFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"b/x.yml": fine, "a.yaml": fine, "scrape.yml": "# targets\nglobal: {}\nscrape_configs: []\n", "note.txt": "x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files([]string{dir, "-"}, strings.NewReader("from stdin"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimPrefix(f.Name, dir+"/"))
	}
	if got := strings.Join(names, " "); got != "a.yaml b/x.yml standard input" {
		t.Errorf("read %s", got)
	}
	if _, err := Files([]string{filepath.Join(dir, "absent")}, nil); err == nil {
		t.Error("a file that is not there is an error")
	}
}
