package oncall

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// written is shifts in short: "ana Mon 05 09:00 - Mon 12 09:00" and where they come from.
func written(shifts []Shift) string {
	var lines []string
	for _, s := range shifts {
		lines = append(lines, fmt.Sprintf("%s %s - %s %s", s.Person, s.From.Format("Mon 02 15:04"), s.To.Format("Mon 02 15:04"),
			strings.TrimSpace(s.Layer+s.Override+s.Temporary)))
	}
	return strings.Join(lines, "\n")
}

func same(t *testing.T, what string, got []Shift, want ...string) {
	t.Helper()
	if text := written(got); text != strings.Join(want, "\n") {
		t.Errorf("%s: got\n%s\nwant\n%s", what, text, strings.Join(want, "\n"))
	}
}

func restricted(t *testing.T, l Layer, texts ...string) Layer {
	t.Helper()
	for _, text := range texts {
		parts, err := ParseRestriction(text)
		if err != nil {
			t.Fatal(err)
		}
		l.Restrictions = append(l.Restrictions, parts...)
	}
	return l
}

// january is a week that begins on Monday, 5 January 2026.
func january(t *testing.T) (from, to time.Time) {
	from = instant(t, "2026-01-05T00:00:00Z")
	return from, from.AddDate(0, 0, 7)
}

func TestRestrictionsSayWhenALayerCounts(t *testing.T) {
	from, to := january(t)
	for _, c := range []struct {
		text string
		want []string
	}{
		{"Mon-Fri 20:00-08:00", []string{"ana Mon 05 20:00 - Tue 06 08:00 all", "ana Tue 06 20:00 - Wed 07 08:00 all",
			"ana Wed 07 20:00 - Thu 08 08:00 all", "ana Thu 08 20:00 - Fri 09 08:00 all", "ana Fri 09 20:00 - Sat 10 08:00 all"}},
		{"Mon-Fri 08:00-08:00", []string{"ana Mon 05 08:00 - Sat 10 08:00 all"}},
		{"Mon-Fri", []string{"ana Mon 05 00:00 - Sat 10 00:00 all"}},
		{"Sat,Sun 00:00-24:00", []string{"ana Sat 10 00:00 - Mon 12 00:00 all"}},
		{"Sun-Mon 22:00-02:00", []string{"ana Mon 05 00:00 - Mon 05 02:00 all", "ana Mon 05 22:00 - Tue 06 02:00 all", "ana Sun 11 22:00 - Mon 12 00:00 all"}},
		{"Fri 17:00 to Mon 08:00", []string{"ana Mon 05 00:00 - Mon 05 08:00 all", "ana Fri 09 17:00 - Mon 12 00:00 all"}},
		{"00:00-24:00", []string{"ana Mon 05 00:00 - Mon 12 00:00 all"}},
	} {
		s := Schedule{Layers: []Layer{restricted(t, rotation(Weekly, 1, from, time.UTC, "ana"), c.text)}}
		same(t, c.text, s.Shifts(Overlay{}, from, to), c.want...)
	}
}

func TestNightsAreAsLongAsTheClockMakesThem(t *testing.T) {
	chicago := zoneOf(t, "America/Chicago")
	s := Schedule{Zone: chicago, Layers: []Layer{restricted(t, rotation(Weekly, 1, local(t, chicago, "2026-01-05 09:00"), chicago, "ana"), "20:00-08:00")}}
	for night, hours := range map[string]float64{"2026-03-07 20:00": 11, "2026-10-31 20:00": 13, "2026-06-01 20:00": 12} {
		from := local(t, chicago, night)
		got := s.Shifts(Overlay{}, from.Add(-time.Hour), from.Add(14*time.Hour))
		if len(got) != 1 || got[0].To.Sub(got[0].From).Hours() != hours || got[0].To.Format("15:04") != "08:00" {
			t.Errorf("the night of %s is %s, want %g hours until 08:00", night, written(got), hours)
		}
	}
}

func TestWorkdaysSkipNobody(t *testing.T) {
	from, _ := january(t)
	people := []string{"ana", "bo", "cy", "dan", "eva", "fay", "gil"}
	l := restricted(t, rotation(Daily, 1, from, time.UTC, people...), "Mon-Fri 08:00-18:00")
	if skipped := (Schedule{Layers: []Layer{l}}).Skipped(from); strings.Join(skipped, " ") != "fay gil" {
		t.Errorf("by the calendar, %v are skipped", skipped)
	}
	l.Worked = true
	s := Schedule{Layers: []Layer{l}}
	if skipped := s.Skipped(from); len(skipped) > 0 {
		t.Errorf("by days worked, %v are skipped", skipped)
	}
	for i := range 60 {
		at := from.AddDate(0, 0, i/5*7+i%5).Add(9 * time.Hour)
		if on := s.At(Overlay{}, at); len(on) != 1 || on[0] != people[i%7] {
			t.Errorf("on workday %d it is %v, want %s", i, on, people[i%7])
		}
	}
	l.Rotation.Length = 2
	s = Schedule{Layers: []Layer{l}}
	for i := range 60 {
		at := from.AddDate(0, 0, i/5*7+i%5).Add(9 * time.Hour)
		if on := s.At(Overlay{}, at); len(on) != 1 || on[0] != people[i/2%7] {
			t.Errorf("by two days, on workday %d it is %v, want %s", i, on, people[i/2%7])
		}
	}
}

func TestTheHighestLayerThatHasSomebodyCounts(t *testing.T) {
	from, to := january(t)
	base, above, beside := rotation(Weekly, 1, from, time.UTC, "ana"), rotation(Daily, 1, from, time.UTC, "bo", ""), rotation(Weekly, 1, from, time.UTC, "cy", "ana")
	above.Priority, above.Name, beside.Name = 2, "above", "beside"
	above.Rotation.Parties[1] = nil // a turn without anybody
	above = restricted(t, above, "Mon-Tue 09:00-17:00")
	s := Schedule{Layers: []Layer{base, above, beside}}
	same(t, "layers", s.Shifts(Overlay{}, from, to),
		"ana Mon 05 00:00 - Mon 05 09:00 all", "cy Mon 05 00:00 - Mon 05 09:00 beside", "bo Mon 05 09:00 - Mon 05 17:00 above",
		"ana Mon 05 17:00 - Mon 12 00:00 all", "cy Mon 05 17:00 - Mon 12 00:00 beside")
	if on := s.At(Overlay{}, from.Add(10*time.Hour)); strings.Join(on, " ") != "bo" {
		t.Errorf("on Monday morning it is %v", on)
	}
	if on := s.At(Overlay{}, from.AddDate(0, 0, 7)); strings.Join(on, " ") != "ana" {
		t.Errorf("somebody who is on call twice is %v", on)
	}
}

func TestFollowTheSunLeavesNoGapTheYearRound(t *testing.T) {
	start := instant(t, "2026-01-05T00:00:00Z")
	layer := func(name, zone, person string) Layer {
		l := restricted(t, rotation(Weekly, 1, start, zoneOf(t, zone), person), "08:00-20:00")
		l.Name = name
		return l
	}
	s := Schedule{Layers: []Layer{layer("eu", "Europe/Vienna", "ana"), layer("us", "America/Los_Angeles", "bo"), layer("nz", "Pacific/Auckland", "kiri")}}
	if gaps := s.Gaps(Overlay{}, start, start.AddDate(1, 0, 0)); len(gaps) > 0 {
		t.Errorf("nobody is on call from %s to %s", gaps[0].From, gaps[0].To)
	}
	if shifts := s.Shifts(Overlay{}, start, start.AddDate(1, 0, 0)); len(shifts) < 365*3 {
		t.Errorf("a year has %d shifts only", len(shifts))
	}
}

func TestALayerCountsFromAndUntil(t *testing.T) {
	from, to := january(t)
	begin, end := from.Add(12*time.Hour), from.AddDate(0, 0, 2)
	l := rotation(Daily, 1, from, time.UTC, "ana", "bo")
	l.From, l.Until = &begin, &end
	s := Schedule{Layers: []Layer{l}}
	same(t, "bounded", s.Shifts(Overlay{}, from, to), "ana Mon 05 12:00 - Tue 06 00:00 all", "bo Tue 06 00:00 - Wed 07 00:00 all")
	if gaps := s.Gaps(Overlay{}, from, to); len(gaps) != 2 || !gaps[0].To.Equal(begin) || !gaps[1].From.Equal(end) {
		t.Errorf("the gaps are %v", gaps)
	}
	if on := s.At(Overlay{}, end); len(on) > 0 {
		t.Errorf("at its end it still has %v", on)
	}
}

func TestNextIsTheWholeShiftThatBeginsNext(t *testing.T) {
	from, _ := january(t)
	s := Schedule{Layers: []Layer{rotation(Monthly, 2, from, time.UTC, "ana", "bo")}}
	next, ok := s.Next(Overlay{}, from.Add(time.Hour))
	if !ok || next.Person != "bo" || !next.From.Equal(instant(t, "2026-03-05T00:00:00Z")) || !next.To.Equal(instant(t, "2026-05-05T00:00:00Z")) {
		t.Errorf("next is %+v", next)
	}
	if next, ok := (Schedule{Layers: []Layer{rotation(Weekly, 1, from, time.UTC, "ana")}}).Next(Overlay{}, from); ok {
		t.Errorf("who is always on call begins again: %+v", next)
	}
}
