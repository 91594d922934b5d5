package slo

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"pgregory.net/rapid"
)

// over is a correction of the shop between two minutes, made before it began.
func over(id, mode string, from, to float64, labels ...string) Correction {
	c := Correction{ID: id, SLO: "shop-availability", From: at(from), To: at(to), Mode: mode, Kind: KindMaintenance, Reason: "new disks",
		Author: "ada@example.com", Created: at(from - 60)}
	for i := 0; i+1 < len(labels); i += 2 {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[labels[i]] = labels[i+1]
	}
	return c
}

// hour is an hour of acme in eu and us and of globex in eu: each bucket 100 events, 10 of them errors.
func hour() []Bucket {
	series := []IncrementSeries{steady("acme", "eu", 0, 60, 2, 20), steady("acme", "us", 0, 60, 2, 20), steady("globex", "eu", 0, 60, 2, 20)}
	return Buckets(byTenant.SLO, 3, series, at(0), at(60), 5*time.Minute)
}

func TestOnlyWholeBucketsAreForgiven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to         float64
		wantFrom, wantTo float64
		excluded         float64 // events
	}{
		{10, 20, 10, 20, 600},
		{9, 21, 10, 20, 600},
		{10.01, 20, 15, 20, 300},
		{10, 19.99, 10, 15, 300},
		{11, 14, 15, 15, 0},
		{12, 18, 15, 15, 0},
		{-90, 600, -90, 600, 3600},
		{60, 120, 60, 120, 0},
	} {
		correction := over("a", ModeExclude, c.from, c.to)
		from, to := correction.Effective(5 * time.Minute)
		if !from.Equal(at(c.wantFrom)) || !to.Equal(at(c.wantTo)) {
			t.Errorf("%v to %v holds from %v to %v, want %v to %v", c.from, c.to, from, to, at(c.wantFrom), at(c.wantTo))
		}
		counted, effect := Correct(hour(), []Correction{correction})
		if effect.Excluded.Total != c.excluded || sumOf(counted).Total != 3600-c.excluded {
			t.Errorf("%v to %v excludes %v events and leaves %v", c.from, c.to, effect.Excluded.Total, sumOf(counted).Total)
		}
	}
}

func TestExcludeWinsOverGoodAndNothingCountsTwice(t *testing.T) {
	t.Parallel()
	raw := hour()
	before := slices.Clone(raw)
	first, second := over("1", ModeGood, 0, 30, "tenant", "acme"), over("2", ModeExclude, 10, 20)
	again := over("3", ModeExclude, 15, 25)
	second.Created, again.Created = at(-50), at(-40)
	counted, effect := Correct(raw, []Correction{again, first, second})
	// Excluded are the buckets of 10 to 25 minutes, three of three series; good are acme's of 0 to 10 and 25 to 30.
	want := Effect{Excluded: Counts{3 * 3 * 90, 3 * 3 * 100}, Forgiven: 2 * 3 * 10, Minutes: 30, By: []CorrectionEffect{
		{ID: "1", From: at(0), To: at(30), Minutes: 15, Forgiven: 60},
		{ID: "2", From: at(10), To: at(20), Minutes: 10, Excluded: Counts{540, 600}},
		{ID: "3", From: at(15), To: at(25), Minutes: 5, Excluded: Counts{270, 300}},
	}}
	if diff := cmp.Diff(want, effect); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := sumOf(counted); got != (Counts{Good: 3600 - 360 - 810 + 60, Total: 2700}) {
		t.Errorf("counted %+v", got)
	}
	if diff := cmp.Diff(before, raw); diff != "" {
		t.Errorf("what was recorded has changed:\n%s", diff)
	}
}

func TestCorrectionsTouchOnlyWhatTheyName(t *testing.T) {
	t.Parallel()
	service, all, other, revoked := over("a", ModeExclude, 0, 60), over("b", ModeExclude, 0, 60), over("c", ModeExclude, 0, 60), over("d", ModeExclude, 0, 60)
	service.SLO, service.Service = "", "shop"
	all.SLO, all.All = "", true
	other.SLO = "shop-latency"
	revoked.Revoked = at(1)
	f := func(name string, c Correction, left float64) {
		t.Helper()
		counted, _ := Correct(hour(), CorrectionsOf(byTenant.SLO, []Correction{c}))
		if got := sumOf(counted).Total; got != left {
			t.Errorf("%s leaves %v events, want %v", name, got, left)
		}
	}
	f("the service", service, 0)
	f("all", all, 0)
	f("another SLO", other, 3600)
	f("a revoked one", revoked, 3600)
	f("one tenant", over("e", ModeExclude, 0, 60, "tenant", "acme"), 1200)
	f("one tenant in one region", over("f", ModeExclude, 0, 60, "tenant", "acme", "region", "us"), 2400)
	f("a label that the series has not", over("g", ModeExclude, 0, 60, "path", "/"), 3600)
	week := byTenant.SLO
	week.ID, week.Of = "shop-availability-week", "shop-availability"
	if got := CorrectionsOf(week, []Correction{over("h", ModeExclude, 0, 60)}); len(got) != 1 || got[0].SLO != week.ID {
		t.Errorf("a further objective shares the SLO's corrections: %+v", got)
	}
}

func correctionsGen(r *rapid.T) []Correction {
	var out []Correction
	for i := range rapid.IntRange(0, 5).Draw(r, "corrections") {
		from := rapid.Float64Range(-20, 170).Draw(r, "from")
		c := over(fmt.Sprint(i), rapid.SampledFrom([]string{ModeExclude, ModeGood}).Draw(r, "mode"), from, from+rapid.Float64Range(0.1, 90).Draw(r, "length"))
		c.Created = at(float64(rapid.IntRange(0, 2).Draw(r, "created")))
		if tenant := rapid.SampledFrom([]string{"", "acme", "globex"}).Draw(r, "tenant"); tenant != "" {
			c.Labels = map[string]string{"tenant": tenant}
		}
		out = append(out, c)
	}
	return out
}

func TestCorrectingIsTheSameInAnyOrderAndAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		buckets := Buckets(byTenant.SLO, 1, incrementsGen(r), at(0), at(180), 5*time.Minute)
		corrections := correctionsGen(r)
		counted, effect := Correct(buckets, corrections)
		shuffled := rapid.Permutation(corrections).Draw(r, "order")
		other, otherEffect := Correct(buckets, shuffled)
		if diff := cmp.Diff(counted, other) + cmp.Diff(effect, otherEffect); diff != "" {
			r.Fatalf("the order matters:\n%s", diff)
		}
		twice, _ := Correct(counted, corrections)
		if diff := cmp.Diff(counted, twice); diff != "" {
			r.Fatalf("correcting again changes:\n%s", diff)
		}
		raw, left := sumOf(buckets), sumOf(counted)
		if raw.Total-effect.Excluded.Total != left.Total || raw.Good-effect.Excluded.Good+effect.Forgiven != left.Good {
			r.Fatalf("%+v less %+v is not %+v", raw, effect, left)
		}
		var parts Counts
		for _, one := range effect.By {
			parts = parts.Add(one.Excluded).Add(Counts{one.Forgiven, 0})
		}
		if parts != effect.Excluded.Add(Counts{effect.Forgiven, 0}) {
			r.Fatalf("the parts %+v do not add up to %+v", parts, effect)
		}
		for _, b := range buckets {
			stated := slices.ContainsFunc(corrections, func(c Correction) bool { return !b.Start.Before(c.From) && !b.end().After(c.To) })
			if !stated && !slices.Contains(counted, b) {
				r.Fatalf("%v lies in no stated span and has changed", b)
			}
		}
	})
}

func TestIncrementsAreCorrectedAsTheirBucketsWillBe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		series, corrections := incrementsGen(r), correctionsGen(r)
		want, _ := Correct(Buckets(byTenant.SLO, 1, series, at(0), at(180), 5*time.Minute), corrections)
		live, _ := CorrectIncrements(series, 5*time.Minute, corrections)
		if diff := cmp.Diff(sumOf(want), sumOf(Buckets(byTenant.SLO, 1, live, at(0), at(180), 5*time.Minute))); diff != "" {
			r.Fatal(diff)
		}
	})
}

func TestAStatusLeavesMaintenanceOutOfEverything(t *testing.T) {
	t.Parallel()
	// Ten hours with an outage of one, in which nothing at all was recorded for half of the time, and live minutes after.
	series := []IncrementSeries{steady("acme", "eu", 0, 300, 0, 10), steady("acme", "eu", 300, 30, 10, 10), steady("acme", "eu", 360, 240, 0, 10)}
	buckets := Buckets(byTenant.SLO, 3, series, at(0), at(600), 5*time.Minute)
	live, now := []IncrementSeries{steady("acme", "eu", 600, 20, 10, 10)}, at(620)
	acme := map[string]string{"tenant": "acme"}
	window, ending := over("a", ModeExclude, 300, 360, "tenant", "acme"), over("b", ModeExclude, 600, 615)
	got := StatusOf(byTenant, acme, buckets, live, now, window, ending)
	if want := (Counts{Good: 5400, Total: 5400 + 50}); got.Counts != want || got.Coverage != 1 {
		t.Errorf("counts %+v, want %+v; coverage %v", got.Counts, want, got.Coverage)
	}
	want := Adjusted{Measured: Counts{5400, 5900}, Excluded: Counts{0, 450}, ExcludedMinutes: 75, Corrections: []string{"a", "b"}}
	if diff := cmp.Diff(want, got.Adjusted); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if burn := 50 / (40*10 + 50.0) / 0.001; math.Abs(got.Burn-burn) > 1e-9 {
		t.Errorf("burn %v, want %v of the last hour less what is excluded", got.Burn, burn)
	}
	plain := StatusOf(byTenant, acme, buckets, live, now)
	if diff := cmp.Diff(Adjusted{}, plain.Adjusted); diff != "" || plain.Coverage > 0.96 {
		t.Errorf("without corrections: %s, coverage %v", diff, plain.Coverage)
	}
	// A region alone leaves the time to the others; the tenant of another touches nothing.
	us := append(slices.Clone(buckets), Buckets(byTenant.SLO, 3, []IncrementSeries{steady("acme", "us", 0, 600, 0, 10)}, at(0), at(600), 5*time.Minute)...)
	part := StatusOf(byTenant, acme, us, nil, at(605), over("a", ModeExclude, 300, 360, "region", "eu"), over("c", ModeExclude, 0, 60, "tenant", "globex"))
	if part.Counts.Total != 5400+6000 || part.Adjusted.ExcludedMinutes != 0 || part.Coverage != 1 {
		t.Errorf("%+v", part)
	}
	good := StatusOf(byTenant, acme, buckets, nil, at(602.2), over("g", ModeGood, 300, 360))
	if good.Counts != (Counts{5700, 5700}) || good.Adjusted.Forgiven != 300 || good.Coverage != 570.0/600 {
		t.Errorf("counted as good: %+v", good)
	}
}

func TestAnHourThatIsStillOpenIsExcludedWhileItLasts(t *testing.T) {
	t.Parallel()
	buckets := Buckets(byTenant.SLO, 3, []IncrementSeries{steady("acme", "eu", 0, 60, 0, 10)}, at(0), at(60), 5*time.Minute)
	live := []IncrementSeries{steady("acme", "eu", 60, 13, 10, 10)}
	st := StatusOf(byTenant, map[string]string{"tenant": "acme"}, buckets, live, at(73), over("a", ModeExclude, 60, 120))
	if st.Counts != (Counts{600, 600}) || st.Coverage != 1 || st.Adjusted.ExcludedMinutes != 13 {
		t.Errorf("%+v", st)
	}
}

func TestGapsCountAsThePolicySays(t *testing.T) {
	t.Parallel()
	// 10 hours, of which 2 were not seen, 3 minutes of another bucket neither, and 4 live minutes of 10 are missing.
	series := []IncrementSeries{steady("acme", "eu", 0, 300, 0, 10), steady("acme", "eu", 420, 101, 1, 10), steady("acme", "eu", 524, 76, 0, 10)}
	buckets := Buckets(byTenant.SLO, 3, series, at(0), at(600), 5*time.Minute)
	live := []IncrementSeries{steady("acme", "eu", 600, 2, 0, 10), steady("acme", "eu", 606, 6, 0, 10)}
	now := at(612)
	seen, errors, missing := 477.0+8, 101.0, 120+3+4.0
	f := func(policy string, want Counts, imputed int, corrections ...Correction) Status {
		t.Helper()
		v := byTenant
		v.SLO.Gap = policy
		st := StatusOf(v, map[string]string{"tenant": "acme"}, buckets, live, now, corrections...)
		if math.Abs(st.Counts.Good-want.Good) > 1e-6 || math.Abs(st.Counts.Total-want.Total) > 1e-6 || st.Adjusted.Imputed != imputed {
			t.Errorf("%q counts %+v with %d imputed, want %+v with %d", policy, st.Counts, st.Adjusted.Imputed, want, imputed)
		}
		var again Counts
		for _, b := range Imputed(v, map[string]string{"tenant": "acme"}, buckets, live, now, corrections...) {
			again = again.Add(b.Counts)
			if b.Seen != 0 || b.Tenant != "acme" || b.SLO != v.SLO.ID || b.Width > 5*time.Minute {
				t.Errorf("an imputed bucket is %+v", b)
			}
		}
		if diff := cmp.Diff(st.Adjusted.ImputedCounts, again); diff != "" {
			t.Errorf("%q: the buckets imputed do not add up to the status:\n%s", policy, diff)
		}
		return st
	}
	f(GapIgnore, Counts{seen*10 - errors, seen * 10}, 0)
	f("", Counts{seen*10 - errors, seen * 10}, 0)
	f(GapGood, Counts{(seen+missing)*10 - errors, (seen + missing) * 10}, 127)
	st := f(GapBad, Counts{seen*10 - errors, (seen + missing) * 10}, 127)
	if st.Coverage > 0.8 || st.Adjusted.Measured != (Counts{seen*10 - errors, seen * 10}) {
		t.Errorf("imputing hides the gap: %+v", st)
	}
	f(GapBad, Counts{seen*10 - errors, (seen + 67) * 10}, 67, over("a", ModeExclude, 300, 360))
	f(GapBad, Counts{(seen+60)*10 - errors, (seen + missing) * 10}, 127, over("a", ModeGood, 300, 360))
	f(GapBad, Counts{seen*10 - errors, (seen + missing) * 10}, 127, over("a", ModeExclude, 300, 360, "region", "us"))
	v := byTenant
	v.SLO.Gap = GapBad
	if st := StatusOf(v, map[string]string{"tenant": "acme"}, nil, nil, now); st.Traffic || st.Adjusted.Imputed != 0 {
		t.Errorf("what was never seen has no gaps: %+v", st)
	}
}

func TestACorrectionIsRefusedWithEveryProblem(t *testing.T) {
	t.Parallel()
	known := []SLO{byTenant.SLO, {ID: "lb-uptime", Service: "lb"}}
	f := func(change func(*Correction), want ...string) {
		t.Helper()
		c := over("a", ModeExclude, 0, 60)
		change(&c)
		err := c.Check(known, 5*time.Minute)
		if len(want) == 0 {
			if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			return
		}
		if !fault.Is(err, fault.Invalid) {
			t.Fatalf("%+v: %v", c, err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
	f(func(*Correction) {})
	f(func(c *Correction) { c.SLO, c.Service, c.Labels = "", "shop", map[string]string{"tenant": "acme"} })
	f(func(c *Correction) { c.SLO, c.All = "", true })
	f(func(c *Correction) { c.SLO = "" }, "slo: nothing is named")
	f(func(c *Correction) { c.All = true }, "keep one")
	f(func(c *Correction) { c.SLO = "shop" }, `there is no SLO "shop"`)
	f(func(c *Correction) { c.SLO, c.Service = "", "shoop" }, `no SLO belongs to a service "shoop"`)
	f(func(c *Correction) { c.SLO, c.Labels = "lb-uptime", map[string]string{"tenant": "acme"} }, `"tenant", so it would touch nothing`)
	f(func(c *Correction) { c.Labels = map[string]string{"a-b": "x", "region": ""} }, `"a-b" is not a label name`, "region has no value")
	f(func(c *Correction) { c.To = c.From }, "does not lie after from")
	f(func(c *Correction) { c.From, c.To = at(1), at(9) }, "no whole ledger bucket of 5m0s")
	f(func(c *Correction) { c.To = c.From.AddDate(1, 0, 0) }, "spans at most 92")
	f(func(c *Correction) { *c = Correction{} }, "nothing is named", "from: is missing", "mode:", "kind:", "reason: is missing")
	f(func(c *Correction) { c.Reason = strings.Repeat("x", 501) }, "501 characters")
}

func inMarch(id, kind string, day, fromHour, hours int, created time.Duration) Correction {
	from, _ := Month{2026, time.March}.Bounds("Europe/London")
	from = from.AddDate(0, 0, day-1).Add(time.Duration(fromHour) * time.Hour)
	return Correction{ID: id, SLO: "shop-availability", From: from, To: from.Add(time.Duration(hours) * time.Hour), Mode: ModeExclude, Kind: kind,
		Reason: "new disks", Note: "cheap disks", Author: "ada@example.com", Created: from.Add(created)}
}

func TestReportShowsTheFigureWithAndWithout(t *testing.T) {
	t.Parallel()
	_, end := Month{2026, time.March}.Bounds("Europe/London")
	report := func(x *Exclusions, corrections ...Correction) PromiseReport {
		c := acme
		c.Exclusions = x
		return NewReport(c, []Versioned{byTenant}, 7, march(1000), Month{2026, time.March}, map[string]time.Time{"shop-availability": end}, end, corrections...).Promises[0]
	}
	// eu was down for 1000 minutes from 16:40 on the first.
	announced, late := inMarch("a", KindMaintenance, 1, 16, 10, -time.Hour), inMarch("b", KindMaintenance, 1, 26, 8, time.Hour)
	broken := inMarch("c", KindCorrection, 1, 16, 18, 40*time.Hour)
	broken.Labels, broken.Mode = map[string]string{"tenant": "acme", "region": "eu"}, ModeGood
	other := inMarch("d", KindMaintenance, 1, 16, 18, -time.Hour)
	other.Labels = map[string]string{"tenant": "globex"}

	plain := report(nil)
	if plain.Measured != nil || plain.Corrections != nil || plain.ExcludedMinutes != 0 {
		t.Errorf("without corrections: %+v", plain)
	}
	both := report(nil, late, announced, other)
	if both.ExcludedMinutes != 18*60 || both.BadMinutes != 0 || both.Displayed != "100.00" || both.Credit != 0 || both.Coverage != 1 {
		t.Errorf("%+v", both)
	}
	if m := both.Measured; m == nil || m.Displayed != plain.Displayed || m.Credit != 25 || m.BadMinutes != 1000 || *m.Met {
		t.Errorf("as measured: %+v", m)
	}
	if cs := both.Corrections; len(cs) != 2 || cs[0].ID != "a" || cs[0].Retroactive || !cs[1].Retroactive || cs[0].Minutes != 600 || cs[0].Author != "ada@example.com" ||
		cs[0].Excluded.Errors() != 560*10 || !cs[0].Counts {
		t.Errorf("corrections %+v", cs)
	}
	forbidden := report(&Exclusions{Corrections: true}, announced, late, broken)
	if cs := forbidden.Corrections; forbidden.ExcludedMinutes != 0 || forbidden.BadMinutes != 0 || len(cs) != 3 || cs[0].Counts || cs[2].Counts || !cs[1].Counts || cs[1].Forgiven != 10000 {
		t.Errorf("where no maintenance counts: %+v", forbidden)
	}
	strict := report(&Exclusions{Maintenance: true, Announced: true}, announced, late, broken)
	if strict.ExcludedMinutes != 600 || strict.BadMinutes != 440 || strict.Corrections[2].Counts || !strings.Contains(strict.Corrections[2].Why, "before it began") {
		t.Errorf("where it must be announced: %+v", strict)
	}
	capped := report(&Exclusions{Maintenance: true, Corrections: true, MaxHoursPerMonth: 12}, late, announced)
	if capped.ExcludedMinutes != 12*60 || capped.BadMinutes != 1000-(560+120) || !strings.Contains(capped.Corrections[1].Why, "used up at 2026-03-02T04:00:00Z") {
		t.Errorf("where twelve hours count: %+v", capped)
	}
	spent := report(&Exclusions{Maintenance: true, MaxHoursPerMonth: 10}, late, announced)
	if spent.Corrections[1].Counts || spent.ExcludedMinutes != 600 {
		t.Errorf("where ten hours count: %+v", spent.Corrections)
	}
}

func TestTheDigestCoversCorrectionsAndNotNotes(t *testing.T) {
	t.Parallel()
	_, end := Month{2026, time.March}.Bounds("Europe/London")
	digest := func(corrections ...Correction) string {
		r := NewReport(acme, []Versioned{byTenant}, 7, march(10), Month{2026, time.March}, map[string]time.Time{"shop-availability": end}, end, corrections...)
		if in := ReportInputs(acme, []Versioned{byTenant}, 7, march(10), Month{2026, time.March}, map[string]time.Time{"shop-availability": end}, corrections...); in.Digest() != r.Digest {
			t.Error("the inputs handed over have another digest")
		}
		text, _ := r.Canonical()
		if strings.Contains(string(text), "cheap") {
			t.Errorf("a note stands in the report: %s", text)
		}
		return r.Digest
	}
	a, b := inMarch("a", KindMaintenance, 1, 16, 1, 0), inMarch("b", KindMaintenance, 2, 16, 1, 0)
	if digest(a, b) != digest(b, a) || digest(a) == digest() || digest(a) == digest(a, b) {
		t.Error("the digest depends on the order, or not on the corrections")
	}
	noted, revoked, far := a, b, b
	noted.Note, revoked.Revoked, far.From, far.To = "", end, end, end.Add(time.Hour)
	if digest(noted) != digest(a) || digest(a, revoked) != digest(a) || digest(a, far) != digest(a) {
		t.Error("notes, revoked ones or those of another month change the digest")
	}
}

func TestReportImputesGapsByPolicy(t *testing.T) {
	t.Parallel()
	from, end := Month{2026, time.March}.Bounds("Europe/London")
	var kept []Bucket
	for _, b := range march(0) {
		if h := b.Start.Sub(from); h < 100*time.Hour || h >= 110*time.Hour {
			kept = append(kept, b)
		}
	}
	report := func(policy string, now time.Time, corrections ...Correction) PromiseReport {
		v := byTenant
		v.SLO.Gap = policy
		closed := map[string]time.Time{"shop-availability": earlier(now, end)}
		return NewReport(acme, []Versioned{v}, 7, kept, Month{2026, time.March}, closed, now, corrections...).Promises[0]
	}
	bad := report(GapBad, end)
	if bad.Imputed != 600 || bad.Counts != (Counts{733 * 60 * 20, 743 * 60 * 20}) || bad.Gap != GapBad || bad.Measured.Displayed != "100.00" || bad.Displayed != "98.65" || bad.MissingHours != 10 {
		t.Errorf("%+v", bad)
	}
	if good := report(GapGood, end); good.Imputed != 600 || good.Counts.Errors() != 0 || good.Counts.Total != 743*60*20 {
		t.Errorf("%+v", good)
	}
	if half := report(GapBad, end, inMarch("a", KindMaintenance, 5, 4, 5, 0)); half.Imputed != 300 || half.MissingHours != 5 {
		t.Errorf("with half of the gap excluded: %d intervals, %v hours", half.Imputed, half.MissingHours)
	}
	if ignored := report("", end); ignored.Imputed != 0 || ignored.Measured != nil || ignored.Gap != "" {
		t.Errorf("%+v", ignored)
	}
}

func TestContractSaysWhichCorrectionsCount(t *testing.T) {
	t.Parallel()
	read := func(text string) (Contract, manifest.Problems) {
		docs, problems := manifest.Read(manifest.File{Name: "t.yaml", Text: "apiVersion: nines/v1\nkind: Tenant\nmetadata: {name: acme}\nspec:\n  promises: []\n" + text})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return ReadContract(docs[0])
	}
	f := func(text string, want *Exclusions, says string) {
		t.Helper()
		c, problems := read(text)
		if says != "" {
			if err := problems.Err(); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want it to say %q", text, err, says)
			}
			return
		}
		if diff := cmp.Diff(want, c.Exclusions); diff != "" || len(problems) > 0 {
			t.Errorf("%s: %v %s", text, problems, diff)
		}
	}
	f("", nil, "")
	f("  exclusions: {maxHoursPerMonth: 8, announced: true}\n", &Exclusions{Maintenance: true, Corrections: true, Announced: true, MaxHoursPerMonth: 8}, "")
	f("  exclusions: {maintenance: false}\n", &Exclusions{Corrections: true}, "")
	f("  exclusions: {corrections: false}\n", &Exclusions{Maintenance: true}, "")
	f("  exclusions: {maxHoursPerMonth: -1}\n", nil, "not in (0, 744]")
	f("  exclusions: {maintenance: false, announced: true}\n", nil, "mean nothing")
	f("  exclusions: {maxHours: 8}\n", nil, "maxHours")
}
