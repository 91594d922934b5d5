package slo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

const windows30d = `apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 30d
  page:
    quick: {errorBudgetPercent: 2, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 10, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 10, shortWindow: 6h, longWindow: 3d}
`

func TestSlothsOwnWindowsAreOurUsualOnes(t *testing.T) {
	t.Parallel()
	w, problems := ReadAlertWindows(document(t, windows30d))
	if len(problems) > 0 || w.Period != 30*day || !slices.Equal(w.Tiers, SLO{}.Tiers()) {
		t.Errorf("%+v %v", w, problems)
	}
}

func TestACatalogIsReadStrictlyWithEveryProblemAtItsLine(t *testing.T) {
	t.Parallel()
	for was, is := range map[string]struct{ text, want string }{
		"sloPeriod: 30d":          {"sloPeriod: 12h", "f.yaml:4: spec.sloPeriod: 12h is not between"},
		"  sloPeriod: 30d\n":      {"", "spec.sloPeriod: is missing"},
		"shortWindow: 5m":         {"shortWindow: 5 minutes", "f.yaml:6: \"5 minutes\" is not a duration"},
		"shortWindow: 30m":        {"shortWindow: 6h", "f.yaml:7: spec.page.slow.shortWindow: 6h is not shorter"},
		"longWindow: 1d":          {"longWindow: 31d", "f.yaml:9: spec.ticket.quick.longWindow: 31d is longer than the period"},
		", longWindow: 3d":        {"", "f.yaml:10: spec.ticket.slow.longWindow: is missing"},
		"errorBudgetPercent: 2":   {"errorBudgetPercent: 0", "f.yaml:6: spec.page.quick.errorBudgetPercent: 0 is not a share"},
		"errorBudgetPercent: 5":   {"errorBudgetPercent: .nan", "f.yaml:7: spec.page.slow.errorBudgetPercent: NaN"},
		"errorBudgetPercent: 2, ": {"errorBudgetPercents: 2, ", "f.yaml:6: spec.page.quick.errorBudgetPercents: is not a known field"},
		"kind: AlertWindows":      {"kind: Windows", "f.yaml:2: kind: \"Windows\" is not AlertWindows"},
		"sloth.slok.dev/v1":       {"sloth.slok.dev/v2", "f.yaml:1: apiVersion"},
	} {
		_, problems := ReadAlertWindows(document(t, strings.Replace(windows30d, was, is.text, 1)))
		if !slices.ContainsFunc(problems, func(p manifest.Problem) bool { return strings.Contains(p.String(), is.want) }) {
			t.Errorf("%q in place of %q: %v", is.text, was, problems)
		}
	}
}

func TestWindowsAreForSLOsOfTheirPeriodThatBringNone(t *testing.T) {
	t.Parallel()
	w := AlertWindows{Period: 7 * day, Tiers: []Tier{{Name: "page-fast", Severity: "page", Factor: 10, Long: time.Hour, Short: 5 * time.Minute}}}
	week := SLO{Window: Window{Rolling: 7 * day}}
	own := week
	own.Alerting.Tiers = []Tier{{}}
	for name, one := range map[string]struct {
		s    SLO
		want bool
	}{
		"of the period": {week, true}, "of 30 days": {SLO{}, false}, "of a calendar week": {SLO{Window: Window{Calendar: "week"}}, false}, "with windows of its own": {own, false},
	} {
		if got := w.Fits(one.s); got != one.want {
			t.Errorf("an SLO %s: %v", name, got)
		}
	}
	if s, err := w.On(week); err != nil || !slices.Equal(s.Tiers(), w.Tiers) {
		t.Errorf("%v %v", s.Tiers(), err)
	}
	week.Interval = 4 * time.Minute
	if _, err := w.On(week); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "5m for page-fast is not a multiple of the base interval of 4m") {
		t.Errorf("an interval that does not fit: %v", err)
	}
}

func FuzzReadAlertWindows(f *testing.F) {
	f.Add(windows30d)
	f.Add(strings.ReplaceAll(windows30d, "30d", "7d"))
	f.Add("apiVersion: sloth.slok.dev/v1\nkind: AlertWindows\nspec: []\n")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f.yaml", Text: text})
		for _, d := range docs {
			w, problems := ReadAlertWindows(d)
			if len(problems) > 0 {
				continue
			}
			for _, tier := range w.Tiers {
				if tier.Short <= 0 || tier.Long <= tier.Short || tier.Long > w.Period || !(tier.Factor > 0) {
					t.Errorf("read without a problem: %+v", tier)
				}
			}
		}
	})
}
