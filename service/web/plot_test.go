package web

import (
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// series makes a point a minute from noon; NaN is a gap.
func series(values ...float64) []plotPoint {
	points := make([]plotPoint, len(values))
	for i, v := range values {
		points[i] = plotPoint{At: noon.Add(time.Duration(i+1) * time.Minute), Step: time.Minute, Value: v}
	}
	return points
}

func drawn(points []plotPoint) plot {
	return plot{Name: "p", Title: "T & <T>", From: noon, To: noon.Add(10 * time.Minute), Points: points, Format: axisPercent, Nothing: "Nothing was seen."}
}

// wellFormed parses SVG as the XML that it also is.
func wellFormed(svg string) error {
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestGapsAreGaps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		points      []plotPoint
		lines, dots int
	}{
		"unbroken":                 {series(1, 2, 3), 1, 0},
		"not a number":             {series(1, 2, math.NaN(), 3, 4), 2, 0},
		"infinite":                 {series(1, 2, math.Inf(1), 3, 4), 2, 0},
		"a single point":           {series(1), 0, 1},
		"single points among gaps": {series(1, math.NaN(), 2, math.NaN(), 3), 0, 3},
		"a step left out":          {append(series(1, 2), plotPoint{noon.Add(5 * time.Minute), time.Minute, 3}, plotPoint{noon.Add(6 * time.Minute), time.Minute, 4}), 2, 0},
		"empty":                    {nil, 0, 0},
		"nothing but gaps":         {series(math.NaN(), math.NaN()), 0, 0},
	} {
		svg := string(drawn(c.points).Wide())
		if lines, dots := strings.Count(svg, `class="line"`), strings.Count(svg, `class="dot"`); lines != c.lines || dots != c.dots {
			t.Errorf("%s: %d lines and %d dots, want %d and %d", name, lines, dots, c.lines, c.dots)
		}
		if empty := c.lines+c.dots == 0; strings.Contains(svg, "Nothing was seen.</text>") != empty {
			t.Errorf("%s: says that nothing was seen: %v", name, !empty)
		}
		if err := wellFormed(svg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlotSaysWhatItShows(t *testing.T) {
	t.Parallel()
	svg := string(drawn(series(0.5, 0.25, math.NaN(), 0.75)).Wide())
	want := "Last 75 % at 23 Nov 12:04; lowest 25 % at 23 Nov 12:02, highest 75 % at 23 Nov 12:04 (UTC). 1 gap without data."
	if !strings.Contains(plain(svg), want) {
		t.Errorf("the description is missing in %s", svg)
	}
	if !strings.Contains(svg, "<title id=\"p-w-t\">T &amp; &lt;T&gt;</title>") || !strings.Contains(svg, `aria-labelledby="p-w-t p-w-d"`) {
		t.Error("the picture has no name")
	}
}

func TestMarksNeverFlattenTheCurve(t *testing.T) {
	t.Parallel()
	p := drawn(series(0.1, 0.3, 0.2))
	p.Marks = []mark{{Value: 14.4, Label: "far"}, {Value: 0.35, Label: "near"}}
	svg := string(p.Wide())
	if strings.Contains(svg, ">far<") || !strings.Contains(svg, ">near<") {
		t.Error("a far mark is drawn, or a near one is not")
	}
}

func TestTimeTicksStandOnWholeUTC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from  time.Time
		span  time.Duration
		first string
		n     int
	}{
		{noon.Add(7 * time.Second), time.Hour, "12:10", 6},
		{noon, 24 * time.Hour, "12:00", 9},
		{noon.Add(-30 * 24 * time.Hour), 30 * 24 * time.Hour, "26 Oct", 5},
		{noon, 10 * time.Second, "12:00:00", 3},
		{noon, 0, "", 0},
		{noon, 366 * 24 * time.Hour, "1 Feb", 4},
	} {
		ticks := timeTicks(c.from, c.from.Add(c.span), 9)
		first := ""
		if len(ticks) > 0 {
			first = plain(ticks[0].Label)
		}
		if len(ticks) != c.n || first != c.first {
			t.Errorf("%v from %v: %d ticks, the first %q; want %d and %q", c.span, c.from, len(ticks), first, c.n, c.first)
		}
	}
}

func TestPlotsOfAnythingStayInside(t *testing.T) {
	t.Parallel()
	number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1e-300, 1e300}))
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(series(rapid.SliceOfN(number, 0, 30).Draw(t, "values")...))
		p.Bars = rapid.Bool().Draw(t, "bars")
		p.To = p.From.Add(time.Duration(rapid.Int64Range(-1000, int64(400*24*time.Hour)).Draw(t, "span")))
		for _, svg := range []string{string(p.Wide()), string(p.Narrow()), string(spark("x", "calm", p.Points, p.From, p.To))} {
			if err := wellFormed(svg); err != nil {
				t.Fatalf("%v in %s", err, svg)
			}
			if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Fatalf("a number that is none in %s", svg)
			}
		}
	})
}

func TestScaleEndsOnRoundNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ low, high, from, to float64 }{{0, 1, 0, 1}, {0, 14.2, 0, 15}, {-0.154, 1, -0.5, 1}, {0, 0, 0, 1}, {0, 0.0015, 0, 0.0015}, {4, 4, 4, 4.4}} {
		if s := newScale(c.low, c.high, 4); math.Abs(s.Low-c.from) > 1e-9 || math.Abs(s.High-c.to) > 1e-9 {
			t.Errorf("%v to %v is drawn from %v to %v, want %v to %v", c.low, c.high, s.Low, s.High, c.from, c.to)
		}
	}
}

func TestStepsAreTheUsualDistance(t *testing.T) {
	t.Parallel()
	points := []Point{{At: noon}, {At: noon.Add(time.Minute)}, {At: noon.Add(2 * time.Minute)}, {At: noon.Add(9 * time.Minute)}}
	if got := withSteps(points)[3].Step; got != time.Minute {
		t.Errorf("the step is taken to be %v", got)
	}
	if points[0].Step != 0 {
		t.Error("the points of the caller were changed")
	}
}
