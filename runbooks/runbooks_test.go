package runbooks

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/promguard"
	"github.com/nines-sre/nines/slo/packs"
	"gopkg.in/yaml.v3"
)

func TestEveryRunbookTellsWhatAPersonAtThreeInTheMorningNeeds(t *testing.T) {
	t.Parallel()
	want := []string{"slo-burn", "slo-no-data", "heartbeat-missed"} // of alerts that the control plane raises for what people define
	for _, p := range packs.All() {
		want = append(want, p.Runbook)
	}
	_, ofAlerts := AlertNames()
	want = slices.AppendSeq(want, maps.Values(ofAlerts))
	for _, c := range Components() {
		want = append(want, c.Runbook)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if got := Names(); !slices.Equal(got, want) {
		t.Fatalf("the runbooks are %v, want %v", got, want)
	}
	for _, name := range Names() {
		text, ok := Read(name)
		if !ok || !strings.HasPrefix(text, "# ") {
			t.Errorf("%s does not begin with a title", name)
		}
		for _, heading := range []string{"## What it means", "## How to see it", "## First three things to do", "## How to escalate", "## How it resolves"} {
			if strings.Count(text, "\n"+heading+"\n") != 1 {
				t.Errorf("%s lacks %q", name, heading)
			}
		}
		steps := section(text, "## First three things to do")
		if !strings.Contains(steps, "\n1. **") || !strings.Contains(steps, "\n2. **") || !strings.Contains(steps, "\n3. **") || strings.Contains(steps, "\n4. ") {
			t.Errorf("%s: three things are three things", name)
		}
		if !strings.Contains(text, "nines ") {
			t.Errorf("%s names no command", name)
		}
	}
}

// TestEveryPackHasARunbookOfItsOwn keeps both sides together: each SLO of a pack names a runbook that ships, and the
// runbook speaks of each of them.
func TestEveryPackHasARunbookOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, p := range packs.All() {
		text, ok := Read(p.Runbook)
		if !ok {
			t.Errorf("the pack %s names the runbook %q, which does not ship", p.Name, p.Runbook)
		}
		for _, name := range p.SLOs {
			if !strings.Contains(text, name) {
				t.Errorf("%s does not speak of %s", p.Runbook, name)
			}
		}
		if service := p.Defaults("")[packs.ServiceParameter]; !strings.Contains(text, "--slo "+service+"-"+p.Name+"-") {
			t.Errorf("%s does not show the state of a promise of %s", p.Runbook, service)
		}
		for _, e := range p.Exporters {
			f, err := p.Files(map[string]string{packs.ExporterParameter: e.Name})
			if err != nil || strings.Count(f.SLOs.Text, "runbook: "+p.Runbook) != strings.Count(f.SLOs.Text, "kind: SLO") {
				t.Errorf("%s/%s: not every SLO names %s (%v)", p.Name, e.Name, p.Runbook, err)
			}
		}
	}
}

func section(text, heading string) string {
	_, rest, _ := strings.Cut(text, heading)
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

func TestEveryQueryInARunbookIsPromQL(t *testing.T) {
	t.Parallel()
	queries := 0
	for _, name := range Names() {
		text, _ := Read(name)
		for _, query := range plainFences(text) {
			queries++
			if _, err := promguard.Parse(query); err != nil {
				t.Errorf("%s: %s: %v", name, query, err)
			}
		}
	}
	if queries < 10 {
		t.Errorf("only %d queries were found", queries)
	}
}

// plainFences returns the lines of fenced blocks without a language, which are PromQL, without comments.
func plainFences(text string) []string {
	var out []string
	fence := "" // how the open one began
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```") && fence != "":
			fence = ""
		case strings.HasPrefix(line, "```"):
			fence = line
		case fence == "```" && line != "" && !strings.HasPrefix(line, "#"):
			out = append(out, line)
		}
	}
	return out
}

func TestOnlyRunbooksThatShipCanBeRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", ".", "nothing", "../alerts", "alerts.yaml", "slo-burn.md.md", "SLO-BURN", "slo-burn/"} {
		if _, ok := Read(name); ok {
			t.Errorf("%q was read", name)
		}
	}
	plain, _ := Read("slo-burn")
	if named, ok := Read("slo-burn.md"); !ok || named != plain {
		t.Error("slo-burn and slo-burn.md are the same runbook")
	}
	if got := URL("https://nines.example.com/", "slo-burn.md"); got != "https://nines.example.com/runbooks/slo-burn" {
		t.Errorf("the URL is %s", got)
	}
}

func TestEveryAlertHasARunbookASeverityAndWords(t *testing.T) {
	t.Parallel()
	file, err := readAlerts()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			names = append(names, r.Alert)
			if _, ok := Read(r.Annotations["runbook"]); !ok {
				t.Errorf("%s: there is no runbook %q", r.Alert, r.Annotations["runbook"])
			}
			if !slices.Contains([]string{"critical", "error", "warning", "info"}, r.Labels["severity"]) || r.Labels["service"] != "nines" {
				t.Errorf("%s: the labels are %v", r.Alert, r.Labels)
			}
			if r.Annotations["title"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s does not say what is the matter", r.Alert)
			}
			if _, err := promguard.Parse(r.Expr); err != nil {
				t.Errorf("%s: %v", r.Alert, err)
			}
		}
	}
	if slices.Sort(names); len(names) != len(slices.Compact(slices.Clone(names))) || len(names) < 27 {
		t.Errorf("the alerts are %v", names)
	}
}

func TestAlertsLinkToTheirRunbooks(t *testing.T) {
	t.Parallel()
	var file ruleFile
	if err := yaml.Unmarshal(Alerts(func(name string) string { return URL("https://n.example", name) }), &file); err != nil {
		t.Fatal(err)
	}
	for _, r := range allRules(file) {
		if want := "https://n.example/runbooks/" + r.Annotations["runbook"]; r.Annotations["runbook_url"] != want {
			t.Errorf("%s links to %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
	}
	if strings.Contains(string(Alerts(nil)), "runbook_url") {
		t.Error("without a base there is nothing to link to")
	}
}

// TestAlertsAndRunbooksNameEachOther keeps both sides together: each alert names a runbook, and that runbook names the alert
// in its front matter, so that it is also found by the alert's name.
func TestAlertsAndRunbooksNameEachOther(t *testing.T) {
	t.Parallel()
	names, runbookOf := AlertNames()
	for _, alert := range names {
		page, err := Shipped(runbookOf[alert])
		if err != nil || !slices.Contains(page.Alerts, alert) {
			t.Errorf("%s names the runbook %s, which is for %v (%v)", alert, runbookOf[alert], page.Alerts, err)
		}
	}
	for _, name := range Names() {
		page, err := Shipped(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, alert := range page.Alerts {
			if runbookOf[alert] != name && alert != alerting.HeartbeatMissed {
				t.Errorf("the runbook %s is for %s, which names %q", name, alert, runbookOf[alert])
			}
		}
	}
}

func TestTheDocumentationListsEveryAlert(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := readAlerts()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range allRules(file) {
		name := r.Annotations["runbook"]
		if row := "| " + r.Alert + " | " + r.Labels["severity"] + " | [" + name + "](../runbooks/" + name + ".md) |\n"; !strings.Contains(string(doc), row) {
			t.Errorf("docs/telemetry.md lacks the row %s", row)
		}
	}
}

func allRules(file ruleFile) (all []rule) {
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// TestEveryAlertIsShownFiringAndQuiet keeps the scenarios for promtool whole.
func TestEveryAlertIsShownFiringAndQuiet(t *testing.T) {
	t.Parallel()
	var scenarios struct {
		Tests []struct {
			Cases []struct {
				Alert  string `yaml:"alertname"`
				Alerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	raw, err := os.ReadFile("testdata/alerts_test.yaml")
	if err == nil {
		err = yaml.Unmarshal(raw, &scenarios)
	}
	if err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, s := range scenarios.Tests {
		for _, c := range s.Cases {
			if len(c.Alerts) > 0 {
				fires[c.Alert] = true
			} else {
				quiet[c.Alert] = true
			}
		}
	}
	file, err := readAlerts()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range allRules(file) {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("testdata/alerts_test.yaml shows %s firing: %v, quiet: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
}

func TestPromtoolTakesTheAlertsAndTheyFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; make setup installs it")
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"alerts.yaml": Alerts(nil), "linked.yaml": Alerts(func(string) string { return "https://n.example/x" })} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(promtool, "check", "rules", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	scenario, err := os.ReadFile("testdata/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(path, scenario, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "test", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRunbooksLinkOnlyToRunbooksThatShip(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)]+)\)`)
	links := 0
	for _, name := range Names() {
		text, _ := Read(name)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			links++
			name, rooted := strings.CutPrefix(m[1], "/runbooks/") // read by the UI and by repository browsers alike
			if _, ok := Read(name); !ok || !rooted || !strings.HasSuffix(name, ".md") {
				t.Errorf("a runbook links to %s", m[1])
			}
		}
	}
	if links == 0 {
		t.Error("no link was found")
	}
}
