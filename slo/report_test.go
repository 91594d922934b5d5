package slo

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFiguresAreCutOffAndNeverRoundedUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		good, total float64
		decimals    int
		want        string
	}{
		{998996, 1000000, 2, "99.89"}, {998996, 1000000, 3, "99.899"}, {999999, 1000000, 2, "99.99"}, {99999999, 100000000, 2, "99.99"},
		{43140, 43200, 2, "99.86"}, {43140, 43200, 6, "99.861111"}, {1, 1, 2, "100.00"}, {0, 5, 2, "0.00"}, {1, 100000, 2, "0.00"},
		{999, 1000, 2, "99.90"}, {999, 1000, 0, "99"}, {29, 100, 2, "29.00"}, {0, 0, 2, ""},
	} {
		if got := (Counts{c.good, c.total}).FloorPercent(c.decimals); got != c.want {
			t.Errorf("%v of %v with %d decimals is %q, want %q", c.good, c.total, c.decimals, got, c.want)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		total := rapid.Int64Range(1, 1<<50).Draw(r, "total")
		good := rapid.Int64Range(0, total).Draw(r, "good")
		var shown float64
		if err := json.Unmarshal([]byte((Counts{float64(good), float64(total)}).FloorPercent(3)), &shown); err != nil {
			r.Fatal(err)
		}
		if exact := 100 * float64(good) / float64(total); shown > exact+1e-12 || shown < exact-0.001-1e-12 {
			r.Fatalf("%v is shown as %v", exact, shown)
		}
	})
}

func TestCreditsFollowTheLadder(t *testing.T) {
	t.Parallel()
	p := Promise{Objective: 99.9, Credits: []CreditTier{{99.9, 10}, {99, 25}, {95, 100}}}
	for _, c := range []struct {
		good, total, credit float64
	}{
		{1000, 1000, 0}, {999, 1000, 0}, {998999, 1000000, 10}, {99, 100, 10}, {989999, 1000000, 25}, {95, 100, 25}, {9499, 10000, 100}, {0, 1, 100}, {0, 0, 0},
		{43140, 43200, 10}, // an hour down in a month of 30 days
	} {
		if got := p.credit(Counts{c.good, c.total}); got != c.credit {
			t.Errorf("%v of %v earns %v, want %v", c.good, c.total, got, c.credit)
		}
	}
}

var acme = Contract{Tenant: "acme", Name: "Acme GmbH", Tier: "gold", Zone: "Europe/London", Region: "eu", Promises: []Promise{
	{SLO: "shop-availability", Objective: 99.5, Credits: []CreditTier{{99.5, 10}, {99, 25}}},
}}

// march is a month of London's March 2026, 743 hours, each minute 10 events, with an outage of some minutes in eu.
func march(outage int) []Bucket {
	from, to := Month{2026, time.March}.Bounds("Europe/London")
	eu, us, other := IncrementSeries{Series: seriesOf("acme", "eu")}, IncrementSeries{Series: seriesOf("acme", "us")}, IncrementSeries{Series: seriesOf("globex", "eu")}
	for i := range int(to.Sub(from) / time.Minute) {
		p := Increment{At: from.Add(time.Duration(i+1) * time.Minute), Total: 10}
		us.Points, other.Points = append(us.Points, p), append(other.Points, Increment{At: p.At, Errors: 10, Total: 10})
		if i >= 1000 && i < 1000+outage {
			p.Errors = 10
		}
		eu.Points = append(eu.Points, p)
	}
	return Buckets(byTenant.SLO, 3, []IncrementSeries{eu, us, other}, from.Add(-time.Hour), to.Add(time.Hour), 5*time.Minute)
}

func reportOf(buckets []Bucket, closed, now time.Time) Report {
	return NewReport(acme, []Versioned{byTenant}, 7, buckets, Month{2026, time.March}, map[string]time.Time{"shop-availability": closed}, now)
}

func TestReportOfAMonth(t *testing.T) {
	t.Parallel()
	_, end := Month{2026, time.March}.Bounds("Europe/London")
	r := reportOf(march(1000), end, end.Add(time.Hour))
	if r.Hours != 743 || r.Provisional || r.ContractVersion != 7 || r.Zone != "Europe/London" || len(r.Promises) != 1 {
		t.Fatalf("%+v", r)
	}
	total, bad := 743*60*20.0, 10000.0
	sli, met, spent := 100*(total-bad)/total, false, bad/total/0.005
	euTotal := 743 * 60 * 10.0
	euSLI, usSLI := 100*(euTotal-bad)/euTotal, 100.0
	want := PromiseReport{
		SLO: "shop-availability", Service: "shop", Name: "availability", Defined: true, SLOVersion: 3, Versions: []int{3}, Objective: 99.5,
		Figure: Figure{Counts: Counts{total - bad, total}, SLI: &sli, Displayed: "98.87", Precise: "98.878"}, Met: &met, Credit: 25,
		BudgetSpent: &spent, BadMinutes: 1000, Coverage: 1, ClosedUntil: end, Regions: []RegionReport{
			{Region: "eu", Figure: Figure{Counts: Counts{euTotal - bad, euTotal}, SLI: &euSLI, Displayed: "97.75", Precise: "97.756"}, BadMinutes: 1000},
			{Region: "us", Figure: Figure{Counts: Counts{euTotal, euTotal}, SLI: &usSLI, Displayed: "100.00", Precise: "100.000"}},
		},
	}
	approx := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(a)) })
	if diff := cmp.Diff(want, r.Promises[0], approx); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAMonthWithoutTrafficHasNoFigure(t *testing.T) {
	t.Parallel()
	_, end := Month{2026, time.March}.Bounds("Europe/London")
	p := reportOf(nil, end, end).Promises[0]
	if p.SLI != nil || p.Met != nil || p.BudgetSpent != nil || p.Displayed != "" || p.Credit != 0 || p.Coverage != 0 || p.MissingHours != 743 {
		t.Errorf("%+v", p)
	}
	text, err := reportOf(nil, end, end).Canonical()
	if err != nil || !strings.Contains(string(text), `"sli":null`) || !strings.Contains(string(text), `"met":null`) {
		t.Errorf("%s %v", text, err)
	}
}

func TestReportIsProvisionalUntilOverAndClosed(t *testing.T) {
	t.Parallel()
	from, end := Month{2026, time.March}.Bounds("Europe/London")
	buckets := march(0)
	for _, c := range []struct {
		name        string
		closed, now time.Time
		want        string
	}{
		{"during the month", from.Add(time.Hour), from.Add(2 * time.Hour), "the month is not over"},
		{"over, but not closed", end.Add(-5 * time.Minute), end.Add(time.Minute), "the ledger is not closed to the end of the month for shop-availability"},
		{"never closed", time.Time{}, end.Add(time.Minute), "the ledger is not closed to the end of the month for shop-availability"},
		{"over and closed", end, end, ""},
	} {
		if r := reportOf(buckets, c.closed, c.now); r.Why != c.want || r.Provisional != (c.want != "") {
			t.Errorf("%s: %v, %q; want %q", c.name, r.Provisional, r.Why, c.want)
		}
	}
}

func TestMissingSpansAreMissing(t *testing.T) {
	t.Parallel()
	from, end := Month{2026, time.March}.Bounds("Europe/London")
	var kept []Bucket
	for _, b := range march(0) {
		if hour := b.Start.Sub(from); b.Tenant == "acme" && (hour < 100*time.Hour || hour >= 110*time.Hour) {
			kept = append(kept, b)
		}
	}
	p := reportOf(kept, end, end).Promises[0]
	if math.Abs(p.MissingHours-10) > 1e-9 || math.Abs(p.Coverage-733.0/743) > 1e-12 || *p.SLI != 100 || p.Counts.Total != 733*60*20 {
		t.Errorf("coverage %v, missing %v hours, figure %v of %v", p.Coverage, p.MissingHours, *p.SLI, p.Counts)
	}
	half := reportOf(kept, from.Add(50*time.Hour), from.Add(50*time.Hour)).Promises[0]
	if half.Coverage != 1 {
		t.Error("of the elapsed part everything was seen, yet coverage is", half.Coverage)
	}
	withOthers := append(kept, march(0)...)
	if got := reportOf(withOthers, end, end).Promises[0].Coverage; got != 1 {
		t.Error("others were measured all the time, so the tenant was idle, not unseen; coverage is", got)
	}
}

func TestRecomputingGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	_, end := Month{2026, time.March}.Bounds("Europe/London")
	buckets := march(77)[:900]
	first, err := reportOf(buckets, end, end).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		shuffled := rapid.Permutation(buckets[:200]).Draw(r, "order")
		again := append(append([]Bucket{}, buckets[200:]...), shuffled...)
		for i := range again {
			again[i].Start = again[i].Start.In(time.FixedZone("x", 3600))
		}
		later := end.Add(time.Duration(rapid.IntRange(0, 1000).Draw(r, "hours")) * time.Hour)
		text, err := reportOf(again, later, later).Canonical()
		if err != nil || !bytes.Equal(first, text) {
			r.Fatalf("%v\n%s\n%s", err, first, text)
		}
	})
	changed := append([]Bucket{}, buckets...)
	changed[10].Good--
	before, after := reportOf(buckets, end, end).Digest, reportOf(changed, end, end).Digest
	if before == after || !strings.HasPrefix(before, "sha256:") || len(before) != len("sha256:")+64 {
		t.Errorf("one more failed request leaves the digest %s as %s", before, after)
	}
	in := ReportInputs(acme, []Versioned{byTenant}, 7, buckets, Month{2026, time.March}, map[string]time.Time{"shop-availability": end})
	if in.Digest() != before {
		t.Error("the inputs that are handed over have another digest than the report")
	}
}

func TestSharedAndVanishedPromises(t *testing.T) {
	t.Parallel()
	_, end := Month{2026, time.March}.Bounds("UTC")
	shared := Versioned{Version: 1, SLO: SLO{ID: "lb-uptime", Service: "lb", Name: "uptime", Objective: 99, Interval: time.Minute}}
	c := Contract{Tenant: "acme", Promises: []Promise{{SLO: "lb-uptime", Objective: 99}, {SLO: "gone", Objective: 99}}}
	b := Bucket{Series: Series{SLO: "lb-uptime", Group: "{}"}, Start: end.Add(-time.Hour), Width: 5 * time.Minute, Counts: Counts{99, 100}, Seen: 5, Expect: 5, Version: 1}
	r := NewReport(c, []Versioned{shared}, 1, []Bucket{b}, Month{2026, time.March}, nil, end)
	if p := r.Promises[0]; !p.Shared || !p.Defined || p.Counts.Total != 100 || !*p.Met || p.BadMinutes != 0 {
		t.Errorf("the promise that all customers share: %+v", p)
	}
	if p := r.Promises[1]; p.Defined || p.SLI != nil {
		t.Errorf("the promise whose SLO is gone: %+v", p)
	}
}
