package cost

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/manifest"
)

func readBudget(t testing.TB, text string) (Budget, manifest.Problems) {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "b.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%d documents, %v", len(docs), problems)
	}
	return ReadBudget(docs[0])
}

func euro(amount int64) Money { return Round(big.NewRat(amount, 1), "EUR") }

func TestABudgetTellsAtHalfAtEightyAtAllAndAhead(t *testing.T) {
	t.Parallel()
	b, problems := readBudget(t, "apiVersion: nines/v1\nkind: CostBudget\nmetadata: {name: shop}\nspec: {scope: {tenant: acme}, monthly: 1000}\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		spent, expected int64
		want            string
	}{
		{499, 999, ""}, {500, 999, "50 actual"}, {799, 1000, "50 actual, 100 forecast"}, {1000, 1500, "50 actual, 80 actual, 100 actual, 100 forecast"}, {800, -1, "50 actual, 80 actual"},
	} {
		var expected *Money
		if c.expected >= 0 {
			m := euro(c.expected)
			expected = &m
		}
		s := b.Evaluate(euro(c.spent), expected, nil, nil)
		var got []string
		for _, a := range s.Alerts {
			if a.Reached {
				got = append(got, fmt.Sprint(a.At, " ", a.Of))
			}
		}
		if strings.Join(got, ", ") != c.want || s.Share != float64(c.spent)/1000 || (s.Ahead == nil) != (expected == nil) {
			t.Errorf("%d spent, %d expected: %v, want %s (%v)", c.spent, c.expected, got, c.want, s.Share)
		}
	}
}

func TestABudgetCountsWhatItsScopeNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scope, of Scope
		want      bool
	}{
		{Scope{}, Scope{Tenant: "a"}, true}, {Scope{Tenant: "a"}, Scope{Tenant: "a", Service: "s"}, true}, {Scope{Tenant: "a"}, Scope{}, false},
		{Scope{Tenant: "a", Region: "eu"}, Scope{Tenant: "a", Region: "us"}, false}, {Scope{Namespace: "n", Team: "t"}, Scope{Namespace: "n", Team: "t"}, true},
	} {
		if c.scope.Covers(c.of) != c.want {
			t.Errorf("%s covers %s: want %v", c.scope, c.of, c.want)
		}
	}
}

func TestEveryProblemOfABudgetIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, problems := readBudget(t, `apiVersion: nines/v1
kind: CostBudget
metadata: {name: shop}
spec:
  scope: {customer: acme}
  monthly: 0
  currency: Euro
  alerts:
  - {at: 0}
  - {at: 80, of: hope}
  - {at: 90}
  - {at: 90.0, of: actual}
`)
	var text []string
	for _, p := range problems.Sorted() {
		text = append(text, p.String())
	}
	all := strings.Join(text, "\n")
	for _, want := range []string{"b.yaml:5: spec.scope.customer: is not a known field", "b.yaml:6: spec.monthly: 0 is not positive", `b.yaml:7: spec.currency: "Euro"`,
		"b.yaml:9: spec.alerts.0.at: 0 is not a percentage", `b.yaml:10: spec.alerts.1.of: "hope"`, "b.yaml:12: spec.alerts.3: is there twice"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q in\n%s", want, all)
		}
	}
}

func FuzzReadBudget(f *testing.F) {
	f.Add("apiVersion: nines/v1\nkind: CostBudget\nmetadata: {name: shop}\nspec: {monthly: 10, alerts: [{at: 50.5}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f", Text: text})
		for _, d := range docs {
			b, problems := ReadBudget(d)
			if len(problems) > 0 {
				continue
			}
			all := Round(new(big.Rat).Mul(b.Monthly.Rat(), big.NewRat(11, 1)), "EUR")
			for _, a := range b.Evaluate(all, &all, nil, nil).Alerts {
				if !a.Reached && b.Monthly.Rat().Cmp(big.NewRat(1, 1)) > 0 {
					t.Errorf("eleven times the budget do not reach %s %% of it", a.At)
				}
			}
		}
	})
}
