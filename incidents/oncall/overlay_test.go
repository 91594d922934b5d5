package oncall

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// weekOf is a plan in which ana and bo change each day at midnight.
func weekOf(t *testing.T) (s Schedule, from, to time.Time) {
	from, to = january(t)
	return Schedule{Name: "shop", Layers: []Layer{rotation(Daily, 1, from, time.UTC, "ana", "bo")}}, from, to
}

func override(id string, from, to time.Time, add, remove string, made int) Override {
	return Override{ID: id, Schedule: "shop", From: from, To: to, Add: add, Remove: remove, MadeAt: time.Unix(int64(made), 0)}
}

func TestOverridesChangeWhoIsOnCall(t *testing.T) {
	s, from, _ := weekOf(t)
	to := from.AddDate(0, 0, 2)
	at := func(hours int) time.Time { return from.Add(time.Duration(hours) * time.Hour) }
	for _, c := range []struct {
		name      string
		overrides []Override
		want      []string
	}{
		{"somebody replaces everybody", []Override{override("o1", at(12), at(36), "cy", "", 1)},
			[]string{"ana Mon 05 00:00 - Mon 05 12:00 all", "cy Mon 05 12:00 - Tue 06 12:00 o1", "bo Tue 06 12:00 - Wed 07 00:00 all"}},
		{"somebody stands in for one person, and only then", []Override{override("o1", at(12), at(36), "cy", "ana", 1)},
			[]string{"ana Mon 05 00:00 - Mon 05 12:00 all", "cy Mon 05 12:00 - Tue 06 00:00 o1", "bo Tue 06 00:00 - Wed 07 00:00 all"}},
		{"somebody goes and nobody comes", []Override{override("o1", at(12), at(18), "", "ana", 1)},
			[]string{"ana Mon 05 00:00 - Mon 05 12:00 all", "ana Mon 05 18:00 - Tue 06 00:00 all", "bo Tue 06 00:00 - Wed 07 00:00 all"}},
		{"somebody is on call beside the others", []Override{override("o1", at(12), at(30), "cy", "cy", 1)},
			[]string{"ana Mon 05 00:00 - Tue 06 00:00 all", "cy Mon 05 12:00 - Tue 06 06:00 o1", "bo Tue 06 00:00 - Wed 07 00:00 all"}},
		{"of two, the later made wins, in whichever order they are read",
			[]Override{override("o2", at(6), at(12), "dan", "", 2), override("o1", at(0), at(24), "cy", "", 1)},
			[]string{"cy Mon 05 00:00 - Mon 05 06:00 o1", "dan Mon 05 06:00 - Mon 05 12:00 o2", "cy Mon 05 12:00 - Tue 06 00:00 o1", "bo Tue 06 00:00 - Wed 07 00:00 all"}},
		{"a stand-in can be stood in for", []Override{override("o1", at(0), at(24), "cy", "ana", 1), override("o2", at(6), at(12), "dan", "cy", 2)},
			[]string{"cy Mon 05 00:00 - Mon 05 06:00 o1", "dan Mon 05 06:00 - Mon 05 12:00 o2", "cy Mon 05 12:00 - Tue 06 00:00 o1", "bo Tue 06 00:00 - Wed 07 00:00 all"}},
		{"two overrides of one person are two shifts", []Override{override("o1", at(0), at(12), "cy", "", 1), override("o2", at(12), at(24), "cy", "", 2)},
			[]string{"cy Mon 05 00:00 - Mon 05 12:00 o1", "cy Mon 05 12:00 - Tue 06 00:00 o2", "bo Tue 06 00:00 - Wed 07 00:00 all"}},
		{"an override does not run into the planned shift of the same person", []Override{override("o1", at(12), at(24), "bo", "ana", 1)},
			[]string{"ana Mon 05 00:00 - Mon 05 12:00 all", "bo Mon 05 12:00 - Tue 06 00:00 o1", "bo Tue 06 00:00 - Wed 07 00:00 all"}},
		{"who is on call already stays so by plan", []Override{override("o1", at(12), at(18), "ana", "ana", 1)},
			[]string{"ana Mon 05 00:00 - Tue 06 00:00 all", "bo Tue 06 00:00 - Wed 07 00:00 all"}},
	} {
		same(t, c.name, s.Shifts(Overlay{Overrides: c.overrides}, from, to), c.want...)
	}
}

func TestATemporaryScheduleReplacesThePlanAndOverridesStillCount(t *testing.T) {
	s, from, _ := weekOf(t)
	at := func(hours int) time.Time { return from.Add(time.Duration(hours) * time.Hour) }
	o := Overlay{
		Temporaries: []Temporary{{ID: "t1", From: at(6), To: at(18), Shifts: []Shift{{Person: "cy", From: at(6), To: at(15)}}}},
		Overrides:   []Override{override("o1", at(9), at(12), "dan", "cy", 1)},
	}
	same(t, "temporary", s.Shifts(o, from, at(24)), "ana Mon 05 00:00 - Mon 05 06:00 all", "cy Mon 05 06:00 - Mon 05 09:00 t1",
		"dan Mon 05 09:00 - Mon 05 12:00 o1", "cy Mon 05 12:00 - Mon 05 15:00 t1", "ana Mon 05 18:00 - Tue 06 00:00 all")
	if gaps := s.Gaps(o, from, at(24)); len(gaps) != 1 || !gaps[0].From.Equal(at(15)) || !gaps[0].To.Equal(at(18)) {
		t.Errorf("the gaps are %v", gaps)
	}
}

// anySchedule draws layers of every kind in zones that change their clocks at odd times.
func anySchedule(t *rapid.T) Schedule {
	people := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"ana", "bo", "cy", "dan", "eva"}), 1, 5, rapid.ID[string])
	s := Schedule{Name: "shop"}
	for i := range rapid.IntRange(1, 4).Draw(t, "layers") {
		zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Europe/Vienna", "Australia/Lord_Howe", "Africa/Casablanca",
			"Antarctica/Troll", "America/St_Johns", "Pacific/Chatham", "Africa/Cairo"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Unix(rapid.Int64Range(1.6e9, 1.8e9).Draw(t, "start"), 0)
		l := rotation(rapid.SampledFrom([]Unit{Hourly, Daily, Weekly, Monthly}).Draw(t, "unit"), rapid.IntRange(1, 40).Draw(t, "length"), start, zone,
			people.Draw(t, "people")...)
		l.Name, l.Priority, l.Worked = fmt.Sprint("layer ", i), rapid.IntRange(0, 2).Draw(t, "priority"), rapid.Bool().Draw(t, "worked")
		for range rapid.IntRange(0, 2).Draw(t, "restrictions") {
			l.Restrictions = append(l.Restrictions, Restriction{
				Days: rapid.SliceOfDistinct(rapid.SampledFrom([]time.Weekday{0, 1, 2, 3, 4, 5, 6}), rapid.ID[time.Weekday]).Draw(t, "days"),
				From: time.Duration(rapid.IntRange(0, 95).Draw(t, "from")) * 15 * time.Minute,
				To:   time.Duration(rapid.IntRange(1, 96).Draw(t, "to")) * 15 * time.Minute,
			})
		}
		s.Layers = append(s.Layers, l)
	}
	return s
}

func anyOverlay(t *rapid.T, from, to time.Time) Overlay {
	var o Overlay
	person := rapid.SampledFrom([]string{"", "ana", "bo", "cy", "fay"})
	span := func() (time.Time, time.Time) {
		a := rapid.Int64Range(from.Unix(), to.Unix()-1).Draw(t, "begins")
		return time.Unix(a, 0), time.Unix(rapid.Int64Range(a+1, to.Unix()).Draw(t, "ends"), 0)
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "overrides") {
		a, b := span()
		o.Overrides = append(o.Overrides, override(fmt.Sprint("o", i), a, b, person.Draw(t, "add"), person.Draw(t, "remove"), rapid.IntRange(0, 9).Draw(t, "made")))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "temporaries") {
		a, b := span()
		o.Temporaries = append(o.Temporaries, Temporary{ID: fmt.Sprint("t", i), From: a, To: b, Shifts: []Shift{{Person: "gil", From: a, To: a.Add(b.Sub(a) / 2)}}})
	}
	return o
}

// Whatever the plan: what is rendered is what At says, shifts of one person never overlap, and gaps are the rest.
func TestRenderingAgreesWithAskingAtEachMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(1.6e9, 1.8e9).Draw(t, "at"), 0).UTC()
		to := from.AddDate(0, 0, rapid.IntRange(1, 20).Draw(t, "days"))
		s := anySchedule(t)
		o := anyOverlay(t, from, to)
		shifts, gaps := s.Shifts(o, from, to), s.Gaps(o, from, to)
		probes := []time.Time{from, to.Add(-time.Second)}
		for i, sh := range shifts {
			if sh.From.Before(from) || sh.To.After(to) || !sh.From.Before(sh.To) {
				t.Fatalf("%+v lies outside of %s to %s", sh, from, to)
			}
			probes = append(probes, sh.From, sh.To.Add(-time.Second), sh.To)
			for _, other := range shifts[i+1:] {
				if other.Person == sh.Person && other.From.Before(sh.To) {
					t.Fatalf("%+v overlaps %+v", sh, other)
				}
			}
		}
		for _, at := range probes {
			if at.Before(to) {
				agrees(t, s, o, shifts, gaps, at)
			}
		}
	})
}

func agrees(t *rapid.T, s Schedule, o Overlay, shifts []Shift, gaps []Span, at time.Time) {
	var want []string
	for _, sh := range shifts {
		if (Span{sh.From, sh.To}).Covers(at) {
			want = append(want, sh.Person)
		}
	}
	slices.Sort(want)
	if got := s.At(o, at); !slices.Equal(got, want) {
		t.Fatalf("at %s the shifts have %v, At says %v", at, want, got)
	}
	if gap := slices.ContainsFunc(gaps, func(g Span) bool { return g.Covers(at) }); gap != (len(want) == 0) {
		t.Fatalf("at %s %v are on call, and a gap is %t", at, want, gap)
	}
}

// A calendar may be cut anywhere: two halves say the same as the whole.
func TestHalvesAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(1.6e9, 1.8e9).Draw(t, "at"), 0).UTC()
		middle, to := from.AddDate(0, 0, rapid.IntRange(1, 20).Draw(t, "days")), from.AddDate(0, 0, 30)
		s := anySchedule(t)
		o := anyOverlay(t, from, to)
		parts := GapsOf(append(s.Shifts(o, from, middle), s.Shifts(o, middle, to)...), from, to)
		if whole := s.Gaps(o, from, to); !slices.EqualFunc(parts, whole, func(a, b Span) bool { return a.From.Equal(b.From) && a.To.Equal(b.To) }) {
			t.Fatalf("the parts leave %v, the whole %v", parts, whole)
		}
	})
}

// A rotation without restrictions has no gap and no overlap, whatever its unit, length, zone and start.
func TestARotationIsSeamless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySchedule(t)
		l := s.Layers[0]
		l.Restrictions = nil
		from := time.Unix(rapid.Int64Range(1.5e9, 1.9e9).Draw(t, "at"), 0).UTC()
		seamless(t, Schedule{Layers: []Layer{l}}, from, from.AddDate(0, 0, rapid.IntRange(1, 400).Draw(t, "days")))
	})
}
