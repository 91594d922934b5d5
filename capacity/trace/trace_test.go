package trace

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
)

var nine = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

// at makes points so many minutes after nine: minute, value, minute, value.
func at(pairs ...float64) []forecast.Point {
	var out []forecast.Point
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, forecast.Point{At: nine.Add(time.Duration(pairs[i] * float64(time.Minute))), Value: pairs[i+1]})
	}
	return out
}

func TestTheSameTraceIsReadHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	want := at(0, 1, 1, 2.5, 2, 3)
	for name, text := range map[string]string{
		"unix seconds":        "1793523600,1\n1793523660,2.5\n1793523720,3\n",
		"seconds, fraction":   "1793523600.0,1\n1793523660.0,2.5\n1793523720.0,3\n",
		"milliseconds":        "1793523600000,1\n1793523660000,2.5\n1793523720000,3\n",
		"microseconds":        "1793523600000000,1\n1793523660000000,2.5\n1793523720000000,3\n",
		"nanoseconds":         "1793523600000000000,1\n1793523660000000000,2.5\n1793523720000000000,3\n",
		"RFC 3339":            "2026-11-01T09:00:00Z,1\n2026-11-01T10:01:00+01:00,2.5\n2026-11-01T09:02:00Z,3\n",
		"date and time":       "2026-11-01 09:00:00,1\n2026-11-01 09:01:00,2.5\n2026-11-01 09:02:00,3\n",
		"minutes":             "2026-11-01 09:00,1\n2026-11-01 09:01,2.5\n2026-11-01 09:02,3\n",
		"a header":            "timestamp,value\n1793523600,1\n1793523660,2.5\n1793523720,3\n",
		"value first":         "load;time\n1;1793523600\n2.5;1793523660\n3;1793523720\n",
		"semicolons":          "ts;value\n1793523600;1\n1793523660;2.5\n1793523720;3\n",
		"a closing semicolon": "1793523600,1;\n1793523660,2.5;\n1793523720,3;\n",
		"quotes and spaces":   "\"ts\", \"value\"\r\n\"2026-11-01 09:00:00\", 1\r\n\r\n# noted\r\n\"2026-11-01 09:01:00\", \"2.5\"\r\n1793523720, 3",
		"a byte order mark":   "\ufeffts,value\n1793523600,1\n1793523660,2.5\n1793523720,3\n",
		"exponents":           "1.7935236e9,1\n1793523660,25e-1\n1793523720,3\n",
	} {
		got, err := Read("load.csv", strings.NewReader(text), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got.Points); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got.Step != time.Minute || len(got.Gaps) != 0 || len(got.Notes()) != 0 || got.Length() != 3*time.Minute {
			t.Errorf("%s: step %s, gaps %v, notes %q", name, got.Step, got.Gaps, got.Notes())
		}
	}
}

func TestAFileWithoutTimesIsReadByItsStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		column string
		want   []forecast.Point
	}{
		"values alone":   {"10\n20\n30\n", "", at(0, 10, 15, 20, 30, 30)},
		"counted rows":   {"0.5,10.0;\n1.5,20.0;\n2.5,30.0;\n", "", at(0, 10, 15, 20, 30, 30)},
		"a named column": {"cpu,mem\n10,1\n20,1\n30,1\n", "cpu", at(0, 10, 15, 20, 30, 30)},
		"by number":      {"10,1,7\n20,1,7\n30,1,7\n", "1", at(0, 10, 15, 20, 30, 30)},
		"one is missing": {"10\nNaN\n30\n", "", at(0, 10, 30, 30)},
	} {
		got, err := Read("load.csv", strings.NewReader(c.text), Options{Step: 15 * time.Minute, Start: nine, Column: c.column})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(c.want, got.Points); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTimesWithoutAZoneAreOfTheZoneAskedFor(t *testing.T) {
	t.Parallel()
	athens, err := time.LoadLocation("Europe/Athens")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read("load.csv", strings.NewReader("2026-11-01 11:00:00,1\n2026-11-01T09:01:00Z,2\n"), Options{Zone: athens})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(at(0, 1, 1, 2), got.Points); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsMissingIsToldAndNothingTakesItsPlace(t *testing.T) {
	t.Parallel()
	text := "ts,value\n1793523660,2\n1793523600,1\n1793523720,\n1793523780,4\n1793523780,5\n1793523840,6\n1793523900,7\n1793524500,8\n1793524560,NaN\n1793524620,9\n1793524680,10\n"
	got, err := Read("load.csv", strings.NewReader(text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := Trace{
		Points: at(0, 1, 1, 2, 3, 5, 4, 6, 5, 7, 15, 8, 17, 9, 18, 10), Step: time.Minute, Missing: 2, Repeated: 1, Unordered: true,
		Gaps: []Gap{{nine.Add(time.Minute), nine.Add(3 * time.Minute)}, {nine.Add(5 * time.Minute), nine.Add(15 * time.Minute)}, {nine.Add(15 * time.Minute), nine.Add(17 * time.Minute)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Unseen() != 11*time.Minute || got.Length() != 19*time.Minute {
		t.Errorf("%s of %s unseen", got.Unseen(), got.Length())
	}
	notes := strings.Join(got.Notes(), "\n")
	for _, want := range []string{"put in order", "1 rows had the time of a later row", "2 rows have no value", "3 gaps, 11m of 19m without a value: 9m after 2026-11-01T09:05:00Z"} {
		if !strings.Contains(notes, want) {
			t.Errorf("lacks %q: %s", want, notes)
		}
	}
}

func TestEveryLineThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		o    Options
		want []string
	}{
		"nothing":            {"", Options{}, []string{"load.csv: holds no values"}},
		"a header alone":     {"ts,value\n", Options{}, []string{"load.csv: holds no values"}},
		"two bad lines":      {"ts,value\nsoon,1\n1793523600,many\n", Options{}, []string{`load.csv:2: timestamp: "soon" is not a time`, `load.csv:3: value: "many" is not a number`}},
		"a decimal comma":    {"ts;value\n1793523600;1,5\n", Options{}, []string{`load.csv:2: value: "1,5" is not a number; write digits with a point`}},
		"an infinite value":  {"1793523600,+Inf\n", Options{}, []string{`"+Inf" is not a number`}},
		"too many cells":     {"1793523600,1\n1793523600,1,2\n", Options{}, []string{"load.csv:2: has 3 columns where the first row has 2"}},
		"which column":       {"ts,cpu,mem\n1793523600,1,2\n", Options{}, []string{"load.csv:1: has 3 columns; say which is the value: cpu, mem"}},
		"no such column":     {"ts,cpu,mem\n1793523600,1,2\n", Options{Column: "disk"}, []string{`load.csv:1: has no column "disk" for the value; there are cpu, mem`}},
		"the column of time": {"ts,cpu\n1793523600,1\n", Options{Column: "ts"}, []string{`has no column "ts" for the value; there are cpu`}},
		"no times":           {"1\n2\n", Options{}, []string{"load.csv:1: has one column; write timestamp,value"}},
		"before 1970":        {"-5,1\n", Options{}, []string{`"-5" is not a time`}},
		"a line of no end":   {"1793523600," + strings.Repeat("1", 70_000), Options{}, []string{"load.csv:1: is longer than 65536 bytes"}},
	} {
		_, err := Read("load.csv", strings.NewReader(c.text), c.o)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: lacks %q: %v", name, want, err)
			}
		}
	}
	if _, err := Read("load.csv", strings.NewReader(strings.Repeat("x,y,1\n", 100)), Options{}); strings.Count(err.Error(), "load.csv:") > mostTold {
		t.Errorf("more than %d problems are told", mostTold)
	}
}

func FuzzReadHoldsOrderedFiniteValues(f *testing.F) {
	for _, seed := range []string{"timestamp,value\n1793523600,1\n1793523660,NaN\n", "2026-11-01 09:00:00;1;\n", "0.5,306.0;\n1.5,369.0;\n", "a,b,c\n1,2,3\n", "\ufeff\"ts\",\"v\"\n\"\",\n", "9e18,1\n,\n1e11,2"} {
		f.Add(seed, "", int64(0))
		f.Add(seed, "2", int64(time.Minute))
	}
	f.Fuzz(func(t *testing.T, text, column string, step int64) {
		got, err := Read("f", strings.NewReader(text), Options{Column: column, Step: time.Duration(max(step, 0)) % (24 * time.Hour)})
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("trouble is not called invalid: %v", err)
			}
			return
		}
		for i, p := range got.Points {
			if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || i > 0 && !got.Points[i-1].At.Before(p.At) {
				t.Fatalf("point %d is %+v", i, p)
			}
		}
		if got.Unseen() < 0 || got.Unseen() > got.Length() {
			t.Fatalf("%s of %s unseen", got.Unseen(), got.Length())
		}
		got.Notes()
	})
}

// TestPublicTraces reads what is in the folder of $NINES_DATA.
func TestPublicTraces(t *testing.T) {
	folder := os.Getenv("NINES_DATA")
	if folder == "" {
		t.Skip("NINES_DATA does not name a folder of traces")
	}
	for name, c := range map[string]struct {
		o    Options
		rows int
		step time.Duration
	}{
		"limbo/IBM_Transactions_trace_1week.txt":      {Options{Step: 15 * time.Minute}, 672, 15 * time.Minute},
		"dctraces/alibaba2018_machine_usage_300s.csv": {Options{Step: 5 * time.Minute, Column: "cpu_util_percent"}, 2243, 5 * time.Minute},
	} {
		f, err := os.Open(folder + "/" + name)
		if err != nil {
			t.Skip(name + " is not in NINES_DATA")
		}
		got, err := Read(name, f, c.o)
		f.Close()
		if err != nil || len(got.Points) != c.rows || got.Step != c.step {
			t.Errorf("%s: %d points %s apart, %v", name, len(got.Points), got.Step, err)
		}
	}
}

func TestAPartOfATraceHasItsOwnGaps(t *testing.T) {
	t.Parallel()
	whole := newTrace(at(0, 1, 1, 2, 2, 3, 7, 4, 8, 5, 9, 6), 4)
	part := whole.Between(nine.Add(7*time.Minute), nine.Add(9*time.Minute))
	if diff := cmp.Diff(Trace{Points: at(7, 4, 8, 5), Step: time.Minute, Missing: 4}, part); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(whole, whole.Between(time.Time{}, time.Time{})); diff != "" {
		t.Errorf("without bounds something is lost: %s", diff)
	}
}
