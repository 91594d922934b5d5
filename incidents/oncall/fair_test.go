package oncall

import (
	"math"
	"testing"
	"time"
)

func TestFairnessAddsUpByEachPersonsClock(t *testing.T) {
	vienna, auckland := zoneOf(t, "Europe/Vienna"), zoneOf(t, "Pacific/Auckland")
	zone := func(person string) *time.Location {
		if person == "kiri" {
			return auckland
		}
		return map[string]*time.Location{"ana": vienna}[person] // nil for the others
	}
	friday := local(t, vienna, "2026-01-09 18:00")
	shifts := []Shift{
		{Person: "ana", From: friday, To: friday.Add(24 * time.Hour)},                              // night 22-08, Saturday 00-18
		{Person: "ana", From: friday.Add(20 * time.Hour), To: friday.Add(26 * time.Hour)},          // another schedule, partly at the same time
		{Person: "kiri", From: friday, To: friday.Add(12 * time.Hour)},                             // in Auckland Saturday 06:00 to 18:00
		{Person: "ana", From: friday.AddDate(0, 0, 3), To: friday.AddDate(0, 0, 3).Add(time.Hour)}, // Monday evening
	}
	pages := []Paged{{"ana", friday.Add(5 * time.Hour)}, {"ana", friday.Add(time.Hour)}, {"zoe", friday}}
	loads := Fair(shifts, pages, zone)
	want := []Load{
		{Person: "ana", Hours: 27, NightHours: 10, WeekendHours: 20, Nights: 1, Handoffs: 2, Pages: 2, NightPages: 1,
			HoursRatio: 27 * 3 / 39.0, NightHoursRatio: 10 * 3 / 12.0, WeekendRatio: 20 * 3 / 32.0, PagesRatio: 2},
		{Person: "kiri", Hours: 12, NightHours: 2, WeekendHours: 12, Nights: 1, Handoffs: 1,
			HoursRatio: 12 * 3 / 39.0, NightHoursRatio: 2 * 3 / 12.0, WeekendRatio: 12 * 3 / 32.0},
		{Person: "zoe", Pages: 1, PagesRatio: 1},
	}
	if len(loads) != len(want) {
		t.Fatalf("the loads are %+v", loads)
	}
	for i, l := range loads {
		if math.Abs(l.HoursRatio-want[i].HoursRatio) > 1e-9 || math.Abs(l.WeekendRatio-want[i].WeekendRatio) > 1e-9 {
			t.Errorf("%s has the ratios %+v, want %+v", l.Person, l, want[i])
		}
		l.HoursRatio, l.WeekendRatio, l.NightHoursRatio = want[i].HoursRatio, want[i].WeekendRatio, want[i].NightHoursRatio
		if l != want[i] {
			t.Errorf("got %+v, want %+v", l, want[i])
		}
	}
}

func TestANightOfAClockChangeHasItsTrueHours(t *testing.T) {
	vienna := zoneOf(t, "Europe/Vienna")
	from := local(t, vienna, "2026-03-28 22:00")
	l := Fair([]Shift{{Person: "ana", From: from, To: local(t, vienna, "2026-03-29 08:00")}}, nil, func(string) *time.Location { return vienna })
	if l[0].NightHours != 9 || l[0].Hours != 9 || l[0].Nights != 1 {
		t.Errorf("the night has %+v", l[0])
	}
}

func TestFairnessOfNothingIsEmpty(t *testing.T) {
	if loads := Fair(nil, nil, func(string) *time.Location { return nil }); len(loads) != 0 {
		t.Errorf("got %v", loads)
	}
}
