package simulate

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// pictured is a study of two frontiers and two points.
func pictured() Study {
	target := 0.7
	return Study{
		Outcomes: []Outcome{
			{Policy: "hpa", Target: &target, Score: Score{ReplicaHoursPD: 300, Under: 1}},
			{Policy: "predictive", Target: &target, Score: Score{ReplicaHoursPD: 280, Under: 0.2}},
			{Policy: "fixed:12", Score: Score{ReplicaHoursPD: 288, Under: 12}}, {Policy: "oracle", Score: Score{ReplicaHoursPD: 150}},
		},
		Frontiers: map[string]Frontier{
			"hpa":        {{0.5, Score{ReplicaHoursPD: 400}}, {0.6, Score{ReplicaHoursPD: 350}}, {0.7, Score{ReplicaHoursPD: 300, Under: 1}}, {0.8, Score{ReplicaHoursPD: 250, Under: 10}}},
			"predictive": {{0.7, Score{ReplicaHoursPD: 280, Under: 0.2}}, {0.8, Score{ReplicaHoursPD: 240, Under: 3}}},
		},
	}
}

func TestThePictureHasAxesALegendAndWords(t *testing.T) {
	t.Parallel()
	svg := pictured().Chart("load <1>, provisioning 90s").SVG()
	for _, want := range []string{
		"<title id=\"fr-t\">load &lt;1&gt;, provisioning 90s</title>", "hpa, by target", "predictive, by target", ">fixed:12<", ">oracle<",
		">replica-hours a day<", "capacity missing", ">100 %<", ">0.1 %<", ">≤0.001 %<", ">300<", "hpa 70 %: 1 % missing, 300 replica-hours a day",
		"hpa: 1 % missing with 300 replica-hours a day at a target of 70 %", "oracle: 0 % missing with 150",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if strings.Contains(svg, "50 %") {
		t.Error("a dearer way to miss nothing is drawn")
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("is not XML: %v", err)
		}
	}
}

func TestTheTerminalHasTheSamePicture(t *testing.T) {
	t.Parallel()
	for _, ascii := range []bool{false, true} {
		text := pictured().Chart("load").Text(80, ascii)
		signs := "□ hpa   ● predictive   ◆ fixed:12   ▲ oracle"
		if ascii {
			signs = "h hpa   p predictive   f fixed:12   o oracle"
		}
		for _, want := range []string{"load\n", "100 % ", "≤0.001 % ", " 200 ", " 300 ", signs} {
			if !strings.Contains(text, want) {
				t.Errorf("lacks %q:\n%s", want, text)
			}
		}
		for _, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > 90 || strings.HasPrefix(line, "          ") && n > 80 {
				t.Errorf("a line of %d columns: %s", n, line)
			}
		}
	}
}

func TestEveryPointLiesInThePicture(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Chart{}
		for range rapid.IntRange(1, 4).Draw(t, "series") {
			s := Series{Name: "hpa", Class: "hpa"}
			for range rapid.IntRange(1, 6).Draw(t, "points") {
				s.Points = append(s.Points, ChartPoint{Hours: rapid.Float64Range(0, 1e6).Draw(t, "hours"), Under: rapid.Float64Range(0, 100).Draw(t, "under")})
			}
			c.Series = append(c.Series, s)
		}
		a := c.axes()
		for _, s := range c.Series {
			for _, p := range s.Points {
				if x, y := a.across(p.Hours), a.up(p.Under); !(x >= 0 && x <= 1 && y >= 0 && y <= 1) {
					t.Fatalf("%+v lies at %v, %v", p, x, y)
				}
			}
		}
		if len(a.hours(10)) < 2 {
			t.Fatalf("%v labels on the axis from %v to %v", len(a.hours(10)), a.least, a.most)
		}
		c.Text(rapid.IntRange(0, 200).Draw(t, "columns"), false)
		c.SVG()
	})
}
