package incidents_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"pgregory.net/rapid"
)

var startOfTrouble = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func suspectIncident() incidents.Incident {
	return incidents.Incident{Service: "checkout", StartedAt: startOfTrouble, Labels: map[string]string{"region": "eu"}}
}

func began(before time.Duration, c incidents.Candidate) incidents.Candidate {
	c.BeganAt = startOfTrouble.Add(-before)
	return c
}

func TestTheMoreSuspiciousChangeComesFirst(t *testing.T) {
	own := incidents.Candidate{Service: "checkout", Kind: "deploy"}
	with := func(mend func(*incidents.Candidate)) incidents.Candidate {
		c := own
		mend(&c)
		return c
	}
	for name, pair := range map[string][2]incidents.Candidate{
		"the closer one":                   {began(2*time.Minute, own), began(time.Hour, own)},
		"the service's own":                {began(10*time.Minute, own), began(2*time.Minute, with(func(c *incidents.Candidate) { c.Service = "search" }))},
		"of what it depends on":            {began(time.Minute, with(func(c *incidents.Candidate) { c.Service, c.DependsOn = "db", true })), began(time.Minute, with(func(c *incidents.Candidate) { c.Service = "db" }))},
		"a deploy rather than a fix":       {began(time.Minute, own), began(time.Minute, with(func(c *incidents.Candidate) { c.Kind = "fix" }))},
		"of the same region":               {began(20*time.Minute, with(func(c *incidents.Candidate) { c.Labels = map[string]string{"region": "eu"} })), began(2*time.Minute, with(func(c *incidents.Candidate) { c.Labels = map[string]string{"region": "us"} }))},
		"one that was told to have failed": {began(20*time.Minute, with(func(c *incidents.Candidate) { c.Failed = true })), began(20*time.Minute, own)},
	} {
		t.Run(name, func(t *testing.T) {
			pair[0].Number, pair[1].Number = 1, 2
			for _, order := range [][]incidents.Candidate{{pair[0], pair[1]}, {pair[1], pair[0]}} {
				if got := incidents.Suspects(suspectIncident(), order); len(got) != 2 || got[0].Number != 1 {
					t.Errorf("got %+v", got)
				}
			}
		})
	}
}

func TestASuspectSaysWhy(t *testing.T) {
	got := incidents.Suspects(suspectIncident(), []incidents.Candidate{began(2*time.Minute, incidents.Candidate{
		Service: "checkout", Kind: "deploy", Labels: map[string]string{"region": "eu"},
	})})
	want := []string{"2 min before the start", "same service", "same region eu"}
	if len(got) != 1 || !slices.Equal(got[0].Reasons, want) {
		t.Errorf("got %+v, want the reasons %q", got, want)
	}
}

func TestWhatBeganLongBeforeOrAfterTheStartIsNoSuspect(t *testing.T) {
	for _, before := range []time.Duration{incidents.SuspectWindow + time.Second, -3 * time.Minute} {
		if got := incidents.Suspects(suspectIncident(), []incidents.Candidate{began(before, incidents.Candidate{Service: "checkout"})}); len(got) > 0 {
			t.Errorf("%v before: got %+v", before, got)
		}
	}
}

func TestScoresOfSuspectsStayWithinZeroAndOneAndFall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) incidents.Candidate {
			return began(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(8*time.Hour)).Draw(t, "before")), incidents.Candidate{
				Service: rapid.SampledFrom([]string{"checkout", "all", "db"}).Draw(t, "service"),
				Kind:    rapid.SampledFrom([]string{"deploy", "fix", "rollback", "flag", "x", ""}).Draw(t, "kind"),
				Labels:  map[string]string{"region": rapid.SampledFrom([]string{"", "eu", "us"}).Draw(t, "region")},
				Failed:  rapid.Bool().Draw(t, "failed"), DependsOn: rapid.Bool().Draw(t, "depends"),
			})
		}), 0, 20).Draw(t, "candidates")
		last := 1.0
		for _, s := range incidents.Suspects(suspectIncident(), candidates) {
			if s.Score <= 0 || s.Score > last || len(s.Reasons) < 2 {
				t.Fatalf("after %v: %+v", last, s)
			}
			last = s.Score
		}
	})
}
