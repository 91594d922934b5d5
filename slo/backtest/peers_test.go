package backtest

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/slo"
)

// TestPeersPageWhenMeasured holds the replay to what was measured of Sloth's and Pyrra's real rules: 100 requests a
// second scraped every 30 seconds, 99.9 % over 30 days, minutes from an incident's start to the alert, mean of six phases.
func TestPeersPageWhenMeasured(t *testing.T) {
	t.Parallel()
	s := plain()
	for _, c := range []struct {
		name         string
		ratio        float64
		length       time.Duration
		severity     string
		sloth, pyrra float64 // minutes
	}{
		{"100% for 10 min", 1, 10 * minute, severityPage, 1.37, 3.23},
		{"10% for 60 min", 0.10, hour, severityPage, 9.2, 11.2},
		{"2% for 3 h", 0.02, 3 * hour, severityPage, 43.4, 46.7},
		{"1% for 8 h", 0.01, 8 * hour, severityPage, 215.5, 285.7},
	} {
		for _, p := range []struct {
			rules peerRules
			want  float64
		}{{slothRules(s, 30*time.Second), c.sloth}, {pyrraRules(s), c.pyrra}} {
			got := 0.0
			for phase := range 6 {
				alerts := incidentAt(p.rules, c.ratio, c.length, time.Duration(phase)*5*time.Second)
				first := merged(alerts, c.severity)[0]
				got += first.Fired.Sub(begin).Minutes() / 6
			}
			if math.Abs(got-p.want) > 0.75+p.want*0.005 { // a scrape, an evaluation by half, and the noise of the measured traffic
				t.Errorf("%s, %s: measured after %.2f min, replayed after %.2f", c.name, p.rules.name, p.want, got)
			}
		}
	}
}

// TestPeersResetWhenMeasured: minutes from the end of a full outage of ten minutes.
func TestPeersResetWhenMeasured(t *testing.T) {
	t.Parallel()
	s := plain()
	for _, c := range []struct {
		rules peerRules
		tier  string
		want  float64
	}{
		{slothRules(s, 30*time.Second), "page", 30}, {slothRules(s, 30*time.Second), "ticket", 360},
		{pyrraRules(s), "critical-fast", 4.9}, {pyrraRules(s), "critical-slow", 31.7}, {pyrraRules(s), "warning-fast", 128.7}, {pyrraRules(s), "warning-slow", 385.7},
	} {
		for _, a := range incidentAt(c.rules, 1, 10*minute, 10*time.Second) {
			if got := a.Reset.Sub(begin.Add(10 * minute)).Minutes(); a.Tier == c.tier && math.Abs(got-c.want) > 0.75 {
				t.Errorf("%s %s: measured a reset after %.1f min, replayed after %.1f", c.rules.name, c.tier, c.want, got)
			}
		}
	}
}

func plain() slo.SLO {
	return slo.SLO{ID: "a-b", Service: "a", Name: "b", Objective: 99.9, SLI: slo.SLI{TotalQuery: "total", ErrorQuery: "errors"}}.Defaulted()
}

// incidentAt replays an incident that begins at begin after four and a half healthy days.
func incidentAt(p peerRules, ratio float64, length, phase time.Duration) []Alert {
	total, failed := Series{Labels: map[string]string{"__name__": "total"}}, Series{Labels: map[string]string{"__name__": "errors"}}
	n, e := 0.0, 0.0
	from := begin.Add(-110 * hour)
	for at := from.Add(phase); at.Before(begin.Add(length + 8*hour)); at = at.Add(30 * time.Second) {
		total.At, total.Values = append(total.At, at.UnixMilli()), append(total.Values, n)
		failed.At, failed.Values = append(failed.At, at.UnixMilli()), append(failed.Values, e)
		next := at.Add(30 * time.Second)
		n += 3000
		e += 3000 * ratio * overlap(at, next, begin, begin.Add(length)).Seconds() / 30
	}
	sh, _ := shapeOf(plain())
	d := &peerData{shape: sh, counters: []*counter{newCounter(total), newCounter(failed)}}
	return p.replay(d, map[string]string{}, begin.Add(-hour), begin.Add(length+8*hour))
}

func overlap(a, b, from, to time.Time) time.Duration {
	if from.After(a) {
		a = from
	}
	if to.Before(b) {
		b = to
	}
	return max(b.Sub(a), 0)
}

func TestPeersAreShownOnlyForWhatTheyCanRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sli  slo.SLI
		why  string // "" where they are shown
	}{
		{"plain counters", slo.SLI{TotalQuery: `t{job="a"}`, ErrorQuery: `t{job="a",code="500"}`}, ""},
		{"good events", slo.SLI{TotalQuery: `t{job="a"}`, GoodQuery: `t{job="a",code="200"}`}, ""},
		{"Sloth's form", slo.SLI{TotalQuery: `sum(rate(t[{{.window}}]))`, ErrorQuery: `(sum(rate(e[{{ .window }}])) + sum(increase(f[{{.window}}]))) or vector(0)`}, ""},
		{"a raw ratio of sums", slo.SLI{RatioQuery: `sum(rate(e[{{.window}}])) / sum(rate(t[{{.window}}]))`}, ""},
		{"a classic histogram", slo.SLI{Histogram: "h", Selector: `{job="a"}`, Threshold: time.Second}, ""},
		{"a native histogram", slo.SLI{Histogram: "h", Native: true, Threshold: time.Second}, "rates of counters"},
		{"a gauge", slo.SLI{Gauge: "up"}, "rates of counters"},
		{"a maximum", slo.SLI{TotalQuery: `max(rate(t[{{.window}}]))`, ErrorQuery: `sum(rate(e[{{.window}}]))`}, "only sum"},
		{"a fixed range", slo.SLI{TotalQuery: `sum(rate(t[5m]))`, ErrorQuery: `sum(rate(e[{{.window}}]))`}, "{{.window}}"},
		{"an offset", slo.SLI{TotalQuery: `sum(rate(t[{{.window}}] offset 5m))`, ErrorQuery: `sum(rate(e[{{.window}}]))`}, "another time"},
		{"a subquery", slo.SLI{TotalQuery: `sum(rate(t[{{.window}}:]))`, ErrorQuery: `sum(rate(e[{{.window}}]))`}, "{{.window}}"},
	} {
		s := plain()
		s.SLI = c.sli
		shape, why := shapeOf(s)
		if (shape != nil) != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: shown %v, because %q", c.name, shape != nil, why)
		}
	}
}

func TestANarrowerSelectorIsNotFetchedAgain(t *testing.T) {
	t.Parallel()
	s := plain()
	s.SLI = slo.SLI{TotalQuery: `t{job="a"}`, ErrorQuery: `t{job="a",code=~"5.."}`}
	shape, _ := shapeOf(s)
	if got := shape.toFetch(); len(got) != 1 || got[0] != `t{job="a"}` {
		t.Errorf("fetches %v", got)
	}
	s.SLI.ErrorQuery = `t{job="b"}`
	shape, _ = shapeOf(s)
	if got := shape.toFetch(); len(got) != 2 {
		t.Errorf("fetches %v", got)
	}
}

func TestABucketsBoundHasBothSpellings(t *testing.T) {
	t.Parallel()
	for threshold, want := range map[time.Duration]map[string]bool{
		250 * time.Millisecond: {"0.25": true, "0.2": false, "0x25": false},
		5 * time.Second:        {"5": true, "5.0": true, "50": false},
	} {
		s := plain()
		s.SLI = slo.SLI{Histogram: "h", Threshold: threshold}
		shape, why := shapeOf(s)
		if shape == nil {
			t.Fatal(why)
		}
		bucket := shape.selectors[1].LabelMatchers // of the errors: all less the bucket
		for le, matched := range want {
			if got := matches(map[string]string{"__name__": "h_bucket", "le": le}, bucket); got != matched {
				t.Errorf("%v: le=%q matches: %v", threshold, le, got)
			}
		}
	}
}
