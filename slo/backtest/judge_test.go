package backtest

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/slo"
)

// rows is a history of one budget, a row a minute.
func rows(length time.Duration, perMinute float64, ratio func(at time.Duration) float64) []Row {
	var out []Row
	for at := minute; at <= length; at += minute {
		if r := ratio(at); r >= 0 {
			out = append(out, Row{At: begin.Add(at), Total: perMinute, Errors: math.Round(perMinute * r)})
		}
	}
	return out
}

func during(from, to time.Duration, bad float64) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		if at > from && at <= to {
			return bad
		}
		return 0.0002
	}
}

func replay(t *testing.T, all []Row, o Options) *Replay {
	t.Helper()
	r, err := FromRows(plain(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAPageIsJudgedByTheIncidentsThatAreKnown(t *testing.T) {
	t.Parallel()
	all := rows(48*hour, 10_000, func(at time.Duration) float64 {
		return math.Max(during(10*hour, 11*hour, 0.10)(at), during(30*hour, 31*hour, 0.10)(at))
	})
	known := []Incident{
		{Name: "found", Start: begin.Add(10 * hour), End: begin.Add(11 * hour)},
		{Name: "missed", Start: begin.Add(20 * hour), End: begin.Add(21 * hour)},
		{Name: "before", Start: begin.Add(-5 * hour), End: begin.Add(-4 * hour)},
	}
	result := replay(t, all, Options{Incidents: known, Known: true, Slack: DefaultSlack}).Result()
	got := result.Rules[0]
	if len(got.Pages) != 2 || len(result.Incidents) != 2 {
		t.Fatalf("want two pages and two incidents, got %v, %v", got.Pages, result.Incidents)
	}
	nine, three := 9.0*60, 3.0*60
	want := &Score{Pages: 2, True: 1, Incidents: 2, Detected: 1, Precision: 0.5, Recall: 0.5, FalsePages: 15,
		DelayMedian: &nine, DelayWorst: &nine, ResetMedian: &three, Missed: []string{"missed"}}
	if diff := cmp.Diff(want, got.Score); diff != "" {
		t.Error(diff)
	}
	// 9 minutes of 1000 errors, by a budget of 10 errors a minute over 30 days.
	if first := got.Pages[0]; first.Incident != "found" || math.Abs(first.Spent-9000/(10.0*60*24*30)) > 1e-9 {
		t.Errorf("spent %v of the budget at detection of %q", first.Spent, first.Incident)
	}
	if got.Pages[1].Incident != "" || got.Pages[1].Delay != nil {
		t.Errorf("the second page belongs to nothing: %+v", got.Pages[1])
	}
	if !strings.Contains(strings.Join(result.Notes, "\n"), "1 of the 3 incidents lie outside") {
		t.Errorf("notes: %v", result.Notes)
	}
}

func TestWithoutIncidentsNothingIsCalledRightOrWrong(t *testing.T) {
	t.Parallel()
	result := replay(t, rows(24*hour, 10_000, during(10*hour, 11*hour, 0.10)), Options{}).Result()
	if got := result.Rules[0]; got.Score != nil || len(got.Pages) != 1 || got.Pages[0].Delay != nil || got.PagesPerMonth != 30 {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(strings.Join(result.Notes, "\n"), "precision, recall and delays are left out") {
		t.Errorf("notes: %v", result.Notes)
	}
}

func TestAPageBelongsToAnIncidentUpToItsSlack(t *testing.T) {
	t.Parallel()
	i := Incident{Start: begin, End: begin.Add(hour)}
	for _, c := range []struct {
		name         string
		fired, reset time.Duration
		want         bool
	}{
		{"within", 10 * minute, 20 * minute, true},
		{"within the slack", hour + 15*minute, 2 * hour, true},
		{"after the slack", hour + 15*minute + 1, 2 * hour, false},
		{"over just before", -hour, -1, false},
		{"over at the start", -hour, 0, true},
		{"still on from before", -hour, math.MinInt64, true},
	} {
		a := Alert{Fired: begin.Add(c.fired), Reset: begin.Add(c.reset)}
		if c.reset == math.MinInt64 {
			a.Reset = time.Time{}
		}
		if got := i.overlaps(a, 15*minute); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestGapsAreShownAsGaps(t *testing.T) {
	t.Parallel()
	r := replay(t, rows(24*hour, 1000, func(at time.Duration) float64 {
		if at > 6*hour && at <= 12*hour {
			return -1
		}
		return 0
	}), Options{})
	result := r.Result()
	if math.Abs(result.Coverage-0.75) > 1e-9 || result.Groups[0].Total != 18*60*1000 {
		t.Errorf("coverage %v, total %v", result.Coverage, result.Groups[0].Total)
	}
	burn := r.Chart(result, 24).Burn
	for i, b := range burn {
		if gap := i >= 6 && i < 12; math.IsNaN(b) != gap {
			t.Errorf("hour %d: burn %v", i, b)
		}
	}
}

func TestAlertsOfASeverityMergeByGroup(t *testing.T) {
	t.Parallel()
	alert := func(tier, tenant string, from, to time.Duration) Alert {
		a := Alert{Tier: tier, Severity: severityPage, Labels: map[string]string{"tenant": tenant}, Fired: begin.Add(from)}
		if to > 0 {
			a.Reset = begin.Add(to)
		}
		return a
	}
	got := merged([]Alert{
		alert("slow", "a", 2*minute, 20*minute), alert("fast", "a", minute, 10*minute), alert("fast", "b", 5*minute, 6*minute),
		alert("fast", "a", 30*minute, 0), alert("slow", "a", 40*minute, 50*minute),
		{Tier: "t", Severity: severityTicket, Fired: begin},
	}, severityPage)
	want := []Alert{alert("fast", "a", minute, 20*minute), alert("fast", "b", 5*minute, 6*minute), alert("fast", "a", 30*minute, 0)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTuningFindsSoonerPagesAndKeepsTheRate(t *testing.T) {
	t.Parallel()
	known := []Incident{{Start: begin.Add(100 * hour), End: begin.Add(104 * hour)}, {Start: begin.Add(200 * hour), End: begin.Add(203 * hour)}}
	all := rows(10*24*hour, 10_000, func(at time.Duration) float64 {
		return math.Max(during(100*hour, 104*hour, 0.009)(at), during(200*hour, 203*hour, 0.02)(at))
	})
	r := replay(t, all, Options{Incidents: known, Known: true, Slack: DefaultSlack})
	got, err := r.Tune(t.Context(), 0.1)
	if err != nil || len(got.Proposals) == 0 {
		t.Fatalf("%v: %+v", err, got)
	}
	best := got.Proposals[0]
	if best.Score.Recall != 1 || *best.Score.DelayMedian >= *got.Current.Score.DelayMedian || best.Score.FalsePages > 0.1 || best.Resampled > 0.1 {
		t.Errorf("now %+v, best %+v", got.Current.Score, best)
	}
	for _, p := range got.Proposals {
		if p.Tiers[1].Factor <= p.Tiers[2].Factor || p.Tiers[0].Factor <= p.Tiers[1].Factor {
			t.Errorf("a page of a slower burn than a ticket's: %s", p.YAML)
		}
		if p.Upper < 3 {
			t.Errorf("ten days exclude no fewer than 9 false pages in 30, but %v is claimed", p.Upper)
		}
	}
	if notes := strings.Join(got.Notes, "\n"); !strings.Contains(notes, "2 incidents") || !strings.Contains(notes, "can't exclude") {
		t.Errorf("notes: %s", notes)
	}
}

func TestTuningKeepsANoisyServiceFromPaging(t *testing.T) {
	t.Parallel()
	// Bursts of a few bad minutes, of which nobody said that they were incidents.
	all := rows(10*24*hour, 300, func(at time.Duration) float64 {
		if at%(7*hour) < 4*minute {
			return 0.5
		}
		return 0
	})
	r := replay(t, all, Options{Known: true})
	got, err := r.Tune(t.Context(), 0.1)
	if err != nil {
		t.Fatal(err)
	}
	if got.Current.Score.FalsePages < 1 || got.Current.Resampled < 1 {
		t.Fatalf("the usual tiers must page here: %+v", got.Current)
	}
	for _, p := range got.Proposals {
		if p.Score.FalsePages > 0.1 || p.Resampled > 0.1 {
			t.Errorf("proposes %v false pages: %s", p.Score.FalsePages, p.YAML)
		}
	}
}

func TestTuningNeedsToKnowTheIncidents(t *testing.T) {
	t.Parallel()
	r := replay(t, rows(24*hour, 100, during(0, 0, 0)), Options{})
	if _, err := r.Tune(t.Context(), 0.1); err == nil || !strings.Contains(err.Error(), "--incidents") {
		t.Errorf("got %v", err)
	}
}

func TestProposalsReadBackAsDefinitions(t *testing.T) {
	t.Parallel()
	for guard, want := range map[float64]string{1: "guard: off", 3e-5: "guard: 3e-05"} {
		text := alertingYAML([]slo.Tier{{Name: "page-fast", Severity: "page", Factor: 14.4, Long: hour, Short: 5 * minute}}, guard)
		if !strings.Contains(text, "  - {name: page-fast, severity: page, factor: 14.4, long: 1h, short: 5m}\n") || !strings.Contains(text, want) {
			t.Errorf("got\n%s", text)
		}
	}
}

// TestLittleTrafficPagesFalselyAsMeasured: a healthy service at half its budget and one request in a hundred seconds.
// Sloth's rules were measured to page 15.3 times in 30 days, Pyrra's 16.8, and a Poisson guard hardly ever.
func TestLittleTrafficPagesFalselyAsMeasured(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var all []Row
	for at := 30 * time.Second; at <= 90*24*hour; at += 30 * time.Second {
		row := Row{At: begin.Add(at)}
		for random.Float64() < 0.26 { // about 0.3 requests in 30 seconds, geometric instead of Poisson
			row.Total++
			if random.Float64() < 0.0005 {
				row.Errors++
			}
		}
		if row.Total > 0 || at%minute == 0 {
			all = append(all, row)
		}
	}
	result := replay(t, all, Options{Known: true, Peers: true}).Result()
	for i, want := range []struct{ least, most float64 }{{0, 0.4}, {8, 25}, {8, 28}} {
		if got := result.Rules[i].Score.FalsePages; got < want.least || got > want.most {
			t.Errorf("%s pages falsely %.1f times in 30 days, want %v to %v", result.Rules[i].Name, got, want.least, want.most)
		}
	}
}
