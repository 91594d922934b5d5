package backtest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestIncidentsAreReadWithOrWithoutAHeader(t *testing.T) {
	t.Parallel()
	want := []Incident{
		{Name: "database, slow", Start: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)},
		{Start: time.Unix(1793620800, 0).UTC(), End: time.Unix(1793624400, 500e6).UTC()},
	}
	body := "2026-11-01T10:00:00+01:00,2026-11-01T10:00:00Z,\"database, slow\"\n# a comment\n1793620800, 1793624400.5\n"
	for _, text := range []string{body, "start,end,name\n" + body, "\n" + body} {
		got, problems := ReadIncidents("f.csv", strings.NewReader(text))
		if diff := cmp.Diff(want, got); diff != "" || len(problems) > 0 {
			t.Errorf("%v %s", problems, diff)
		}
	}
}

func TestEveryBadIncidentIsNamedByItsLine(t *testing.T) {
	t.Parallel()
	_, problems := ReadIncidents("f.csv", strings.NewReader("start,end\nyesterday,today\n1793620800\n1793624400,1793620800\n1793620800,1793624400,ok\n"))
	want := []string{
		`f.csv:2: start: "yesterday" is not a time; write RFC 3339 such as 2026-11-01T09:00:00Z, or seconds since 1970`,
		`f.csv:2: end: "today" is not a time; write RFC 3339 such as 2026-11-01T09:00:00Z, or seconds since 1970`,
		`f.csv:3: start,end: needs at least a start and an end; write 2026-11-01T09:00:00Z,2026-11-01T10:00:00Z,name`,
		`f.csv:4: end: is not after the start; times are start,end`,
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCountsAreReadByTheirHeader(t *testing.T) {
	t.Parallel()
	got, problems := ReadRows("c.csv", strings.NewReader("tenant,errors,time,total\nacme,1,1793620860,10\nglobex,0,1793620860,7\n"))
	want := []Row{
		{At: time.Unix(1793620860, 0).UTC(), Total: 10, Errors: 1, Labels: map[string]string{"tenant": "acme"}},
		{At: time.Unix(1793620860, 0).UTC(), Total: 7, Labels: map[string]string{"tenant": "globex"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || len(problems) > 0 {
		t.Errorf("%v %s", problems, diff)
	}
	_, problems = ReadRows("c.csv", strings.NewReader("time,total\n"))
	if len(problems) != 1 || problems[0].Field != "errors" {
		t.Errorf("a header without errors: %v", problems)
	}
	_, problems = ReadRows("c.csv", strings.NewReader("1793620860,10,11\n1793620920,-1,0\n1793620980,1\n"))
	if len(problems) != 3 || problems[0].Line != 1 || problems[1].Line != 2 || problems[2].Line != 3 {
		t.Errorf("three bad rows: %v", problems)
	}
	if _, problems = ReadRows("c.csv", strings.NewReader("")); len(problems) != 1 {
		t.Errorf("nothing at all: %v", problems)
	}
}

func TestCountsNeedTheBudgetsLabels(t *testing.T) {
	t.Parallel()
	s := shop(30 * 24 * hour)
	_, err := FromRows(s, []Row{{At: begin, Total: 1}}, Options{})
	if err == nil || !strings.Contains(err.Error(), "time,total,errors,tenant") {
		t.Errorf("got %v", err)
	}
}

// FuzzReadIncidents holds the reader to incidents that end after they start, and to a line for each problem.
func FuzzReadIncidents(f *testing.F) {
	for _, seed := range []string{"start,end,name\n1,2,x\n", "2026-11-01T09:00:00Z,2026-11-01T10:00:00Z", "\"", "1,2\n\"a", "\x00,\xff", "# c\n\n,,,", "1e300,NaN\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, problems := ReadIncidents("f", strings.NewReader(text))
		for _, i := range all {
			if !i.End.After(i.Start) {
				t.Fatalf("%+v", i)
			}
		}
		for _, p := range problems {
			if p.Message == "" || !strings.HasPrefix(p.Message, "cannot be read") && p.Line == 0 {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// FuzzReadRows holds the reader to whole counts, and the replay to not falling over them.
func FuzzReadRows(f *testing.F) {
	for _, seed := range []string{"time,total,errors\n1793620860,10,1\n", "1793620860,10,1\n1793620860,10,1\n1793620800,5,0", "time,total,errors,tenant\n1,1,1,a", "1,1e400,0", "time,time,total,errors\n1,2,3,3\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, problems := ReadRows("f", strings.NewReader(text))
		if len(problems) > 0 || len(all) == 0 {
			return
		}
		for _, r := range all {
			if !(r.Errors >= 0 && r.Total >= r.Errors) {
				t.Fatalf("%+v", r)
			}
		}
		last := all[0].At
		for _, r := range all {
			if r.At.After(last) {
				last = r.At
			}
		}
		r, err := FromRows(plain(), all, Options{From: last.Add(-hour), To: last.Add(minute), Peers: true})
		if err == nil {
			r.Chart(r.Result(), 40).Text(true)
		}
	})
}
