package oncall

import (
	"fmt"
	"testing"
	"time"
)

// plans returns many schedules such as teams have: weeks for everybody, nights and weekends above them.
func plans(tb testing.TB, n int) []Schedule {
	names := []string{"Europe/Vienna", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"}
	made := make([]Schedule, n)
	for i := range made {
		zone := zoneOf(tb, names[i%len(names)])
		start := time.Date(2026, 1, 5, 9, 0, 0, 0, zone)
		weeks, nights := rotation(Weekly, 1, start, zone, "ana", "bo", "cy", "dan"), rotation(Daily, 1, start, zone, "eva", "fay", "gil")
		nights.Name, nights.Priority, nights.Worked = "nights", 1, true
		nights.Restrictions = []Restriction{{Days: []time.Weekday{1, 2, 3, 4, 5}, From: 20 * time.Hour, To: 8 * time.Hour}}
		made[i] = Schedule{Name: fmt.Sprint("team-", i), Zone: zone, Layers: []Layer{weeks, nights}}
	}
	return made
}

// Must stay below a second on one core.
func BenchmarkWhoIsOnCallForTenThousandSchedules(b *testing.B) {
	schedules := plans(b, 10_000)
	at := time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC)
	for b.Loop() {
		for _, s := range schedules {
			if len(s.At(Overlay{}, at)) != 1 {
				b.Fatal("nobody is on call")
			}
		}
	}
	if each := b.Elapsed() / time.Duration(b.N); each > time.Second {
		b.Errorf("it takes %s", each)
	}
}

// The time a shift takes must stay the same however many there are.
func BenchmarkAYear(b *testing.B) {
	from := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for _, hours := range []int{1, 4, 24, 168} {
		s := Schedule{Layers: []Layer{rotation(Hourly, hours, from, time.UTC, "ana", "bo", "cy")}}
		b.Run(fmt.Sprintf("shifts of %d hours", hours), func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = len(s.Shifts(Overlay{}, from, from.AddDate(1, 0, 0)))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/shift")
		})
	}
	s := plans(b, 1)[0]
	var o Overlay
	for i := range 365 {
		at := from.AddDate(0, 0, i)
		o.Overrides = append(o.Overrides, override(fmt.Sprint(i), at, at.Add(3*time.Hour), "zoe", "", i))
	}
	b.Run("an override a day", func(b *testing.B) {
		for b.Loop() {
			s.Shifts(o, from, from.AddDate(1, 0, 0))
		}
	})
}
