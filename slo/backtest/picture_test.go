package backtest

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func pictured(t *testing.T, name string) (*Replay, Result) {
	t.Helper()
	known := []Incident{{Name: name, Start: begin.Add(10 * hour), End: begin.Add(11 * hour)}}
	r := replay(t, rows(48*hour, 10_000, during(10*hour, 11*hour, 0.5)), Options{Incidents: known, Known: true, Peers: true})
	return r, r.Result()
}

func TestTheDrawingIsXMLThatSaysWhatItShows(t *testing.T) {
	t.Parallel()
	r, result := pictured(t, `<script>"&`)
	text := r.Chart(result, SVGColumns).SVG()
	d := xml.NewDecoder(strings.NewReader(text))
	seen := map[string]int{}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			seen[e.Name.Local]++
		}
	}
	if seen["title"] < 5 || seen["desc"] != 1 || seen["script"] != 0 || seen["path"] < 4 {
		t.Errorf("elements: %v", seen)
	}
	for _, want := range []string{`role="img"`, "500 times the allowed rate", "prefers-color-scheme", `class="sloth"`, `class="pyrra"`, "nines paged (page-fast)"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q", want)
		}
	}
}

func TestTheTerminalPlotFitsItsWidth(t *testing.T) {
	t.Parallel()
	r, result := pictured(t, "x")
	for _, wide := range []int{40, 80, 120, 500} {
		for _, ascii := range []bool{false, true} {
			text := r.Chart(result, TerminalColumns(wide, ascii)).Text(ascii)
			for i, line := range strings.Split(text, "\n") {
				if n := utf8.RuneCountInString(line); i > 0 && n > wide {
					t.Errorf("%d columns, ascii %v: a line of %d: %s", wide, ascii, n, line)
				}
			}
			if ascii && strings.ContainsFunc(text, func(c rune) bool { return c > 126 }) {
				t.Errorf("plain characters only, got\n%s", text)
			}
			if !strings.Contains(text, "incidents") || !strings.Contains(text, "pyrra") {
				t.Errorf("lanes are missing:\n%s", text)
			}
		}
	}
}

func TestTheCurveStandsWhereTheBurnRateIs(t *testing.T) {
	t.Parallel()
	c := Chart{From: begin, To: begin.Add(4 * hour), Window: hour, Burn: []float64{0.01, 1, 10, 100}, Zone: time.UTC}
	lines := strings.Split(c.Text(true), "\n")
	for column, label := range map[int]string{1: "1x", 2: "10x", 3: "100x"} {
		for _, l := range lines {
			if strings.HasPrefix(strings.TrimSpace(l), label+" ") && (len(l) <= gutter+column || l[gutter+column] != '*') {
				t.Errorf("%s: no dot in column %d of %q", label, column, l)
			}
		}
	}
}
