package examples

import (
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/config"
	"gopkg.in/yaml.v3"
)

func load(t *testing.T, paths ...string) *definitions.Catalog {
	t.Helper()
	files, err := definitions.Files(paths, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	set, problems := definitions.Load(files, nil, func(name string) bool { _, ok := runbooks.Read(name); return ok })
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return set.Catalog
}

func TestTheQuickstartIsWhatTheReadmePromises(t *testing.T) {
	t.Parallel()
	c := load(t, "quickstart")
	for _, id := range []string{"shop-availability", "shop-latency", "nines-availability", "nines-queries", "nines-analyses"} {
		if _, ok := c.SLO(id); !ok {
			t.Errorf("there is no promise %s", id)
		}
	}
	for _, tenant := range []string{"acme", "globex", "initech"} {
		if contract, ok := c.Contract(tenant); !ok || len(contract.Promises) == 0 {
			t.Errorf("%s has no contract", tenant)
		}
	}
	for _, policy := range []string{"shop-oncall", "nines-oncall", definitions.DefaultPolicy} {
		if p, ok := c.Policy(policy); !ok || len(p.Steps) == 0 {
			t.Errorf("policy %s pages nobody", policy)
		}
	}
	if w, ok := c.Workload("shop"); !ok || w.PerReplica != 10 {
		t.Errorf("the shop's workload is %+v", w)
	}
	if sheets := c.PriceSheets(); len(sheets) != 1 || sheets[0].Currency != "EUR" || sheets[0].Items[0].Price.String() != "0.4" {
		t.Errorf("the price sheets are %+v", sheets)
	}
	s, _ := c.SLO("shop-availability")
	if got := strings.Join(s.SLO.BudgetBy, ","); got != "tenant" {
		t.Errorf("the shop's budget is by %q", got)
	}
}

func TestTheSlothFileIsReadAsItIs(t *testing.T) {
	t.Parallel()
	c := load(t, "sloth")
	s, ok := c.SLO("checkout-orders")
	if !ok || len(s.SLO.GroupBy) != 1 || s.SLO.GroupBy[0] != "tenant" || s.SLO.Spec != slo.SlothVersion {
		t.Errorf("the Sloth SLO is %+v", s.SLO)
	}
}

func TestPromtoolTakesTheRulesOfEveryExample(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; make setup installs it")
	}
	dir := t.TempDir()
	for _, folder := range []string{"quickstart", "sloth"} {
		for _, v := range load(t, folder).SLOs() {
			groups, err := v.SLO.Rules()
			if err != nil {
				t.Fatalf("%s: %v", v.SLO.ID, err)
			}
			text, err := slo.MarshalRules([]slo.RuleGroups{groups})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, v.SLO.ID+".yaml")
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(promtool, "check", "rules", path).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", v.SLO.ID, err, out)
			}
		}
	}
}

func TestTheScrapeFileIsAPrometheusConfiguration(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("quickstart/scrape.yml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(string(text), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	jobs := map[string]bool{}
	for _, job := range c.ScrapeConfigs {
		jobs[job.JobName] = true
		if job.ScrapeTimeout >= job.ScrapeInterval || time.Duration(job.ScrapeTimeout) >= 3*time.Second {
			t.Errorf("job %s: a scrape may take %v, longer than the promises' settle time of 3 s", job.JobName, job.ScrapeTimeout)
		}
		if slices.Contains(job.ScrapeProtocols, config.PrometheusProto) && !job.AlwaysScrapeClassicHistograms {
			t.Errorf("job %s would lose its classic buckets, which latency promises count", job.JobName)
		}
	}
	if !jobs["shop"] || !jobs["nines"] {
		t.Errorf("the jobs are %v", jobs)
	}
}

func TestEveryDocumentOfTheQuickstartIsCommented(t *testing.T) {
	t.Parallel()
	paths, _ := filepath.Glob("quickstart/*.y*ml")
	if len(paths) < 6 {
		t.Fatalf("only %d files", len(paths))
	}
	readme, err := os.ReadFile("quickstart/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not begin by saying what it is for", path)
		}
		if !strings.Contains(string(readme), "("+filepath.Base(path)+")") {
			t.Errorf("the README does not mention %s", path)
		}
		var node yaml.Node
		if err := yaml.Unmarshal(text, &node); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if len(text) > manifest.MaxBytes {
			t.Errorf("%s is too large to be applied", path)
		}
	}
}

func TestTheOnCallExampleHasSomebodyOnCallAllYear(t *testing.T) {
	t.Parallel()
	schedules := load(t, "oncall").Schedules()
	from := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for _, name := range []string{"shop", "drills"} {
		if gaps := schedules[name].Gaps(oncall.Overlay{}, from, from.AddDate(1, 0, 0)); len(gaps) > 0 {
			t.Errorf("%s has nobody on call from %s on", name, gaps[0].From)
		}
	}
	for name, s := range schedules {
		if skipped := s.Skipped(from); len(skipped) > 0 {
			t.Errorf("%s never has %v on call", name, skipped)
		}
	}
}

func TestTheCostExampleIsPricedAsItSays(t *testing.T) {
	t.Parallel()
	c := load(t, "cost")
	sheets, budgets := c.PriceSheets(), c.CostBudgets()
	if len(sheets) != 1 || len(budgets) != 2 || len(budgets[1].Alerts) != 4 || len(budgets[0].Alerts) != 2 {
		t.Fatalf("%d sheets, budgets %+v", len(sheets), budgets)
	}
	frankfurt := cost.Place{Provider: "gcp", Region: "europe-west3", InstanceType: "n2-standard-4"}
	in := func(year int) time.Time { return time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC) }
	for _, f := range []struct {
		what     string
		resource cost.Resource
		place    cost.Place
		at       time.Time
		want     string
	}{
		{"the region's price", cost.CPU, frankfurt, in(2026), "0.0382"}, {"the default", cost.CPU, cost.Place{}, in(2026), "0.0310"},
		{"the next year's", cost.CPU, cost.Place{}, in(2027), "0.0325"}, {"the node's", cost.Node, frankfurt, in(2026), "0.178"},
		{"the negotiated one", cost.GPU, frankfurt, in(2026), "0.80"}, {"with its discount", cost.Storage, frankfurt, in(2026), "0.00005225"},
	} {
		q, ok := sheets[0].Quote(f.resource, "", f.place, f.at)
		if want, _ := new(big.Rat).SetString(f.want); !ok || q.Unit.Cmp(want) != 0 {
			t.Errorf("%s: %v, want %s", f.what, q.Unit, f.want)
		}
	}
}
