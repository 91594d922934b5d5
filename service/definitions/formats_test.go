package definitions

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

const openSLO = `apiVersion: openslo/v1
kind: SLO
metadata: {name: answers, labels: {team: [a, b]}}
spec:
  service: web
  indicatorRef: answered
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}, {displayName: low, target: 0.9}]
  alertPolicies: []
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: answered}
spec: {ratioMetric: {bad: {metricSource: {type: Prometheus, spec: {query: e}}}, total: {metricSource: {type: Prometheus, spec: {query: t}}}}}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: web}
spec: {description: d}
`

const serviceLevel = `apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: anything}
spec:
  service: shop
  slos:
    - name: answers
      objective: 99
      sli: {events: {errorQuery: 'sum(rate(e[{{.window}}]))', totalQuery: 'sum(rate(t[{{.window}}]))'}}
      alerting: {name: A}
`

func keys(records []manifest.Record) string {
	var out []string
	for _, r := range records {
		out = append(out, key(r.Kind, r.Name))
	}
	return strings.Join(out, " ")
}

func TestEveryFormatIsOneCatalog(t *testing.T) {
	t.Parallel()
	set, problems := load(t, fine+"---\n"+openSLO+"---\n"+serviceLevel+"---\nversion: prometheus/v1\nservice: pay\nslos: [{name: a, objective: 99, sli: {raw: {error_ratio_query: 'avg(x)'}}, alerting: {name: B}}]\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var ids []string
	for _, v := range set.Catalog.SLOs() {
		ids = append(ids, v.SLO.ID)
	}
	if got := strings.Join(ids, " "); got != "pay-a shop-answers shop-availability web-answers web-answers-low" {
		t.Errorf("the SLOs are %s", got)
	}
	want := "Service/shop SLO/shop-availability EscalationPolicy/oncall Tenant/acme OpenSLO-SLO/web-answers OpenSLO-SLI/answered OpenSLO-Service/web PrometheusServiceLevel/shop Sloth/pay"
	if got := keys(set.Records); got != want {
		t.Errorf("kept are\n%s\nwant\n%s", got, want)
	}
	for _, r := range set.Records { // an export is read again as it was
		docs, problems := manifest.Read(manifest.File{Name: r.Name, Text: r.Text})
		if len(problems) > 0 || len(docs) != 1 {
			t.Errorf("%s: %v", key(r.Kind, r.Name), problems)
		}
	}
}

func TestAChangedIndicatorIsANewVersionOfItsSLO(t *testing.T) {
	t.Parallel()
	set, problems := load(t, openSLO)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	stored := set.Records
	for i := range stored {
		stored[i].Version = 1
	}
	version := func() int {
		set, problems := Load(nil, stored, ships)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		v, _ := set.Catalog.SLO("web-answers")
		return v.Version
	}
	before := version()
	stored[1].Version = 2 // the SLI
	between := version()
	stored[2].Version = 5 // the service, which is no part of what is counted
	if after := version(); before != 1 || between != 2 || after != 2 {
		t.Errorf("versions %d, %d, %d", before, between, after)
	}
}

func TestAnIndicatorMayBeApplied(t *testing.T) {
	t.Parallel()
	first, sli, _ := strings.Cut(openSLO, "---\n")
	_, problems := load(t, first)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, problems := load(t, first, manifest.Record{Kind: "OpenSLO-SLI", Name: "answered", Version: 3, Text: strings.Split(sli, "---")[0]})
	v, ok := set.Catalog.SLO("web-answers")
	if len(problems)+len(set.Notes.Blocking()) > 0 || !ok || v.SLO.SLI.ErrorQuery != "e" || keys(set.Records) != "OpenSLO-SLO/web-answers" {
		t.Errorf("%v, %v, %+v", problems, set.Notes, v)
	}
}

func TestASecondSLOOfOneIDIsRefusedAcrossFormats(t *testing.T) {
	t.Parallel()
	_, problems := load(t, openSLO+"---\n"+strings.Replace(serviceLevel, "service: shop", "service: web", 1))
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "makes the SLO id web-answers, which is already taken") {
		t.Errorf("%v", problems)
	}
}

// nothing is a store that must not be written to.
type nothing struct{ t *testing.T }

func (n nothing) ApplyDefinitions(context.Context, access.Principal, []manifest.Record, bool, bool) ([]manifest.Outcome, error) {
	n.t.Error("it was applied")
	return nil, nil
}

func (n nothing) Definitions(context.Context) ([]manifest.Record, error) { return nil, nil }

func TestWhatCannotBeCountedIsReadButNotApplied(t *testing.T) {
	t.Parallel()
	who := access.Principal{ID: "user:1", Role: access.Editor}
	for name, text := range map[string]string{
		"another source": strings.ReplaceAll(openSLO, "type: Prometheus", "type: Datadog"),
		"no indicator":   strings.Replace(openSLO, "indicatorRef: answered", "indicatorRef: nothing", 1),
		"a plugin":       strings.Replace(serviceLevel, "events: {errorQuery: 'sum(rate(e[{{.window}}]))', totalQuery: 'sum(rate(t[{{.window}}]))'}", "plugin: {id: x}", 1),
	} {
		s := New(nothing{t}, ships)
		files := []manifest.File{{Name: "a.yaml", Text: text}}
		if problems, err := s.Validate(t.Context(), files); err != nil || len(problems) > 0 {
			t.Errorf("%s does not validate: %v, %v", name, problems, err)
		}
		if slos, notes, problems := LoadSLOsNoting(files); len(slos)+len(problems) > 0 || len(notes.Blocking()) == 0 {
			t.Errorf("%s: %d SLOs, %v, %v", name, len(slos), notes, problems)
		}
		if _, err := s.Apply(t.Context(), who, files, false); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s is applied: %v", name, err)
		}
		if _, problems := LoadSLOs(files); len(problems) == 0 {
			t.Errorf("%s makes rules", name)
		}
	}
}

func TestRulesAreWrittenOncePerIndicator(t *testing.T) {
	t.Parallel()
	slos, problems := LoadSLOs([]manifest.File{{Name: "a.yaml", Text: openSLO}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var ids []string
	for _, s := range slos {
		ids = append(ids, s.ID)
	}
	if diff := cmp.Diff([]string{"web-answers"}, ids); diff != "" || len(slos[0].Objectives) != 1 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
