package alerting_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"
)

func window(t testing.TB, spec string) alerting.MaintenanceWindow {
	t.Helper()
	w, problems := alerting.ReadMaintenanceWindow(document(t, "MaintenanceWindow", "  matchers: [a=b]\n"+spec))
	if len(problems) > 0 {
		t.Fatalf("%s: %v", spec, problems)
	}
	return w
}

// moment reads a time of the transcript, such as "2026-03-29T03:00+02:00".
func moment(t testing.TB, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse("2006-01-02T15:04Z07:00", text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestAWindowIsOpenFromItsStartUntilJustBeforeItsEnd(t *testing.T) {
	t.Parallel()
	w := window(t, "  start: 2026-03-02T12:00\n  end: 2026-03-02T14:00\n")
	f := func(after time.Duration, want bool) {
		t.Helper()
		if _, _, got := w.Active(noon.Add(after)); got != want {
			t.Errorf("%s after its start: %v; want %v", after, got, want)
		}
	}
	f(-1, false)
	f(0, true)
	f(2*time.Hour-1, true)
	f(2*time.Hour, false)
	if next := w.Next(noon.Add(-1), 5); len(next) != 1 || !next[0].From.Equal(noon) || !next[0].Until.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("next is %v", next)
	}
	if next := w.Next(noon, 5); len(next) > 0 {
		t.Errorf("after its start it opens again: %v", next)
	}
}

// Expected times are from the zones' published changes of the clocks; those of Chicago are the cases of on-call
// schedules that an alert tool must get right: a skipped time is the moment after the gap, a doubled one its first.
func TestARecurringWindowKeepsItsWallClock(t *testing.T) {
	t.Parallel()
	f := func(name, start, zone, rule, after string, want ...string) {
		t.Helper()
		next := window(t, "  start: "+start+"\n  duration: 1h\n  zone: "+zone+"\n  rrule: "+rule+"\n").Next(moment(t, after), len(want))
		if len(next) != len(want) {
			t.Errorf("%s: %v; want %v", name, next, want)
			return
		}
		for n := range want {
			if got := next[n].From; !got.Equal(moment(t, want[n])) {
				t.Errorf("%s: occurrence %d opens at %s; want %s", name, n+1, got.Format(time.RFC3339), want[n])
			}
		}
	}
	f("skipped", "2020-03-06T02:30", "America/Chicago", "FREQ=DAILY", "2020-03-06T00:00Z",
		"2020-03-06T02:30-06:00", "2020-03-07T02:30-06:00", "2020-03-08T03:00-05:00", "2020-03-09T02:30-05:00")
	f("doubled", "2020-10-31T01:30", "America/Chicago", "FREQ=DAILY", "2020-10-31T00:00Z",
		"2020-10-31T01:30-05:00", "2020-11-01T01:30-05:00", "2020-11-02T01:30-06:00")
	f("Berlin's Sundays", "2026-03-22T02:00", "Europe/Berlin", "FREQ=WEEKLY;BYDAY=SU", "2026-03-01T00:00Z",
		"2026-03-22T02:00+01:00", "2026-03-29T03:00+02:00", "2026-04-05T02:00+02:00")
	f("Lord Howe's half hour", "2026-10-03T02:15", "Australia/Lord_Howe", "FREQ=DAILY", "2026-10-01T00:00Z",
		"2026-10-03T02:15+10:30", "2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00")
	f("Samoa without 30 December", "2011-12-29T10:00", "Pacific/Apia", "FREQ=WEEKLY;BYDAY=TH,SA", "2011-12-28T00:00Z",
		"2011-12-29T10:00-10:00", "2011-12-31T10:00+14:00")
	f("midnight skipped in Beirut", "2024-03-30T00:00", "Asia/Beirut", "FREQ=DAILY", "2024-03-29T00:00Z",
		"2024-03-30T00:00+02:00", "2024-03-31T01:00+03:00", "2024-04-01T00:00+03:00")
	f("patch Tuesday", "2026-01-01T18:00", "UTC", "FREQ=MONTHLY;BYDAY=2TU", "2026-01-01T00:00Z",
		"2026-01-13T18:00Z", "2026-02-10T18:00Z", "2026-03-10T18:00Z")
	f("last workday", "2026-01-01T18:00", "UTC", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-01-01T00:00Z",
		"2026-01-30T18:00Z", "2026-02-27T18:00Z", "2026-03-31T18:00Z")
	f("every month's last day", "2026-01-01T18:00", "UTC", "FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-01T00:00Z",
		"2026-01-31T18:00Z", "2026-02-28T18:00Z")
	f("the 31st", "2026-01-31T18:00", "UTC", "FREQ=MONTHLY", "2026-01-01T00:00Z",
		"2026-01-31T18:00Z", "2026-03-31T18:00Z")
	f("leap days", "2024-02-29T18:00", "UTC", "FREQ=YEARLY", "2024-01-01T00:00Z",
		"2024-02-29T18:00Z", "2028-02-29T18:00Z")
	f("Saturdays and first Mondays", "2026-03-01T18:00", "UTC", "FREQ=MONTHLY;BYDAY=SA,1MO", "2026-03-01T00:00Z",
		"2026-03-02T18:00Z", "2026-03-07T18:00Z")
	f("fortnights", "2026-01-05T18:00", "UTC", "FREQ=WEEKLY;INTERVAL=2", "2026-01-05T18:00Z",
		"2026-01-19T18:00Z", "2026-02-02T18:00Z")
}

func TestARecurringWindowEndsWithItsRule(t *testing.T) {
	t.Parallel()
	f := func(rule string, want int) {
		t.Helper()
		w := window(t, "  start: 2026-03-02T12:00\n  duration: 1h\n  zone: America/New_York\n  rrule: "+rule+"\n")
		if got := len(w.Next(noon.Add(-24*time.Hour), 1000)); got != want {
			t.Errorf("%s: opens %d times; want %d", rule, got, want)
		}
	}
	f("FREQ=DAILY;COUNT=1", 1)
	f("FREQ=DAILY;COUNT=10", 10)
	f("RRULE:FREQ=DAILY;COUNT=10", 10)
	f("FREQ=YEARLY;COUNT=50", 31) // as far as is looked ahead
	f("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=3", 3)
	f("FREQ=DAILY;UNTIL=20260304", 3)          // the whole day
	f("FREQ=DAILY;UNTIL=20260304T120000", 3)   // on the wall clock
	f("FREQ=DAILY;UNTIL=20260304T115959", 2)   // just before
	f("FREQ=DAILY;UNTIL=20260304T120000Z", 2)  // which is 07:00 there
	f("FREQ=DAILY;UNTIL=20260304T170000Z", 3)  // noon there
	f("UNTIL=20260304T165959Z;FREQ=DAILY", 2)  // wherever it stands
	f("FREQ=YEARLY;INTERVAL=4;COUNT=3", 3)     // years apart
	f("FREQ=DAILY;INTERVAL=1000;COUNT=10", 10) // further apart
}

func TestAnOccurrenceLastsItsDurationWhateverTheClocksDo(t *testing.T) {
	t.Parallel()
	w := window(t, "  start: 2026-03-28T01:00\n  duration: 30h\n  zone: Europe/Berlin\n  rrule: FREQ=WEEKLY\n")
	from, until, ok := w.Active(moment(t, "2026-03-29T06:00+02:00"))
	if !ok || !from.Equal(moment(t, "2026-03-28T01:00+01:00")) || !until.Equal(moment(t, "2026-03-29T08:00+02:00")) {
		t.Errorf("%s to %s, %v; want thirty hours from one o'clock", from, until, ok)
	}
	if _, _, ok := w.Active(until); ok {
		t.Errorf("is open at its end")
	}
}

func TestARuleThatIsNoneSaysWhy(t *testing.T) {
	t.Parallel()
	f := func(rule, want string) {
		t.Helper()
		_, err := alerting.NewRecurrence(noon, "UTC", rule, time.Hour)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Public(err).Message, want) {
			t.Errorf("%s: %v; want %q", rule, err, want)
		}
	}
	f("", "RFC 5545")
	f("weekly", "RFC 5545")
	f("BYDAY=SU", "RFC 5545")
	f("FREQ=SOMETIMES", "RFC 5545")
	f("FREQ=HOURLY", "FREQ is HOURLY")
	f("FREQ=SECONDLY;INTERVAL=1", "FREQ is SECONDLY")
	f("FREQ=DAILY;BYHOUR=3", "BYHOUR")
	f("DTSTART=20260101T000000Z;FREQ=DAILY", "DTSTART")
	f("FREQ=DAILY;INTERVAL=0", "INTERVAL")
	f("FREQ=DAILY;INTERVAL=100000", "INTERVAL")
	f("FREQ=DAILY;COUNT=1000000", "COUNT")
	f("FREQ=DAILY;COUNT=2;UNTIL=20270101", "both COUNT and UNTIL")
	f("FREQ=WEEKLY;BYDAY=2TU", "counts weekdays")
	f("FREQ=WEEKLY;BYDAY=TU,TH;BYSETPOS=1", "BYSETPOS")
	f("FREQ=MONTHLY;BYMONTHDAY=40", "RFC 5545")
	f("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never comes true")
	f("FREQ=DAILY;UNTIL=20200101", "never comes true")
	f("FREQ=MONTHLY;BYSETPOS=300;BYDAY=MO", "never comes true")
	f("FREQ=DAILY;FREQ=WEEKLY", "twice")
	f("FREQ=DAILY;"+strings.Repeat("BYMONTH=1;", 60), "500")
	if _, err := alerting.NewRecurrence(noon, "Local", "FREQ=DAILY", time.Hour); !fault.Is(err, fault.Invalid) {
		t.Errorf("the zone Local: %v; want invalid", err)
	}
}

// rules draws recurrence rules of every part that windows take, but for the ends, which have their own table.
func rules() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		freq := rapid.SampledFrom([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq")
		rule := "FREQ=" + freq
		part := func(name string, values ...string) bool {
			if rapid.IntRange(0, 2).Draw(t, name) > 0 {
				return false
			}
			picked := rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, min(3, len(values)), rapid.ID[string]).Draw(t, name)
			rule += ";" + name + "=" + strings.Join(picked, ",")
			return true
		}
		if rapid.Bool().Draw(t, "interval") {
			rule += ";INTERVAL=" + rapid.SampledFrom([]string{"1", "2", "3", "5", "13"}).Draw(t, "every")
		}
		days := []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}
		if (freq == "MONTHLY" || freq == "YEARLY") && rapid.Bool().Draw(t, "counted") {
			// Not beside plain ones: RFC 5545 takes "SA,1MO" as a list of days, the library asks that both hold.
			days = []string{"1MO", "2TU", "-1FR", "4SU", "5WE", "-2SA"}
		}
		chosen := part("BYDAY", days...)
		chosen = part("BYMONTHDAY", "1", "2", "13", "15", "28", "30", "31", "-1", "-3") || chosen
		part("BYMONTH", "1", "2", "3", "6", "10", "12")
		if chosen && (freq == "MONTHLY" || freq == "YEARLY") {
			part("BYSETPOS", "1", "2", "-1", "3")
		}
		if rapid.Bool().Draw(t, "wkst") {
			rule += ";WKST=" + rapid.SampledFrom([]string{"MO", "SU", "WE"}).Draw(t, "week start")
		}
		return rule
	})
}

func TestAWindowOpensWhenTheRecurrenceLibrarySaysSo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rule := rules().Draw(t, "rule")
		start := noon.AddDate(0, 0, rapid.IntRange(0, 1000).Draw(t, "start"))
		option, err := rrule.StrToROption(rule)
		if err != nil {
			t.Fatalf("%s: %v", rule, err)
		}
		option.Dtstart, option.Until = start, start.AddDate(6, 0, 0)
		library, err := rrule.NewRRule(*option)
		if err != nil {
			t.Fatalf("%s: %v", rule, err)
		}
		want := library.All()
		r, err := alerting.NewRecurrence(start, "UTC", rule, time.Hour)
		if err != nil {
			if len(want) > 0 {
				t.Fatalf("%s from %s: %v; want %s", rule, start, err, want[0])
			}
			return
		}
		w := alerting.MaintenanceWindow{Start: start, Recurrence: r}
		got := w.Next(start.Add(-time.Second), len(want))
		if len(got) != len(want) {
			t.Fatalf("%s from %s: %d occurrences; want %d", rule, start, len(got), len(want))
		}
		for n := range want {
			if !got[n].From.Equal(want[n]) {
				t.Fatalf("%s from %s: occurrence %d at %s; want %s", rule, start, n, got[n].From, want[n])
			}
			if from, _, ok := w.Active(want[n].Add(30 * time.Minute)); !ok || !from.Equal(want[n]) {
				t.Fatalf("%s from %s: not open half an hour after %s", rule, start, want[n])
			}
		}
	})
}

func TestAWindowIsOpenExactlyDuringItsOccurrences(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zones := []string{"UTC", "Europe/Berlin", "America/Chicago", "Australia/Lord_Howe", "Asia/Kathmandu"}
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		start := noon.Add(time.Duration(rapid.IntRange(0, 400*24*4).Draw(t, "start")) * 15 * time.Minute)
		length := time.Duration(rapid.IntRange(1, 100).Draw(t, "length")) * 30 * time.Minute
		r, err := alerting.NewRecurrence(start, zone, rules().Draw(t, "rule"), length)
		if err != nil {
			return
		}
		w := alerting.MaintenanceWindow{Start: start, Recurrence: r}
		now := start.Add(time.Duration(rapid.IntRange(-1000, 100_000).Draw(t, "now")) * 15 * time.Minute)
		want := false
		for _, span := range w.Next(now.Add(-length-time.Second), 200) {
			want = want || !span.From.After(now) && span.Until.After(now)
		}
		if _, _, got := w.Active(now); got != want {
			t.Errorf("%s in %s from %s for %s at %s: open %v; want %v", r.Rule, zone, start, length, now, got, want)
		}
	})
}

func FuzzNewRecurrence(f *testing.F) {
	for _, seed := range []string{
		"FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU,MO;WKST=SU", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=9", "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1",
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;UNTIL=20400101T000000Z", "UNTIL=;FREQ=DAILY",
	} {
		f.Add(seed, int64(0), int64(3600))
	}
	f.Fuzz(func(t *testing.T, rule string, offset, seconds int64) {
		start := noon.Add(time.Duration(offset%1_000_000) * time.Minute)
		length := time.Duration(max(1, min(seconds, 31*86400))) * time.Second
		r, err := alerting.NewRecurrence(start, "Europe/Berlin", rule, length)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v; want invalid", rule, err)
			}
			return
		}
		w := alerting.MaintenanceWindow{Start: start, Recurrence: r}
		last := start.Add(-time.Second)
		for _, span := range w.Next(last, 5) {
			if !span.From.After(last) {
				t.Errorf("%q: opens at %s after %s", rule, span.From, last)
			}
			if _, _, ok := w.Active(span.Until.Add(-1)); !ok {
				t.Errorf("%q: is not open just before %s", rule, span.Until)
			}
			last = span.From
		}
	})
}
