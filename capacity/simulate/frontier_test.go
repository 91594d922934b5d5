package simulate

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// offers makes a frontier of pairs: replica-hours a day, θU in %.
func offers(pairs ...float64) Frontier {
	var out Frontier
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Offer{Target: 0.3 + 0.05*float64(i/2), Score: Score{Days: 5, ReplicaHoursPD: pairs[i], Under: pairs[i+1]}})
	}
	return out
}

func TestTheEnvelopeLeavesOutWhatIsBeaten(t *testing.T) {
	t.Parallel()
	f := offers(400, 0.1, 300, 1, 350, 2, 200, 10, 250, 1, 500, 0.1, 600, 0)
	want := offers(200, 10, 250, 1, 400, 0.1, 600, 0)
	got := f.Envelope()
	if len(got) != len(want) {
		t.Fatalf("the envelope is %v", got)
	}
	for i := range got {
		if got[i].ReplicaHoursPD != want[i].ReplicaHoursPD || got[i].Under != want[i].Under {
			t.Errorf("offer %d is %v at %v", i, got[i].Under, got[i].ReplicaHoursPD)
		}
	}
	for name, c := range map[string]struct {
		hours, want float64
		ok          bool
	}{
		"an offer":                     {250, 1, true},
		"half way, on a log scale":     {325, math.Sqrt(0.1), true},
		"half way to nothing":          {500, 0.05, true},
		"more than the dearest":        {900, 0, true},
		"less than the cheapest needs": {199, 0, false},
	} {
		if got, ok := f.UnderAt(c.hours); ok != c.ok || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v (%v), want %v (%v)", name, got, ok, c.want, c.ok)
		}
	}
	for name, c := range map[string]struct {
		under, want float64
		ok          bool
	}{
		"an offer":                  {1, 250, true},
		"half way, on a log scale":  {math.Sqrt(0.1), 325, true},
		"more than the cheapest":    {50, 200, true},
		"nothing":                   {0, 600, true},
		"less than there is on any": {-1, 0, false},
	} {
		if got, ok := f.HoursAt(c.under); ok != c.ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v (%v), want %v (%v)", name, got, ok, c.want, c.ok)
		}
	}
	if _, ok := (Frontier{}).UnderAt(100); ok {
		t.Error("a frontier without offers offers something")
	}
}

func TestAFrontierComparedWithItselfIsEven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var pairs []float64
		for range rapid.IntRange(1, 12).Draw(t, "offers") {
			pairs = append(pairs, rapid.Float64Range(1, 1000).Draw(t, "hours"), rapid.Float64Range(0.001, 30).Draw(t, "under"))
		}
		f := offers(pairs...)
		for _, c := range Compare(f, f) {
			if c.Ratio == nil || math.Abs(*c.Ratio-1) > 1e-9 || c.HoursRatio == nil || math.Abs(*c.HoursRatio-1) > 1e-9 {
				t.Fatalf("at %v hours: %+v", c.ReplicaHours, c)
			}
		}
	})
}

func TestTheComparisonIsThatWorkedByHand(t *testing.T) {
	t.Parallel()
	hpa := offers(400, 0.25, 300, 1, 200, 4, 100, 0)
	if got := Compare(offers(400, 0.25, 300, 1, 200, 4), offers(400, 0.25, 250, 1, 220, 4)); *got[1].Ratio != math.Pow(4, -1./3) || *got[1].HoursRatio != 250./300 || got[2].Ratio != nil {
		t.Errorf("at 300 hours %v and %v, at 200 hours %v", *got[1].Ratio, *got[1].HoursRatio, got[2].Ratio)
	}
	if got := Compare(hpa, offers(100, 1)); got[3].Ratio != nil || got[3].Ours == nil {
		t.Errorf("a ratio to nothing missing is %v", got[3].Ratio)
	}
}
