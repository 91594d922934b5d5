package cost

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const rateSheet = `apiVersion: nines/v1
kind: PriceSheet
metadata: {name: cloud}
spec:
  currency: USD
  source: https://example.com/prices
  rates:
  - {resource: cpu, price: 0.04}
  - {resource: cpu, region: eu, price: 0.05}
  - {resource: cpu, provider: gcp, region: eu, price: 0.045, effectiveTo: 2026-11-16}
  - {resource: cpu, provider: gcp, region: eu, price: 0.055, effectiveFrom: 2026-11-16, effectiveTo: 2027-01-01}
  - {resource: cpu, instanceType: big, price: 0.03}
  - {resource: cpu, provider: aws, negotiated: true, price: 0.02}
  - {resource: egress, class: internet, price: 12, per: 100}
  - {resource: tokens, price: 0.5, per: 1000}
  discounts:
  - {provider: gcp, percent: 20, resources: [cpu], effectiveFrom: 2026-11-10}
  commitments:
  - {name: one-year, resource: cpu, provider: gcp, quantity: 10, upfront: 876, hourly: 0.1, effectiveFrom: 2026-01-01, effectiveTo: 2027-01-01}
  shared:
  - {name: platform, namespaces: [kube-system], split: proportional}
  - {name: support, monthly: 300, split: custom, weights: {acme: 2, globex: 1}}
  overhead:
  - {name: control-plane, monthly: 73}
  idle: none
  fees: {acme: 12000}
`

func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

func rates(t testing.TB) PriceSheet {
	s, problems := read(t, rateSheet)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

func TestTheRateThatSaysMostCounts(t *testing.T) {
	t.Parallel()
	s := rates(t)
	for _, c := range []struct {
		place Place
		at    string
		want  string
		what  string
	}{
		{Place{}, "2026-11-01", "0.04", "the default"},
		{Place{Provider: "azure", Region: "eu"}, "2026-11-01", "0.05", "a region before the default"},
		{Place{Provider: "gcp", Region: "eu"}, "2026-11-01", "0.045", "a provider's region before any provider's"},
		{Place{Provider: "gcp", Region: "eu"}, "2026-11-10", "0.036", "with the discount from its first instant on"},
		{Place{Provider: "gcp", Region: "eu"}, "2026-11-16", "0.044", "the next price at the instant the old one ends"},
		{Place{Provider: "gcp", Region: "eu"}, "2027-01-01", "0.04", "after its end the region's price, with the discount"},
		{Place{Provider: "azure", Region: "eu", InstanceType: "big"}, "2026-11-01", "0.03", "an instance type before a region"},
		{Place{Provider: "aws", Region: "eu", InstanceType: "big"}, "2026-11-01", "0.02", "negotiated before everything"},
	} {
		q, ok := s.Quote(CPU, "", c.place, day(c.at))
		if want, _ := new(big.Rat).SetString(c.want); !ok || q.Unit.Cmp(want) != 0 {
			t.Errorf("%s: %v costs %v, want %s", c.what, c.place, q.Unit, c.want)
		}
	}
	if q, _ := s.Quote(CPU, "", Place{Provider: "aws"}, day("2026-11-01")); q.List.Cmp(big.NewRat(4, 100)) != 0 {
		t.Errorf("the list price beside a negotiated one is %s", q.List.FloatString(3))
	}
	if _, ok := s.Quote(Egress, CrossZone, Place{}, day("2026-11-01")); ok {
		t.Error("the price of traffic to the internet was taken for traffic between zones")
	}
}

func TestAPeriodThatCrossesAPriceChangeIsPricedPiecewise(t *testing.T) {
	t.Parallel()
	s := rates(t)
	// 9 days at 0.045, 6 at 0.036 and 15 at 0.044, of 30; 30 units in all.
	got, err := s.PriceOf(big.NewRat(30, 1), CPU, "", Place{Provider: "gcp", Region: "eu"}, day("2026-11-01"), day("2026-12-01"))
	if want := big.NewRat(9*45+6*36+15*44, 1000); err != nil || got.Cmp(want) != 0 {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := s.PriceOf(big.NewRat(1, 1), GPU, "", Place{}, day("2026-11-01"), day("2026-12-01")); err == nil || !strings.Contains(err.Error(), "gpu") {
		t.Errorf("what has no rate: %v", err)
	}
}

func TestPiecesOfAPeriodAddUpToThePeriod(t *testing.T) {
	t.Parallel()
	s := rates(t)
	rapid.Check(t, func(t *rapid.T) {
		hours := rapid.Int64Range(1, 900).Draw(t, "hours")
		cut := rapid.Int64Range(1, hours).Draw(t, "cut")
		from := day("2026-11-01").Add(time.Duration(rapid.Int64Range(0, 1000).Draw(t, "from")) * time.Hour)
		at := func(h int64) time.Time { return from.Add(time.Duration(h) * time.Hour) }
		place := Place{Provider: "gcp", Region: "eu"}
		whole, _ := s.PriceOf(big.NewRat(hours, 1), CPU, "", place, from, at(hours))
		first, _ := s.PriceOf(big.NewRat(cut, 1), CPU, "", place, from, at(cut))
		if cut < hours {
			rest, _ := s.PriceOf(big.NewRat(hours-cut, 1), CPU, "", place, at(cut), at(hours))
			first.Add(first, rest)
		}
		if first.Cmp(whole) != 0 {
			t.Fatalf("%v and the rest are %v, the whole is %v", cut, first, whole)
		}
	})
}

func TestACommitmentIsSpreadOverItsTerm(t *testing.T) {
	t.Parallel()
	if got := rates(t).Commitments[0].Amortised(); got.Cmp(big.NewRat(2, 10)) != 0 { // 876 over 8760 hours, and 0.1
		t.Errorf("an hour costs %s, want 0.2", got.FloatString(4))
	}
}

func TestAMonthlyAmountIsAShareOfEachMonthByTime(t *testing.T) {
	t.Parallel()
	s := Shared{Monthly: decimal(t, "300")}
	// Half of November and half of February: months of different lengths cost the same.
	sum := s.Over(day("2026-11-16"), day("2026-12-01"))
	if sum.Cmp(big.NewRat(150, 1)) != 0 {
		t.Errorf("half of November is %v", sum)
	}
	if got := s.Over(day("2026-11-01"), day("2027-02-15")); got.Cmp(big.NewRat(1050, 1)) != 0 {
		t.Errorf("three months and a half are %v", got)
	}
	s.Effective = Effective{From: day("2026-11-16"), To: day("2026-11-16").Add(time.Hour)}
	if got := s.Over(day("2026-11-01"), day("2026-12-01")); got.Cmp(big.NewRat(300, 720)) != 0 {
		t.Errorf("an hour of it is %v", got)
	}
}

func TestEveryProblemOfRatesIsToldWithItsLine(t *testing.T) {
	t.Parallel()
	_, problems := read(t, `apiVersion: nines/v1
kind: PriceSheet
metadata: {name: cloud}
spec:
  currency: USD
  source: somewhere
  rates:
  - {resource: cpu, price: 0.04, effectiveTo: 2026-06-01}
  - {resource: cpu, price: 0.05, effectiveFrom: 2026-05-01}
  - {resource: cpu, price: -1, region: eu}
  - {resource: node, price: 1}
  - {resource: ram, class: zone, price: 1}
  - {resource: egress, class: moon, price: 1}
  - {resource: gpu, price: 1, effectiveFrom: 2026-05-01, effectiveTo: 2026-05-01}
  - {resource: storage, price: 1e3}
  - {resource: disk, price: 1, effectiveFrom: yesterday}
  discounts:
  - {percent: 101}
  - {provider: aws, percent: 5}
  commitments:
  - {name: x, resource: storage, quantity: 0}
  shared:
  - {name: a, split: even, weights: {acme: 1}}
  - {name: a, split: custom}
  - {name: b, split: evenly, monthly: -1}
  overhead:
  - {name: c, namespaces: [x]}
  idle: shared
  fees: {acme: -1}
  prices: 1
`)
	var text []string
	for _, p := range problems.Sorted() {
		text = append(text, p.String())
	}
	all := strings.Join(text, "\n")
	for _, want := range []string{
		`p.yaml:6: spec.source: "somewhere" is not a web address`,
		"p.yaml:9: spec.rates.1: line 8 and line 9 are for the same",
		"p.yaml:10: spec.rates.2.price: -1 is negative",
		"p.yaml:11: spec.rates.3.instanceType: is missing",
		"p.yaml:12: spec.rates.4.class: is only for egress",
		`p.yaml:13: spec.rates.5.class: "moon" is not known`,
		"p.yaml:14: spec.rates.6.effectiveTo: must lie after",
		`p.yaml:15: "1e3" is not a decimal number`,
		`p.yaml:16: spec.rates.8.effectiveFrom: "yesterday" is no time`,
		"p.yaml:18: spec.discounts.0.percent: 101 is not between",
		"p.yaml:19: spec.discounts.1: line 18 and line 19 are for the same",
		`p.yaml:21: spec.commitments.0.resource: "storage" cannot be committed to`,
		"p.yaml:21: spec.commitments.0: needs effectiveFrom",
		"p.yaml:21: spec.commitments.0.quantity: 0 is not positive",
		`p.yaml:23: spec.shared.0.split: "even" does not use weights`,
		`p.yaml:24: spec.shared.1.name: "a" is already`,
		"p.yaml:24: spec.shared.1.weights: is missing",
		`p.yaml:25: spec.shared.2.split: "evenly" is not known`,
		"p.yaml:25: spec.shared.2.monthly: -1 is negative",
		"p.yaml:27: spec.overhead.0.namespaces: belongs to spec.shared",
		`p.yaml:28: spec.idle: "shared" is not known`,
		"p.yaml:29: spec.fees.acme: -1 is negative",
		"p.yaml:30: spec.prices: is not a known field",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if t.Failed() {
		t.Log("\n" + all)
	}
}

func TestTheSamePriceInTwoSheetsIsRefused(t *testing.T) {
	t.Parallel()
	a, b := rates(t), rates(t)
	b.Name = "other"
	if _, err := Combine([]PriceSheet{a, b}); err == nil || !strings.Contains(err.Error(), "other has a price for cpu") {
		t.Errorf("got %v", err)
	}
	b.Rates, b.Discounts = nil, nil
	if all, err := Combine([]PriceSheet{a, b}); err != nil || len(all.Rates) != len(a.Rates) || len(all.Commitments) != 2 {
		t.Errorf("got %d rates, %v", len(all.Rates), err)
	}
}

func TestPartsAddUpToTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]string{"EUR", "JPY", "KWD"}).Draw(t, "currency")
		amount := Round(big.NewRat(rapid.Int64Range(0, 1e12).Draw(t, "amount"), 1000), currency)
		var weights []*big.Rat
		for range rapid.IntRange(1, 20).Draw(t, "parts") {
			weights = append(weights, big.NewRat(rapid.Int64Range(0, 1000).Draw(t, "weight"), rapid.Int64Range(1, 50).Draw(t, "of")))
		}
		sum := Money{}
		for _, part := range Split(amount, weights) {
			if part.Sign() < 0 {
				t.Fatalf("a part is %s", part)
			}
			sum = sum.Add(part)
		}
		if !sum.Equal(amount) {
			t.Fatalf("the parts of %s add up to %s", amount, sum)
		}
		fine, exact := new(big.Rat), amount.Rat()
		for _, part := range SplitFine(exact, weights) {
			fine.Add(fine, part)
		}
		if fine.Cmp(exact) != 0 {
			t.Fatalf("the fine parts of %v add up to %v", exact, fine)
		}
	})
}

func TestTheOrderOfRatesDoesNotMatter(t *testing.T) {
	t.Parallel()
	s := rates(t)
	rapid.Check(t, func(t *rapid.T) {
		mixed := s
		mixed.Rates = rapid.Permutation(s.Rates).Draw(t, "rates")
		place := Place{rapid.SampledFrom([]string{"", "gcp", "aws"}).Draw(t, "provider"), rapid.SampledFrom([]string{"", "eu", "us"}).Draw(t, "region"),
			rapid.SampledFrom([]string{"", "big"}).Draw(t, "type")}
		at := day("2026-11-01").AddDate(0, 0, rapid.IntRange(-30, 90).Draw(t, "day"))
		a, _ := s.Quote(CPU, "", place, at)
		b, _ := mixed.Quote(CPU, "", place, at)
		if fmt.Sprint(a.Unit, a.List) != fmt.Sprint(b.Unit, b.List) {
			t.Fatalf("%v and %v", a.Unit, b.Unit)
		}
	})
}
