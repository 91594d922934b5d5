package alerting_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/manifest"
)

func readService(t *testing.T, spec string) (alerting.Service, manifest.Problems) {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "s.yaml", Text: "apiVersion: nines/v1\nkind: Service\nmetadata: {name: shop}\nspec:\n" + spec})
	if len(docs) != 1 {
		t.Fatalf("%d documents, %v", len(docs), problems)
	}
	return alerting.ReadService(docs[0])
}

func TestAServiceIsReadAsWritten(t *testing.T) {
	t.Parallel()
	got, problems := readService(t, "  owner: team-shop\n  description: Sells things\n  policy: shop\n  runbook: shop-runbook\n")
	want := alerting.Service{Name: "shop", Owner: "team-shop", Policy: "shop", Runbook: "shop-runbook", Description: "Sells things"}
	if got != want || len(problems) > 0 {
		t.Errorf("%+v, %v; want %+v", got, problems, want)
	}
}

func TestAServicesProblemsAreNamedWithTheirLines(t *testing.T) {
	t.Parallel()
	_, problems := readService(t, "  owner: "+strings.Repeat("x", 201)+"\n  runbook: javascript:alert(1)\n  polcy: shop\n")
	var got []string
	for _, p := range problems.Sorted() {
		got = append(got, p.String())
	}
	for n, want := range []string{"s.yaml:5: spec.owner: has 201", "s.yaml:6: spec.runbook: is neither", "s.yaml:7: spec.polcy: is not a known field; did you mean policy?"} {
		if n >= len(got) || !strings.HasPrefix(got[n], want) {
			t.Errorf("problems %q; want one that starts with %q", got, want)
		}
	}
}

func TestSupportHoursAreReadAsWritten(t *testing.T) {
	t.Parallel()
	got, problems := readService(t, `  supportHours:
    zone: Europe/Berlin
    days: [monday, Friday]
    from: 09:00
    to: "17:30"
    inside: high
    raise: true
`)
	if len(problems) > 0 || got.SupportHours == nil {
		t.Fatalf("%+v, %v", got, problems.Err())
	}
	want := alerting.SupportHours{Zone: "Europe/Berlin", Days: []time.Weekday{time.Monday, time.Friday}, From: 9 * time.Hour,
		To: 17*time.Hour + 30*time.Minute, Inside: "high", Outside: "low", Raise: true}
	if diff := cmp.Diff(want, *got.SupportHours); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsOfSupportHoursAreNamedWithTheirLines(t *testing.T) {
	t.Parallel()
	_, problems := readService(t, `  supportHours:
    zone: Mars/Base
    days: [monday, funday]
    from: "24:00"
    to: 5pm
    inside: urgent
    outside: severity
`)
	var got []string
	for _, p := range problems.Sorted() {
		got = append(got, p.String())
	}
	for n, want := range []string{
		`s.yaml:6: spec.supportHours.zone: "Mars/Base" is not`, `s.yaml:7: spec.supportHours.days.1: "funday"`, `s.yaml:8: spec.supportHours.from: "24:00"`,
		`s.yaml:9: spec.supportHours.to: "5pm"`, `s.yaml:10: spec.supportHours.inside: "urgent"`,
	} {
		if n >= len(got) || !strings.HasPrefix(got[n], want) {
			t.Errorf("problems %q; want one that starts with %q", got, want)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d problems: %q", len(got), got)
	}
}
