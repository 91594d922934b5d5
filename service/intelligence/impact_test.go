package intelligence

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// outage is a world where acme's eu requests failed for the last half hour but five minutes: 200 of each 1000, and in
// the bucket where it began one that is not below the objective.
func outage() (*world, incidents.Incident) {
	w := newWorld()
	w.closed[shop.SLO.ID] = ago(10 * time.Minute)
	w.fill(shop, "acme", "us", ago(24*time.Hour), ago(10*time.Minute), 0, 500)
	w.fill(shop, "acme", "eu", ago(24*time.Hour), ago(35*time.Minute), 0, 1000)
	w.fill(shop, "acme", "eu", ago(35*time.Minute), ago(30*time.Minute), 1, 1000)
	w.fill(shop, "acme", "eu", ago(30*time.Minute), ago(10*time.Minute), 200, 1000)
	w.fill(shop, "globex", "eu", ago(24*time.Hour), ago(10*time.Minute), 50, 1000)
	live := slo.IncrementSeries{Series: slo.Series{SLO: shop.SLO.ID, Tenant: "acme", Region: "eu", Group: "{}"}}
	for m := 9; m >= 0; m-- {
		live.Points = append(live.Points, slo.Increment{At: ago(time.Duration(m) * time.Minute), Errors: map[bool]float64{true: 40}[m >= 5], Total: 200})
	}
	w.live[shop.SLO.ID] = []slo.IncrementSeries{live}
	return w, burningIncident()
}

func TestImpactCountsFromWhereTheTroubleBegan(t *testing.T) {
	t.Parallel()
	w, i := outage()
	got := must[incidents.Impact](t)(w.service().Impact(bg, operator, i))
	if !got.From.Equal(ago(35*time.Minute)) || !got.To.Equal(now) {
		t.Errorf("counted from %v to %v", got.From, got.To)
	}
	want := []incidents.Harm{
		{Tenant: "acme", Region: "eu", Errors: 1 + 4*200 + 5*40, Total: 5*1000 + 10*200},
		{Tenant: "acme", Region: "us", Errors: 0, Total: 5 * 500},
	}
	if !slices.Equal(got.Counts, want) {
		t.Errorf("counts %+v, want %+v", got.Counts, want)
	}
	if got.BadMinutes == nil || *got.BadMinutes != 25 {
		t.Errorf("bad minutes %v, want the 20 closed and 5 live ones", got.BadMinutes)
	}
	traffic := 286*500.0 + 281*1000 + 1000 + 4*1000 + 10*200
	if got.BudgetShare == nil || !near(*got.BudgetShare, 1001/(0.001*traffic)) {
		t.Errorf("budget share %v, want %v", *got.BudgetShare, 1001/(0.001*traffic))
	}
	if got.Coverage < 0.99 || got.Complete || got.Version != 3 || got.Objective != 99.9 {
		t.Errorf("%+v", got)
	}
	if len(got.Unknown) != 1 || !strings.Contains(got.Unknown[0], "only the last 24 hours of the window's 30 days") {
		t.Errorf("a young ledger is not said: %q", got.Unknown)
	}
}

func TestAnEarlierIncidentIsNotCountedAgain(t *testing.T) {
	t.Parallel()
	w, i := outage()
	// Half an hour before, within the long window but after a stretch that ended that alert.
	for n := range w.buckets {
		b := &w.buckets[n]
		if b.Tenant == "acme" && b.Region == "eu" && b.Start.Equal(ago(55*time.Minute)) {
			b.Good -= 300
		}
	}
	got := must[incidents.Impact](t)(w.service().Impact(bg, operator, i))
	if !got.From.Equal(ago(35 * time.Minute)) {
		t.Errorf("reaches back to %v", got.From)
	}
}

func TestAResolvedIncidentsImpactStandsStill(t *testing.T) {
	t.Parallel()
	w, i := outage()
	resolved := ago(12 * time.Minute) // within a bucket, which is counted as a whole
	i.State, i.ResolvedAt = incidents.Resolved, &resolved
	got := must[incidents.Impact](t)(w.service().Impact(bg, operator, i))
	if !got.To.Equal(resolved) || !got.Complete || got.Errors() != 1+4*200 || *got.BadMinutes != 20 {
		t.Errorf("%+v", got)
	}
	w.liveErr = fault.New(fault.Unavailable, "away") // the ledger has it all
	again := must[incidents.Impact](t)(w.service().Impact(bg, operator, i))
	if again.Errors() != got.Errors() || len(again.Unknown) != len(got.Unknown) {
		t.Errorf("without the engine %+v", again)
	}
}

func TestWhatImpactDoesNotKnowItSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world, *incidents.Incident)
		want   string
		known  bool
	}{
		"no promise":        {func(_ *world, i *incidents.Incident) { i.SLO = "" }, "is about no promise", false},
		"nothing seen":      {func(w *world, _ *incidents.Incident) { w.buckets, w.live = nil, nil }, "has seen anything", false},
		"engine away":       {func(w *world, _ *incidents.Incident) { w.liveErr = fault.New(fault.Unavailable, "x") }, "11:50 UTC", true},
		"SLO deleted since": {func(w *world, _ *incidents.Incident) { w.slos = nil }, "is not defined any more", true},
	} {
		w, i := outage()
		c.change(w, &i)
		got := must[incidents.Impact](t)(w.service().Impact(bg, operator, i))
		if !slices.ContainsFunc(got.Unknown, func(s string) bool { return strings.Contains(s, c.want) }) || got.Known() != c.known {
			t.Errorf("%s: known %v, unknown %q", name, got.Known(), got.Unknown)
		}
		if !c.known && (got.BudgetShare != nil || got.BadMinutes != nil) {
			t.Errorf("%s: numbers out of nothing: %+v", name, got)
		}
	}
	w, i := outage()
	w.slos = nil
	if got := must[incidents.Impact](t)(w.service().Impact(bg, operator, i)); got.BudgetShare != nil || got.BadMinutes != nil || got.Errors() == 0 {
		t.Errorf("without a definition: %+v", got)
	}
}

func TestImpactHoldsOnlyTheIncidentsTenant(t *testing.T) {
	t.Parallel()
	w, i := outage()
	for _, scope := range []bool{true, false} {
		sc := operator
		if scope {
			sc = acme
		}
		got := must[incidents.Impact](t)(w.service().Impact(bg, sc, i))
		for _, h := range got.Counts {
			if h.Tenant != "acme" {
				t.Errorf("%+v is in acme's impact", h)
			}
		}
	}
	i.Tenant, i.Labels = "", nil // an incident of the whole service, seen by one tenant
	got := must[incidents.Impact](t)(w.service().Impact(bg, acme, i))
	if len(got.Counts) != 2 || got.Counts[0].Tenant != "acme" || got.Counts[1].Tenant != "acme" {
		t.Errorf("acme sees %+v", got.Counts)
	}
	if all := must[incidents.Impact](t)(w.service().Impact(bg, operator, i)); len(all.Counts) != 3 {
		t.Errorf("the operator sees %+v", all.Counts)
	}
}
