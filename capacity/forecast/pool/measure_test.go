package pool

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// folder is where public series to measure on lie; without it measurements are skipped.
func folder(t testing.TB) string {
	dir := os.Getenv("NINES_DATA")
	if dir == "" {
		t.Skip("NINES_DATA names no folder with public series (m4, crane, ...); nothing is measured")
	}
	return dir
}

// m4 is one series of the competition: what was to be known, and what then came.
type m4 struct {
	name         string
	known, truth []float64
}

func m4Hourly(t testing.TB) []m4 {
	dir := filepath.Join(folder(t), "m4")
	train, test := rowsOf(t, filepath.Join(dir, "Hourly-train.csv.gz")), rowsOf(t, filepath.Join(dir, "Hourly-test.csv"))
	if len(train) != 415 || len(test) != 415 {
		t.Fatalf("%d and %d rows, want 414 and a head each", len(train), len(test))
	}
	var all []m4
	for i, row := range train[1:] {
		if row[0] != test[i+1][0] {
			t.Fatalf("row %d is of %s and of %s", i+1, row[0], test[i+1][0])
		}
		all = append(all, m4{row[0], numbers(t, row[1:]), numbers(t, test[i+1][1:])})
	}
	return all
}

func rowsOf(t testing.TB, path string) [][]string {
	file, err := os.Open(path)
	if err != nil {
		t.Skipf("no such series: %v", err)
	}
	defer file.Close()
	var from io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if from, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	reader := csv.NewReader(from)
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rows
}

func numbers(t testing.TB, cells []string) []float64 {
	var out []float64
	for _, c := range cells {
		if c == "" {
			continue
		}
		x, err := strconv.ParseFloat(c, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// score gathers the competition's measures; means over series.
type score struct{ smape, mase, msis, held, n float64 }

// Naive2's scores on hourly series, which OWA is relative to.
const naive2SMAPE, naive2MASE = 18.383, 2.395

func (s *score) add(m m4, path []float64, interval func(h int) (lower, upper float64)) {
	scale := 0.0
	for i := 24; i < len(m.known); i++ {
		scale += math.Abs(m.known[i]-m.known[i-24]) / float64(len(m.known)-24)
	}
	var smape, mae, width, held float64
	for h, y := range m.truth {
		smape += 200 * math.Abs(y-path[h]) / (math.Abs(y) + math.Abs(path[h]))
		mae += math.Abs(y - path[h])
		if interval == nil {
			continue
		}
		lower, upper := interval(h)
		width += upper - lower + 40*max(lower-y, 0) + 40*max(y-upper, 0) // 2/0.05 for each unit outside
		if y >= lower && y <= upper {
			held++
		}
	}
	n := float64(len(m.truth))
	s.smape, s.mase, s.n = s.smape+smape/n, s.mase+mae/n/scale, s.n+1
	s.msis, s.held = s.msis+width/n/scale, s.held+held/n
}

func (s score) means() score {
	return score{s.smape / s.n, s.mase / s.n, s.msis / s.n, s.held / s.n, s.n}
}
func (s score) owa() float64 { return (s.smape/naive2SMAPE + s.mase/naive2MASE) / 2 }
func (s score) String() string {
	return fmt.Sprintf("sMAPE %.3f  MASE %.3f  OWA %.3f  MSIS %.2f  within 95 %%: %.1f %%", s.smape, s.mase, s.owa(), s.msis, 100*s.held)
}

// What is measured is only worth something if the measure is the competition's: the published scores of its own methods
// come out first.
func TestTheHarnessReproducesPublishedScores(t *testing.T) {
	all := m4Hourly(t)
	for name, c := range map[string]struct {
		method      func([]float64, int) []float64
		smape, mase float64
	}{
		"Naive2": {naive2, 18.383, 2.395},
		"seasonal naive": {func(y []float64, ahead int) []float64 {
			return naive{24}.paths(Series{Values: y}, []int{len(y)}, ahead)[0]
		}, 13.912, 1.193},
		"Theta": {theta2, 18.138, 2.455},
	} {
		var s score
		for _, m := range all {
			s.add(m, c.method(m.known, len(m.truth)), nil)
		}
		got := s.means()
		t.Logf("%s: sMAPE %.3f, MASE %.3f", name, got.smape, got.mase)
		if math.Abs(got.smape-c.smape) > 0.002 || math.Abs(got.mase-c.mase) > 0.002 {
			t.Errorf("%s: sMAPE %.3f and MASE %.3f, published %.3f and %.3f", name, got.smape, got.mase, c.smape, c.mase)
		}
	}
}

// The competition's hourly series: how well, how sure, how fast.
func BenchmarkM4Hourly(b *testing.B) {
	all := m4Hourly(b)
	for b.Loop() {
		var s score
		carried := map[string]float64{}
		took := time.Duration(0)
		for _, m := range all {
			began := time.Now()
			series := Series{Values: m.known}
			r, err := Make(series, Options{Ahead: len(m.truth), Seasons: Seasons(series, []int{24, 168}), Cycles: []int{24, 168}, Floor: 0, Cap: math.Inf(1)})
			if err != nil {
				b.Fatal(err)
			}
			took += time.Since(began)
			s.add(m, r.Mean, func(h int) (float64, float64) { return r.Interval(h, 0.95) })
			for _, share := range r.Shares {
				carried[share.Model] += share.Weight / float64(len(all))
			}
		}
		got := s.means()
		b.Logf("M4 hourly, %d series: %s", len(all), got)
		b.Logf("carried by %s", heaviest(carried))
		b.ReportMetric(got.owa(), "OWA")
		b.ReportMetric(got.msis, "MSIS")
		b.ReportMetric(100*got.held, "%within95")
		b.ReportMetric(float64(len(all))/took.Seconds(), "series/s")
	}
}

func heaviest(carried map[string]float64) string {
	var names []string
	for name := range carried {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(1e6 * (carried[b] - carried[a])) })
	var out []string
	for _, name := range names {
		out = append(out, fmt.Sprintf("%s %.1f %%", name, 100*carried[name]))
	}
	return strings.Join(out, ", ")
}

// Five-minute series of real systems: forecasts an hour and a day ahead, made at six times over each, against repeating
// the day before.
func BenchmarkInfrastructure(b *testing.B) {
	all := fiveMinutes(b)
	for _, c := range []struct {
		name  string
		ahead int
	}{{"an hour", 12}, {"a day", 288}} {
		b.Run(strings.ReplaceAll(c.name, " ", "_"), func(b *testing.B) {
			for b.Loop() {
				var each []string
				logs, held, count, made, took := 0.0, 0.0, 0.0, 0, time.Duration(0)
				for _, s := range all {
					own, peer := 0.0, 0.0
					for _, origin := range later(len(s.values), c.ahead) {
						known := Series{Values: s.values[max(0, origin-14*288):origin]}
						began := time.Now()
						r, err := Make(known, Options{Ahead: c.ahead, Seasons: Seasons(known, []int{288, 2016}), Cycles: []int{288, 2016}, Floor: 0, Cap: math.Inf(1)})
						if err != nil {
							b.Fatalf("%s: %v", s.name, err)
						}
						took, made = took+time.Since(began), made+1
						for h := range c.ahead {
							y := s.values[origin+h]
							own += math.Abs(y - r.Mean[h])
							peer += math.Abs(y - s.values[origin+h-288])
							lower, upper := r.Interval(h, 0.9)
							count++
							if y >= lower && y <= upper {
								held++
							}
						}
					}
					each = append(each, fmt.Sprintf("%s %.2f", strings.TrimSuffix(s.name, ".csv.gz"), own/peer))
					logs += math.Log(own/peer) / float64(len(all))
				}
				b.Logf("%d five-minute series, %s ahead: %.3f of the daily seasonal naive's error; within 90 %%: %.1f %%", len(all), c.name, math.Exp(logs), 100*held/count)
				b.Log(strings.Join(each, ", "))
				perForecast := took.Seconds() / float64(made)
				b.Logf("10,000 workloads every hour take %.3f of one core", 10_000*perForecast/3600)
				b.ReportMetric(math.Exp(logs), "MAE/naive")
				b.ReportMetric(100*held/count, "%within90")
				b.ReportMetric(float64(made)/took.Seconds(), "series/s")
			}
		})
	}
}

// later are the times at which a series is forecast: six, spread over what lies after eight days, or half of a shorter series.
func later(n, ahead int) []int {
	var out []int
	first, last := min(8*288, n/2), n-ahead
	for k := range 6 {
		if at := first + k*(last-first)/5; last > first {
			out = append(out, at)
		}
	}
	return out
}

type named struct {
	name   string
	values []float64
}

// fiveMinutes reads the series of real systems that span more than a week.
func fiveMinutes(t testing.TB) []named {
	dir := folder(t)
	var all []named
	add := func(name string, values []float64) {
		if len(values) > 7*288 {
			all = append(all, named{name, values})
		}
	}
	crane, _ := filepath.Glob(filepath.Join(dir, "crane", "*.csv.gz"))
	cloud, _ := filepath.Glob(filepath.Join(dir, "nab", "realAWSCloudwatch", "*.csv.gz"))
	for _, path := range crane {
		add(filepath.Base(path), averaged(column(t, path, 1), 5))
	}
	for _, path := range cloud {
		add(filepath.Base(path), column(t, path, 1))
	}
	add("worldcup98", averaged(column(t, filepath.Join(dir, "worldcup98", "requests_per_min.csv.gz"), 1), 5))
	for i, name := range []string{"alibaba cpu", "alibaba memory", "alibaba net in", "alibaba net out", "alibaba disk"} {
		add(name, column(t, filepath.Join(dir, "dctraces", "alibaba2018_machine_usage_300s.csv"), i))
	}
	if len(all) == 0 {
		t.Skip("no five-minute series there")
	}
	return all
}

func column(t testing.TB, path string, at int) []float64 {
	var cells []string
	for _, row := range rowsOf(t, path)[1:] {
		cells = append(cells, row[at])
	}
	return numbers(t, cells)
}

func averaged(values []float64, by int) []float64 {
	var out []float64
	for i := 0; i+by <= len(values); i += by {
		sum := 0.0
		for _, y := range values[i : i+by] {
			sum += y / float64(by)
		}
		out = append(out, sum)
	}
	return out
}
