package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/service/httpapi"
)

// diskCSV is a disk that fills by a day's course on top of a steady growth.
func diskCSV(hours int) string {
	var b strings.Builder
	b.WriteString("timestamp,bytes\n")
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range hours {
		fmt.Fprintf(&b, "%s,%.0f\n", begin.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), 1000+5*float64(i)+20*math.Sin(float64(i)*math.Pi/12))
	}
	return b.String()
}

func TestAFileIsForecastWithoutAServer(t *testing.T) {
	dir := folder(t, map[string]string{"disk.csv": diskCSV(480)})
	svg := filepath.Join(dir, "out.svg")
	words := []string{"capacity", "forecast", filepath.Join(dir, "disk.csv"), "--step", "1h", "--horizon", "7d", "--limit", "3700", "--tiers", "1000,3600,9000", "--svg", svg, "--explain"}
	code, out, errOut := nines(t, append(words, "--json")...)
	if code != exitOK {
		t.Fatalf("exits with %d: %s", code, errOut)
	}
	var got httpapi.ForecastAnswer
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Series[0]
	full := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(540 * time.Hour)
	if len(s.Points) != 168 || s.Season != "1d" || s.Reached == nil || s.Reached.Mean == nil || s.Reached.Mean.Sub(full).Abs() > 24*time.Hour {
		t.Errorf("%d points, season %s, full %+v, want about %v", len(s.Points), s.Season, s.Reached, full)
	}
	if s.Tier == nil || s.Tier.Limit != 3600 || len(s.Models) < 10 || s.Past.Forecasts == 0 {
		t.Errorf("the next tier %+v; %d models, %+v", s.Tier, len(s.Models), s.Past)
	}
	drawing, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(strings.NewReader(string(drawing)))
	for err == nil {
		_, err = decoder.Token()
	}
	if err != io.EOF || !strings.Contains(string(drawing), `class="fan"`) || !strings.Contains(string(drawing), ">3700<") {
		t.Errorf("the drawing: %v\n%.300s", err, drawing)
	}
	code, out, _ = nines(t, append(words, "--ascii")...)
	for _, want := range []string{"season 1d", " now ", "LOWER 90 %", "3700 is reached 2026-11-2", "The next tier: 3600", "MODEL", "of what repeating the last cycle would have been", "Drawn to"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exits with %d, and does not say %q:\n%s", code, want, out)
		}
	}
	for _, line := range strings.Split(out, "\n") {
		if strings.ContainsRune(line, '|') && utf8.RuneCountInString(line) > 100 {
			t.Errorf("the chart has a line of %d columns", utf8.RuneCountInString(line))
		}
	}
}

func TestAForecastSaysWhatIsWrongWithWhatItIsTold(t *testing.T) {
	t.Setenv("NINES_TOKEN", "x")
	dir := folder(t, map[string]string{"disk.csv": diskCSV(480), "short.csv": diskCSV(10), "broken.csv": "timestamp,value\n2026-11-01T00:00:00Z,12\nsoon,13\n"})
	disk := filepath.Join(dir, "disk.csv")
	for want, words := range map[string][]string{
		"broken.csv:3":          {filepath.Join(dir, "broken.csv")},
		"too little history":    {filepath.Join(dir, "short.csv"), "--step", "1h"},
		"--horizon soon":        {disk, "--horizon", "soon"},
		"--zone Mars":           {disk, "--zone", "Mars"},
		"--limit many":          {disk, "--limit", "many"},
		"--cap x":               {disk, "--cap", "x"},
		"--tiers y":             {disk, "--step", "1h", "--tiers", "1,y"},
		"write NAME=FROM/TO":    {disk, "--event", "sale"},
		"must be above the flo": {disk, "--step", "1h", "--floor", "9", "--cap", "1"},
	} {
		code, out, errOut := nines(t, append([]string{"capacity", "forecast"}, words...)...)
		if code == exitOK || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("%v exits with %d, says %s, want %q", words, code, errOut, want)
		}
	}
}

func TestAnomaliesOfAFile(t *testing.T) {
	text := diskCSV(480)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	at, _, _ := strings.Cut(lines[470], ",")
	lines[470] = at + ",9000"
	dir := folder(t, map[string]string{"disk.csv": strings.Join(lines, "\n")})
	words := []string{"capacity", "anomalies", filepath.Join(dir, "disk.csv"), "--step", "1h", "--horizon", "6h", "--window", "2d"}
	code, out, errOut := nines(t, words...)
	if code != exitOK || !strings.Contains(out, "9000") || !strings.Contains(out, "48 values") || strings.Contains(out, "None lay") {
		t.Errorf("exits with %d: %s\n%s", code, errOut, out)
	}
	if code, _, errOut := nines(t, append(words[:len(words)-1], "never")...); code == exitOK || !strings.Contains(errOut, "--window never") {
		t.Errorf("exits with %d: %s", code, errOut)
	}
}
