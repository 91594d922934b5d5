package slo

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMonthsInZones(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		month, zone string
		from        string
		hours       float64
	}{
		{"2026-11", "", "2026-11-01T00:00:00Z", 720},
		{"2026-02", "UTC", "2026-02-01T00:00:00Z", 672},
		{"2028-02", "UTC", "2028-02-01T00:00:00Z", 696},
		{"2026-03", "Europe/London", "2026-03-01T00:00:00Z", 743},
		{"2026-10", "Europe/London", "2026-09-30T23:00:00Z", 745},
		{"2026-10", "Europe/Berlin", "2026-09-30T22:00:00Z", 745},
		{"2026-12", "America/New_York", "2026-12-01T05:00:00Z", 744},
		{"2026-01", "Asia/Kolkata", "2025-12-31T18:30:00Z", 744},
		{"2026-04", "Australia/Lord_Howe", "2026-03-31T13:00:00Z", 720.5}, // clocks change by half an hour
		{"2023-10", "America/Asuncion", "2023-10-01T04:00:00Z", 743},      // the first had no midnight
		{"2026-11", "America/Havana", "2026-11-01T04:00:00Z", 721},        // the first had two
		{"2026-05", "Nowhere/Land", "2026-05-01T00:00:00Z", 744},
	} {
		m, err := ParseMonth(c.month)
		if err != nil {
			t.Fatal(err)
		}
		from, to := m.Bounds(c.zone)
		if got := from.Format(time.RFC3339); got != c.from || to.Sub(from).Hours() != c.hours {
			t.Errorf("%s in %s: from %s, %v hours; want %s, %v", c.month, c.zone, got, to.Sub(from).Hours(), c.from, c.hours)
		}
		if next, _ := m.Next().Bounds(c.zone); !next.Equal(to) {
			t.Errorf("%s in %s ends at %s, but the next month begins at %s", c.month, c.zone, to, next)
		}
		if MonthOf(from, c.zone) != m || MonthOf(to.Add(-time.Second), c.zone) != m || MonthOf(to, c.zone) == m {
			t.Errorf("%s in %s does not hold its own ends", c.month, c.zone)
		}
	}
	for _, bad := range []string{"", "2026", "2026-13", "2026-1", "26-01", "2026-01-01", "-001-01"} {
		if _, err := ParseMonth(bad); err == nil {
			t.Errorf("%q is no month", bad)
		}
	}
}

func TestWindowBounds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC) // clocks just changed in London
	if from, to := (Window{Rolling: 24 * time.Hour}).Bounds(now); !to.Equal(now) || now.Sub(from) != 24*time.Hour {
		t.Error("rolling:", from, to)
	}
	if from, to := (Window{}).Bounds(now); now.Sub(from) != 720*time.Hour || !to.Equal(now) {
		t.Error("an SLO without a window has 30 days:", from, to)
	}
	from, to := (Window{Calendar: "month", Zone: "Europe/London"}).Bounds(now)
	if !from.Equal(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) || !to.Equal(time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)) {
		t.Error("calendar:", from, to)
	}
}

var byTenant = Versioned{Version: 3, SLO: SLO{
	ID: "shop-availability", Service: "shop", Name: "availability", Objective: 99.9, Interval: time.Minute,
	Window: Window{Rolling: DefaultRolling}, GroupBy: []string{"tenant", "region"}, BudgetBy: []string{"tenant"},
}}

func seriesOf(tenant, region string) Series {
	return byTenant.SLO.SeriesOf(map[string]string{"tenant": tenant, "region": region, "code": "500"})
}

func at(minutes float64) time.Time {
	return labStart.Add(time.Duration(minutes * float64(time.Minute)))
}

func TestASampleBelongsToTheBucketThatEndsWithIt(t *testing.T) {
	t.Parallel()
	points := []Increment{{At: at(0), Total: 1}, {At: at(0.01), Total: 10}, {At: at(5), Errors: 1, Total: 100}, {At: at(5.01), Total: 1000}, {At: at(17), Errors: 2, Total: 1}}
	got := Buckets(byTenant.SLO, 3, []IncrementSeries{{seriesOf("acme", "eu"), points}}, at(-60), at(60), 5*time.Minute)
	bucket := func(start, good, total float64, seen int) Bucket {
		return Bucket{Series: seriesOf("acme", "eu"), Start: at(start), Width: 5 * time.Minute, Counts: Counts{good, total}, Seen: seen, Expect: 5, Version: 3}
	}
	want := []Bucket{bucket(-5, 1, 1, 1), bucket(0, 109, 110, 2), bucket(5, 1000, 1000, 1), bucket(15, 0, 1, 1)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNoNumberIsAGap(t *testing.T) {
	t.Parallel()
	points := []Increment{{At: at(1), Total: math.NaN()}, {At: at(2), Errors: math.Inf(1), Total: 1}, {At: at(3), Total: -1}, {At: at(4), Total: math.Inf(1)}}
	if got := Buckets(byTenant.SLO, 1, []IncrementSeries{{seriesOf("a", "b"), points}}, at(0), at(60), 5*time.Minute); len(got) != 0 {
		t.Error(got)
	}
}

// incrementsGen draws some hours of increments of a few series, with gaps, in no order.
func incrementsGen(r *rapid.T) []IncrementSeries {
	var out []IncrementSeries
	for i := range rapid.IntRange(1, 3).Draw(r, "series") {
		one := IncrementSeries{Series: seriesOf([]string{"acme", "globex", ""}[i], "eu")}
		for minute := range 180 {
			if rapid.IntRange(0, 9).Draw(r, "seen") > 0 {
				total := float64(rapid.IntRange(0, 5).Draw(r, "total"))
				one.Points = append(one.Points, Increment{At: at(float64(minute) + 0.5), Errors: math.Min(total, float64(rapid.IntRange(0, 2).Draw(r, "errors"))), Total: total})
			}
		}
		out = append(out, one)
	}
	return out
}

func TestBucketsAreTheSameForAnyDivisionOfTime(t *testing.T) {
	t.Parallel()
	const width = 5 * time.Minute
	rapid.Check(t, func(r *rapid.T) {
		series := incrementsGen(r)
		whole := Buckets(byTenant.SLO, 1, series, at(0), at(180), width)
		cuts := []int{0, 36}
		for range rapid.IntRange(0, 5).Draw(r, "cuts") {
			cuts = append(cuts, rapid.IntRange(0, 36).Draw(r, "cut"))
		}
		slices.Sort(cuts)
		var parts []Bucket
		for i := 1; i < len(cuts); i++ {
			parts = append(parts, Buckets(byTenant.SLO, 1, series, at(float64(cuts[i-1]*5)), at(float64(cuts[i]*5)), width)...)
		}
		slices.SortFunc(parts, compareBuckets)
		if diff := cmp.Diff(whole, parts); diff != "" {
			r.Fatalf("(-whole +parts):\n%s", diff)
		}
		for i := range series {
			slices.Reverse(series[i].Points)
		}
		slices.Reverse(series)
		if diff := cmp.Diff(whole, Buckets(byTenant.SLO, 1, series, at(0), at(180), width)); diff != "" {
			r.Fatalf("the order of the input matters:\n%s", diff)
		}
		var got, want Counts
		for _, b := range whole {
			got = got.Add(b.Counts)
		}
		for _, s := range series {
			for _, p := range s.Points {
				want = want.Add(Counts{Good: p.Total - p.Errors, Total: p.Total})
			}
		}
		if got != want {
			r.Fatalf("the buckets hold %v, the increments %v", got, want)
		}
	})
}

func TestSeriesKeepTheirLabels(t *testing.T) {
	t.Parallel()
	s := SLO{ID: "x", GroupBy: []string{"tenant", "plan", "region", "az"}, BudgetBy: []string{"plan", "tenant"}}
	got := s.SeriesOf(map[string]string{"tenant": "acme", "az": "1", "plan": `a"b`, "other": "no"})
	if want := (Series{SLO: "x", Tenant: "acme", Group: `{"az":"1","plan":"a\"b"}`}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if diff := cmp.Diff(map[string]string{"plan": `a"b`, "tenant": "acme"}, s.BudgetLabels(got)); diff != "" {
		t.Error(diff)
	}
}

// steady is n minutes of increments from a minute on.
func steady(tenant, region string, from, n int, errors, total float64) IncrementSeries {
	one := IncrementSeries{Series: seriesOf(tenant, region)}
	for i := range n {
		one.Points = append(one.Points, Increment{At: at(float64(from + i + 1)), Errors: errors, Total: total})
	}
	return one
}

func TestStatusFromLedgerAndLiveData(t *testing.T) {
	t.Parallel()
	// A day of one error in 1000 in two regions, closed; then ten live minutes of ten errors; another tenant is worse.
	day := []IncrementSeries{steady("acme", "eu", 0, 1440, 0.5, 500), steady("acme", "us", 0, 1440, 0.5, 500), steady("globex", "eu", 0, 1440, 500, 500)}
	buckets := Buckets(byTenant.SLO, 3, day, at(0), at(1440), 5*time.Minute)
	live := []IncrementSeries{steady("acme", "eu", 1430, 20, 10, 1000), steady("globex", "eu", 1440, 10, 500, 500)} // ten of them are in the ledger
	now := at(1450)
	got := StatusOf(byTenant, map[string]string{"tenant": "acme"}, buckets, live, now)

	total, bad := 1440*1000+10*1000.0, 1440+100.0
	recentTotal, recentBad := 50*1000+10*1000.0, 50+100.0
	burn, spent := recentBad/recentTotal/0.001, bad/total/0.001
	want := Status{
		SLO: "shop-availability", Service: "shop", Name: "availability", Labels: map[string]string{"tenant": "acme"}, Objective: 99.9,
		From: now.Add(-DefaultRolling), To: now, Counts: Counts{total - bad, total}, SLI: 100 * (total - bad) / total, Traffic: true,
		Coverage: 1, FirstSeen: at(0), Remaining: 1 - spent, Burn: burn, Version: 3,
	}
	if spent > 1 {
		want.Exhausted = now
	}
	approx := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(a)) })
	if diff := cmp.Diff(want, got, approx); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]map[string]string{{"tenant": "acme"}, {"tenant": "globex"}}, Groups(byTenant, buckets, live)); diff != "" {
		t.Error("groups:", diff)
	}
}

func TestExhaustionIsPredictedWithinTheWindow(t *testing.T) {
	t.Parallel()
	status := func(w Window, history, burning float64, now time.Time) Status {
		v := byTenant
		v.SLO.Window = w
		minutes := int(now.Sub(at(0)) / time.Minute)
		series := []IncrementSeries{steady("acme", "eu", 0, minutes-60, history, 1000), steady("acme", "eu", minutes-60, 60, burning, 1000)}
		return StatusOf(v, map[string]string{"tenant": "acme"}, Buckets(v.SLO, 1, series, at(0), now, 5*time.Minute), nil, now)
	}
	rolling := Window{Rolling: DefaultRolling}
	if st := status(rolling, 0, 0, at(1440)); !st.Exhausted.IsZero() || st.Remaining != 1 || st.Burn != 0 {
		t.Errorf("no errors, yet exhausted at %v with %v left, burn %v", st.Exhausted, st.Remaining, st.Burn)
	}
	// Burn 10 over the last hour of a day: 10/24 of what was allowed so far is gone; the rest lasts 30 days x rest / 10.
	st := status(rolling, 0, 10, at(1440))
	if want := time.Duration((1 - 10.0/24) / 10 * float64(DefaultRolling)); math.Abs(float64(st.Exhausted.Sub(at(1440))-want)) > float64(time.Second) {
		t.Errorf("exhausted %v from now, want %v", st.Exhausted.Sub(at(1440)), want)
	}
	if st := status(rolling, 0, 0.5, at(1440)); !st.Exhausted.IsZero() {
		t.Error("half the allowed rate lasts for ever, yet exhausted at", st.Exhausted)
	}
	if st := status(rolling, 0, 1000, at(1440)); !st.Exhausted.Equal(at(1440)) || st.Remaining >= 0 {
		t.Error("an overspent budget is gone now, not at", st.Exhausted)
	}
	late := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	if st := status(Window{Calendar: "month", Zone: "UTC"}, 0, 2, late); !st.Exhausted.IsZero() {
		t.Error("twelve hours before the month ends a burn of two cannot spend it, yet exhausted at", st.Exhausted)
	}
}

func TestStatusWithoutTrafficClaimsNothing(t *testing.T) {
	t.Parallel()
	st := StatusOf(byTenant, map[string]string{"tenant": "acme"}, nil, nil, at(0))
	if st.Traffic || st.SLI != 100 || st.Remaining != 1 || st.Coverage != 0 || !st.FirstSeen.IsZero() || !st.Exhausted.IsZero() {
		t.Errorf("%+v", st)
	}
	if got := Groups(byTenant, nil, nil); len(got) != 0 {
		t.Error("groups of nothing:", got)
	}
}

func TestCoverageCountsGapsFromTheFirstSample(t *testing.T) {
	t.Parallel()
	// Seen for ten hours, a gap of two, seen for eight; another region fills half the gap.
	series := []IncrementSeries{steady("acme", "eu", 100, 600, 0, 1), steady("acme", "eu", 820, 480, 0, 1), steady("acme", "us", 700, 60, 0, 1)}
	now := at(1300 + 2.2) // settled, closed to 1300
	buckets := Buckets(byTenant.SLO, 1, series, at(0), at(1300), 5*time.Minute)
	st := StatusOf(byTenant, map[string]string{"tenant": "acme"}, buckets, nil, now)
	if want := 1140.0 / 1200; math.Abs(st.Coverage-want) > 1e-9 || !st.FirstSeen.Equal(at(100)) {
		t.Errorf("coverage %v since %v, want %v since %v", st.Coverage, st.FirstSeen, want, at(100))
	}
}

func TestTheRulesAndTheLedgerAgree(t *testing.T) {
	t.Parallel()
	s := shop(t)
	l := newLab(t, s)
	tr := traffic{every: 30 * time.Second, perScrape: 7, from: 30 * time.Second, to: 3 * time.Hour, errorsOf: func(tenant string, at time.Duration) float64 {
		return float64(int(at/time.Minute) % 3 * len(tenant) % 4)
	}, down: func(at time.Duration) bool { return at > time.Hour && at < 100*time.Minute }}
	tr.feed(l)
	l.run(3*time.Hour + 20*time.Minute)
	buckets := Buckets(s, 1, l.increments(s), labStart, l.now, 5*time.Minute)
	got := map[string]Counts{}
	for _, b := range buckets {
		got[b.Tenant] = got[b.Tenant].Add(b.Counts)
	}
	for _, tenant := range []string{"acme", "globex"} {
		// The counters' value at the first scrape is the baseline.
		want := Counts{Total: tr.total[tenant] - tr.perScrape, Good: tr.total[tenant] - tr.errors[tenant] - tr.perScrape}
		if got[tenant] != want {
			t.Errorf("%s: the ledger has %v, the counters %v", tenant, got[tenant], want)
		}
	}
	if len(got) != 2 {
		t.Error("tenants:", fmt.Sprint(got))
	}
	if sums, deltas := l.sum("slo:sli_total:sum5m"), l.sum(s.TotalSeries()); sums != deltas {
		t.Errorf("the sums of five minutes hold %v events, the increments %v", sums, deltas)
	}
}
