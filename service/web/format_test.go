package web

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nines-sre/nines/slo"
)

// plain puts ordinary spaces where no line may break.
func plain(s string) string { return strings.ReplaceAll(s, thin, " ") }

func TestNumbersAreHonest(t *testing.T) {
	t.Parallel()
	same := func(what, got, want string) {
		if plain(got) != want {
			t.Errorf("%s: %q, want %q", what, plain(got), want)
		}
	}
	same("nothing failed", sliText(slo.Counts{Good: 10, Total: 10}, 99.9), "100 %")
	same("one of ten million failed", sliText(slo.Counts{Good: 9_999_999, Total: 10_000_000}, 99.9), "99.99 %")
	same("just below the objective", sliText(slo.Counts{Good: 998_999, Total: 1_000_000}, 99.9), "99.89 %")
	same("a finer objective shows more", sliText(slo.Counts{Good: 999_961, Total: 1_000_000}, 99.995), "99.9961 %")
	same("no traffic", sliText(slo.Counts{}, 99.9), "–")

	same("untouched", budgetText(1), "100 % left")
	same("hardly touched", budgetText(0.99999), "99.9 % left")
	same("nearly gone", budgetText(0.0004), "< 0.1 % left")
	same("exactly gone", budgetText(0), "spent")
	same("overspent", budgetText(-0.154), "overspent by 15.4 %")
	same("hardly overspent", budgetText(-0.0001), "overspent by < 0.1 %")
	same("not a number", budgetText(math.NaN()), "–")

	same("page-worthy", burnText(14.2), "14.2×")
	same("very slow", burnText(0.02), "< 0.1×")
	same("no errors", burnText(0), "0×")
	same("total outage of 99.99 %", burnText(10000), "10000×")
	same("infinite", burnText(math.Inf(1)), "–")

	same("a small ratio", ratioText(0.00123), "0.123 %")
	same("a tiny ratio", ratioText(3e-8), "< 0.0001 %")
	same("no errors", ratioText(0), "0 %")
	same("everything fails", ratioText(1), "100 %")
	same("events", countText(1204331), "1,204,331")
	same("few events", countText(999), "999")
	same("no events, written negative", countText(-0.2), "0")
	same("an axis of thousands", axisCount(12500), "12.5 k")
	same("an axis of halves", axisCount(0.5), "0.5")
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "under 1 s", 900 * time.Millisecond: "under 1 s", time.Second: "1 s", 61 * time.Second: "1 min 1 s", 10*time.Minute + 30*time.Second: "10 min",
		43*time.Minute + 12*time.Second: "43 min", 7*time.Hour + 12*time.Minute: "7 h 12 min", 36 * time.Hour: "1 d 12 h", 30 * 24 * time.Hour: "30 d", -2 * time.Hour: "2 h",
	} {
		if got := plain(spanText(d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{now: "just now", now.Add(-time.Minute): "1 min ago", now.Add(200 * time.Second): "in 3 min 20 s", {}: "–"} {
		if got := plain(agoText(at, now)); got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
	for took, want := range map[time.Duration]string{0: "–", 300 * time.Microsecond: "1 ms", 84 * time.Millisecond: "84 ms", 1200 * time.Millisecond: "1.2 s", time.Minute: "1 min"} {
		if got := plain(tookText(took)); got != want {
			t.Errorf("%v: %q, want %q", took, got, want)
		}
	}
	for w, want := range map[slo.Window]string{
		{Rolling: 30 * 24 * time.Hour}: "30 days", {Rolling: 24 * time.Hour}: "1 day", {Rolling: 90 * time.Minute}: "1 h 30 min",
		{Calendar: "month", Zone: "Europe/Berlin"}: "calendar month (Europe/Berlin)", {Calendar: "month"}: "calendar month (UTC)",
	} {
		if got := plain(windowText(w)); got != want {
			t.Errorf("%+v: %q, want %q", w, got, want)
		}
	}
}

func TestNoNumberIsEverShownAsBetterThanItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := float64(rapid.IntRange(1, 1<<40).Draw(t, "total"))
		errors := float64(rapid.IntRange(1, int(total)).Draw(t, "errors"))
		objective := slo.Objective(rapid.SampledFrom([]float64{90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999}).Draw(t, "objective"))
		counts := slo.Counts{Good: total - errors, Total: total}
		if text := sliText(counts, objective); strings.HasPrefix(text, "100") {
			t.Errorf("%v of %v failed and it says %s", errors, total, text)
		}
		remaining := objective.Remaining(counts)
		text := budgetText(remaining)
		if remaining < 1 && strings.HasPrefix(text, "100") || remaining < 0 != strings.Contains(text, "overspent") || strings.Contains(text, "NaN") {
			t.Errorf("%v left says %s", remaining, text)
		}
	})
}
