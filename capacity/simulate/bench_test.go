package simulate

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/trace"
)

// publicTraces are loads in the folder of $NINES_DATA. The policy's settings were chosen before most of them were looked
// at: limbo, dctraces, worldcup98 and crane/input0, 3 and 7 were watched while the predictor was written, the others only
// when it stood.
var publicTraces = []struct {
	path string
	o    trace.Options
	from string // the part before it is left out
}{
	{path: "worldcup98/requests_per_min.csv.gz", from: "1998-05-12"}, // nearly nothing before
	{path: "limbo/IBM_Transactions_trace_1week.txt", o: trace.Options{Step: 15 * time.Minute}},
	{path: "dctraces/alibaba2018_machine_usage_300s.csv", o: trace.Options{Step: 5 * time.Minute, Column: "cpu_util_percent"}},
	{path: "crane/input0.csv.gz"}, {path: "crane/input1.csv.gz"}, {path: "crane/input2.csv.gz"}, {path: "crane/input3.csv.gz"},
	{path: "crane/input4.csv.gz"}, {path: "crane/input5.csv.gz"}, {path: "crane/input6.csv.gz"}, {path: "crane/input7.csv.gz"},
	{path: "nab/realAWSCloudwatch/elb_request_count_8c0756.csv.gz"}, {path: "nab/realAWSCloudwatch/ec2_network_in_257a54.csv.gz"},
	{path: "nab/realAWSCloudwatch/rds_cpu_utilization_cc0c53.csv.gz"}, {path: "nab/realAWSCloudwatch/ec2_cpu_utilization_825cc2.csv.gz"},
}

func publicTrace(b *testing.B, path string, o trace.Options, from string) trace.Trace {
	b.Helper()
	folder := os.Getenv("NINES_DATA")
	if folder == "" {
		b.Skip("NINES_DATA does not name the folder of public traces that the frontiers are measured on")
	}
	f, err := os.Open(filepath.Join(folder, path))
	if errors.Is(err, fs.ErrNotExist) {
		b.Skipf("%s is not in the folder of NINES_DATA", path)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			b.Fatal(err)
		}
	}
	t, err := trace.Read(path, in, o)
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Time{}
	if from != "" {
		if begin, err = time.Parse(time.DateOnly, from); err != nil {
			b.Fatal(err)
		}
	}
	return t.Between(begin, time.Time{})
}

// BenchmarkFrontierAgainstHPA prints, for each trace and time of provisioning, what our policy misses at equal
// replica-hours over what the HPA's algorithm misses, at its target of 70 % (under/hpa@70) and as a geometric mean over 60
// to 80 % (under/hpa); the replica-hours at equal missing capacity (hours/hpa@70); whether the gate lets the forecast act
// by the first two thirds of the days (gate, 1 or 0), and the ratio of the last third, which it has not seen (later).
func BenchmarkFrontierAgainstHPA(b *testing.B) {
	for _, c := range publicTraces {
		name := strings.SplitN(filepath.Base(c.path), ".", 2)[0]
		for _, between := range []Between{Hold, Line} {
			for _, provisioning := range []time.Duration{90 * time.Second, 300 * time.Second} {
				b.Run(name+"/"+string(between)+"/"+provisioning.String(), func(b *testing.B) {
					t := publicTrace(b, c.path, c.o, c.from)
					if between == Line && t.Step <= time.Minute {
						b.Skip("between rows a minute apart there is nothing to choose")
					}
					var got Study
					for b.Loop() {
						got = publicStudy(b, t, between, provisioning)
					}
					reportStudy(b, got)
				})
			}
		}
	}
}

func publicStudy(b *testing.B, t trace.Trace, between Between, provisioning time.Duration) Study {
	b.Helper()
	l, err := NewLoad(t, DefaultTick, between)
	if err != nil {
		b.Fatal(err)
	}
	s := DefaultSetup(provisioning)
	s.PerReplica, s.WarmUp = s.ForPeak(l, 40), WarmUpFor(l.Length())
	got, err := Plan{Setup: s, HPA: DefaultHPA(0.7, s.Min, s.Max), Target: 0.7, Specs: []Spec{{Kind: KindHPA}, {Kind: KindPredictive}}}.Run(l)
	if err != nil {
		b.Fatal(err)
	}
	return got
}

func reportStudy(b *testing.B, s Study) {
	for _, c := range s.Judged[0].Compared {
		if c.Target != 0.7 {
			continue
		}
		report(b, c.Ratio, "under/hpa@70")
		report(b, c.HoursRatio, "hours/hpa@70")
	}
	report(b, s.Judged[0].Verdict.Ratio, "under/hpa")
	report(b, s.Judged[0].Trial.Ratio, "later")
	gate := 0.0
	if s.Judged[0].Trial.Verdict.Acts() {
		gate = 1
	}
	b.ReportMetric(gate, "gate")
	b.ReportMetric(s.Judged[0].Bounds.Coverage, "coverage")
}

func report(b *testing.B, v *float64, unit string) {
	if v != nil {
		b.ReportMetric(*v, unit)
	}
}

// BenchmarkTwoWeeks replays two weeks of one-minute rows: once with the HPA, and in a whole study with its forecasts and
// some thirty other targets. trace/time is how many times faster than it happened that is.
func BenchmarkTwoWeeks(b *testing.B) {
	l, err := NewLoad(recorded(time.Minute, wavy(14, 1, 0.05)...), DefaultTick, Hold)
	if err != nil {
		b.Fatal(err)
	}
	s := DefaultSetup(90 * time.Second)
	s.PerReplica, s.WarmUp = s.ForPeak(l, 40), WarmUpFor(l.Length())
	plan := Plan{Setup: s, HPA: DefaultHPA(0.7, s.Min, s.Max), Target: 0.7, Specs: []Spec{{Kind: KindHPA}, {Kind: KindPredictive}}}
	for name, run := range map[string]func() error{
		"replay": func() error { _, err := Replay(l, s, NewReactive(plan.HPA)); return err },
		"study":  func() error { _, err := plan.Run(l); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(l.Length().Seconds()*float64(b.N)/b.Elapsed().Seconds(), "trace/time")
		})
	}
}
