package intelligence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nines-sre/nines/slo"
)

// aMonth is a month of acme with an outage every five days, and of globex with none.
func aMonth() *world {
	w := newWorld()
	for _, tenant := range []string{"acme", "globex"} {
		w.fill(shop, tenant, "eu", ago(29*24*time.Hour), ago(5*time.Minute), 0, 1000)
	}
	for i := range w.buckets {
		if b := &w.buckets[i]; b.Tenant == "acme" && b.Start.YearDay()%5 == 0 && b.Start.Hour() == 3 {
			b.Good -= 120
		}
	}
	return w
}

func TestAStatusSaysWhetherTheBudgetLasts(t *testing.T) {
	t.Parallel()
	w := aMonth()
	s := w.service()
	got := must[StatusAnswer](t)(s.Statuses(bg, operator, StatusFilter{SLO: shop.SLO.ID})).Statuses
	for _, st := range got {
		if st.Prediction == nil || !st.Prediction.Enough || len(st.Prediction.Fan) != 0 {
			t.Fatalf("%s: %+v", st.Labels["tenant"], st.Prediction)
		}
	}
	if acme, globex := got[0].Prediction, got[1].Prediction; acme.Probability < 0.9 || globex.Probability != 0 {
		t.Errorf("acme's budget is gone with %v, globex' with %v", acme.Probability, globex.Probability)
	}
	down := must[slo.BurnedDown](t)(s.BurnDown(bg, operator, shop.SLO.ID, "acme", 50))
	if diff := cmp.Diff(*got[0].Prediction, down.Prediction.Brief()); diff != "" || len(down.Prediction.Fan) == 0 {
		t.Errorf("the burn-down says otherwise (-status +burn-down):\n%s", diff)
	}
	reads := w.reads
	page := must[slo.Prediction](t)(s.Prediction(bg, operator, shop.SLO.ID, "acme"))
	if diff := cmp.Diff(down.Prediction, page); diff != "" || w.reads != reads {
		t.Errorf("asked again, the ledger was read %d times more; (-first +again):\n%s", w.reads-reads, diff)
	}
	own := must[StatusAnswer](t)(s.Statuses(bg, acme, StatusFilter{}))
	if len(own.Statuses) != 1 || own.Statuses[0].Prediction == nil || own.Statuses[0].Prediction.Probability < 0.9 {
		t.Errorf("acme sees %+v", own.Statuses)
	}
}

func TestAPredictionIsMadeAnewWhenABucketCloses(t *testing.T) {
	t.Parallel()
	p := predictions{}
	key := predictionKeyOf(operator, shop, map[string]string{"tenant": "acme"})
	basis := func(closed time.Time, corrections ...slo.Correction) string {
		return basisOf(closed, shop.SLO, corrections)
	}
	made := prediction{slo.Prediction{At: now, Enough: true, Probability: 0.3}, basis(ago(5 * time.Minute))}
	p.put(key, made)
	for _, c := range []struct {
		name  string
		after time.Duration
		basis string
		kept  bool
		fresh bool
	}{
		{"at once", 0, basis(ago(5 * time.Minute)), true, true},
		{"a minute later", time.Minute, basis(ago(5 * time.Minute)), true, true},
		{"when a bucket closed", time.Minute, basis(now), true, false},
		{"when a correction is made", time.Minute, basis(ago(5*time.Minute), maintenance(ago(time.Hour), now)), true, false},
		{"when none closes for long", 6 * time.Minute, basis(ago(5 * time.Minute)), true, false},
		{"when it is stale", time.Hour, basis(ago(5 * time.Minute)), false, false},
	} {
		found, fresh := p.get(key, c.basis, now.Add(c.after))
		if found.Enough != c.kept || fresh != c.fresh {
			t.Errorf("%s: kept %v, fresh %v", c.name, found.Enough, fresh)
		}
	}
	if _, fresh := p.get(predictionKeyOf(acme, shop, map[string]string{"tenant": "acme"}), made.basis, now); fresh {
		t.Error("an asker of another scope was given it")
	}
	made.At = now.Add(2 * time.Hour)
	p.put(predictionKeyOf(operator, api, nil), made)
	if len(p.kept) != 1 {
		t.Errorf("%d predictions are kept, one of them too old to be of use", len(p.kept))
	}
}

func TestAShortWindowIsPredictedFromMoreThanItself(t *testing.T) {
	t.Parallel()
	w := aMonth()
	hours := shop
	hours.SLO.Window = slo.Window{Calendar: slo.Day}
	w.slos = []slo.Versioned{hours}
	s := w.service()
	got := must[StatusAnswer](t)(s.Statuses(bg, operator, StatusFilter{})).Statuses
	if len(got) != 2 || got[0].Prediction == nil || got[0].Prediction.Hours < 27*24 {
		t.Fatalf("%+v", got[0].Prediction)
	}
	if w.reads != 2 {
		t.Errorf("%d reads of the ledger for two budgets of one SLO, want one for the statuses and one for the longer history", w.reads)
	}
	w.slos = append(w.slos, slo.Versioned{SLO: slo.SLO{ID: "z-unseen", Objective: 99}})
	unseen := must[StatusAnswer](t)(w.service().Statuses(bg, operator, StatusFilter{SLO: "z-unseen"})).Statuses[0]
	if unseen.Prediction == nil || unseen.Prediction.Enough || !strings.Contains(unseen.Prediction.Why, "Nothing was seen") {
		t.Errorf("of what was never seen: %+v", unseen.Prediction)
	}
}

func TestManyPromisesDoNotWaitForAllTheirPredictions(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.slos = []slo.Versioned{shop}
	for n := range 60 {
		w.fill(shop, fmt.Sprintf("tenant-%02d", n), "eu", ago(10*24*time.Hour), ago(5*time.Minute), float64(n%2), 1000)
	}
	s := w.service()
	predicted := func() (n int) {
		for _, st := range must[StatusAnswer](t)(s.computeStatuses(bg, operator, "")).Statuses {
			if st.Prediction != nil {
				n++
			}
		}
		return n
	}
	before := predicted()
	if before < predictedAtLeast {
		t.Fatalf("%d predictions with the first answer, want %d at least", before, predictedAtLeast)
	}
	for range 60 {
		if before = predicted(); before == 60 {
			return
		}
	}
	t.Errorf("after many answers only %d of 60 budgets are predicted", before)
}

// What a status costs more with its prediction, first and when it is kept: fifty budgets over a month.
func BenchmarkStatusesWithPredictions(b *testing.B) {
	w := newWorld()
	w.slos = []slo.Versioned{shop}
	for n := range 50 {
		w.fill(shop, fmt.Sprintf("tenant-%d", n), "eu", ago(30*24*time.Hour), ago(5*time.Minute), 1, 1000)
	}
	s := w.service()
	took := func(of *Service) float64 {
		began := time.Now()
		if _, err := of.computeStatuses(bg, operator, ""); err != nil {
			b.Fatal(err)
		}
		return time.Since(began).Seconds()
	}
	var first, kept float64
	for b.Loop() {
		first += took(w.service())
		for range 9 { // until all are made
			took(s)
		}
		kept += took(s)
	}
	b.ReportMetric(first/kept, "first/kept")
}

func TestTheReasonOfABurnSaysWhatTheHistoryMakesOfIt(t *testing.T) {
	t.Parallel()
	w := aMonth()
	w.goLive(shop, "globex", ago(5*time.Minute), now, 20, 1000)
	for _, p := range must[Posture](t)(w.service().Posture(bg, operator)).Promises {
		if p.Labels["tenant"] == "globex" && (p.Burn <= 1 || !strings.Contains(p.Reason, "Going by its history it lasts until 2026-12-23 12:00 UTC (gone with under 1 % probability).")) {
			t.Errorf("globex: burn %v, %s", p.Burn, p.Reason)
		}
	}
	soon := slo.Prediction{Enough: true, Until: now.Add(30 * 24 * time.Hour), Probability: 0.62,
		IfGone: slo.TimeQuantiles{P10: now.Add(3 * time.Hour), P50: now.Add(9 * time.Hour), P90: now.Add(30 * time.Hour)}}
	if got, want := outlook(&soon, now), " Going by its history it is gone before 2026-12-23 12:00 UTC with 62 % probability, then most likely between 15:00 UTC and 2026-11-24 18:00 UTC."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := outlook(&slo.Prediction{}, now) + outlook(nil, now); got != "" {
		t.Errorf("without a prediction it says %q", got)
	}
}
