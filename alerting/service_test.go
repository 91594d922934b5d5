package alerting_test

import (
	"strings"
	"testing"

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
