package slo

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRulesAreTheSameComposedAndCopied writes SLOs of a few shapes in any order, as a document and as values.
func TestRulesAreTheSameComposedAndCopied(t *testing.T) {
	t.Parallel()
	kinds := manySLOs(t)
	rapid.Check(t, func(r *rapid.T) {
		var slos []SLO
		for i := range rapid.IntRange(1, 8).Draw(r, "SLOs") {
			s := rapid.SampledFrom(kinds).Draw(r, "kind")
			s.Service = rapid.SampledFrom([]string{"a", "b.c", "D_e", "with \"quotes\"", "{{x}}", "@nines.id@", "é"}).Draw(r, "service")
			s.Name = fmt.Sprint(s.Name, i)
			s.ID = s.Service + "-" + s.Name
			if rapid.Bool().Draw(r, "objective") {
				s.Objective = 99.5
			}
			if rapid.Bool().Draw(r, "labels") {
				s.Labels = map[string]string{"team": rapid.SampledFrom([]string{"x", "y", "@nines.name@"}).Draw(r, "team")}
			}
			if rapid.Bool().Draw(r, "guard") {
				s.Alerting.Guard = 1
			}
			if rapid.Bool().Draw(r, "off") {
				s.Alerting.PageOff = true
			}
			slos = append(slos, s)
		}
		var copied bytes.Buffer
		if err := WriteRules(&copied, slos, RuleOptions{}); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(string(marshalWith(t, slos, RuleOptions{})), copied.String()); diff != "" {
			r.Fatalf("(-composed +copied):\n%s", diff)
		}
	})
}

// TestTheShapeKeyKnowsEverything changes one thing at a time: each change must change the key, or leave the rules as
// they are.
func TestTheShapeKeyKnowsEverything(t *testing.T) {
	t.Parallel()
	base := shop(t)
	key := func(s SLO, o RuleOptions) (string, string) {
		s = s.withDefaults()
		c, _ := s.count(false)
		var out ruleDocument
		w := newRuleWriter(s, c, o, &out, &draft{})
		w.fast()
		w.slow()
		return string(w.shapeKey(nil)), string(out.b)
	}
	wantKey, wantText := key(base, RuleOptions{})
	m := map[string]string{"a": "b"}
	for name, change := range map[string]func(*SLO){
		"objective": func(s *SLO) { s.Objective = 99 }, "window": func(s *SLO) { s.Window = Window{Rolling: 28 * day} },
		"calendar": func(s *SLO) { s.Window = Window{Calendar: Quarter, Zone: "UTC"} }, "interval": func(s *SLO) { s.Interval = 30 * time.Second },
		"settle": func(s *SLO) { s.Settle = time.Second }, "groups": func(s *SLO) { s.GroupBy = []string{"tenant"} },
		"budget": func(s *SLO) { s.BudgetBy = nil }, "labels": func(s *SLO) { s.Labels = m }, "page off": func(s *SLO) { s.Alerting.PageOff = true },
		"ticket off": func(s *SLO) { s.Alerting.TicketOff = true }, "no data off": func(s *SLO) { s.Alerting.NoDataOff = true },
		"guard": func(s *SLO) { s.Alerting.Guard = 0.5 }, "slices": func(s *SLO) { s.Slices = Slices{Ratio: true} },
		"alert labels": func(s *SLO) { s.Alerting.Labels = m }, "page labels": func(s *SLO) { s.Alerting.PageLabels = m },
		"ticket labels": func(s *SLO) { s.Alerting.TicketLabel = m }, "annotations": func(s *SLO) { s.Alerting.Annotations = m },
		"page annotations": func(s *SLO) { s.Alerting.PageAnnotations = m }, "ticket annotations": func(s *SLO) { s.Alerting.TicketAnnotations = m },
		"runbook": func(s *SLO) { s.Alerting.Runbook = "https://x.example" }, "spec": func(s *SLO) { s.Spec = "prometheus/v1" },
		"tiers": func(s *SLO) {
			s.Alerting.Tiers = []Tier{{Name: "p", Severity: "page", Factor: 10, Long: time.Hour, Short: 5 * time.Minute}}
		},
		"target": func(s *SLO) { s.SLI.TotalQuery = `http_requests_total{job="other"}` },
	} {
		s := base
		change(&s)
		if gotKey, gotText := key(s, RuleOptions{}); gotKey == wantKey && gotText != wantText {
			t.Errorf("%s changes the rules and not the key", name)
		}
	}
	if gotKey, _ := key(base, RuleOptions{NoDataURL: "https://x.example"}); gotKey == wantKey {
		t.Error("the runbook for lost targets changes the rules and not the key")
	}
}
