package oncall

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// local reads a clock in a zone; where it is ambiguous or missing, tests write instants instead.
func local(t testing.TB, zone *time.Location, clock string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", clock, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func rotation(unit Unit, length int, start time.Time, zone *time.Location, people ...string) Layer {
	l := Layer{Name: "all", Rotation: Rotation{Unit: unit, Length: length, Start: start, Zone: zone}}
	for _, p := range people {
		l.Rotation.Parties = append(l.Rotation.Parties, []string{p})
	}
	return l
}

func TestHandoffsFollowTheClockOnTheWall(t *testing.T) {
	for _, c := range []struct {
		name, zone string
		unit       Unit
		length     int
		start      string // by the clock in the zone
		want       []string
	}{
		{"a daily handoff that the spring skips happens when the clock has jumped", "America/Chicago", Daily, 1, "2020-03-06 02:30",
			[]string{"2020-03-06T02:30:00-06:00", "2020-03-07T02:30:00-06:00", "2020-03-08T03:00:00-05:00", "2020-03-09T02:30:00-05:00"}},
		{"a daily handoff that the autumn shows twice happens once, the first time", "America/Chicago", Daily, 1, "2020-10-30 01:30",
			[]string{"2020-10-30T01:30:00-05:00", "2020-10-31T01:30:00-05:00", "2020-11-01T01:30:00-05:00", "2020-11-02T01:30:00-06:00"}},
		{"half an hour forward", "Australia/Lord_Howe", Daily, 1, "2023-09-30 02:15",
			[]string{"2023-09-30T02:15:00+10:30", "2023-10-01T02:30:00+11:00", "2023-10-02T02:15:00+11:00"}},
		{"half an hour back", "Australia/Lord_Howe", Daily, 1, "2024-04-06 01:45",
			[]string{"2024-04-06T01:45:00+11:00", "2024-04-07T01:45:00+11:00", "2024-04-08T01:45:00+10:30"}},
		{"a day that a zone skipped has a handoff when the next one begins", "Pacific/Apia", Daily, 1, "2011-12-29 09:00",
			[]string{"2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00", "2012-01-01T09:00:00+14:00"}},
		{"two hours forward and back", "Antarctica/Troll", Weekly, 31, "2023-03-26 04:30",
			[]string{"2023-03-26T04:30:00+02:00", "2023-10-29T04:30:00+00:00"}},
		{"two hours forward", "Antarctica/Troll", Daily, 1, "2023-03-25 02:00",
			[]string{"2023-03-25T02:00:00+00:00", "2023-03-26T03:00:00+02:00", "2023-03-27T02:00:00+02:00"}},
		{"three quarters of an hour off", "Pacific/Chatham", Daily, 1, "2023-09-23 03:00",
			[]string{"2023-09-23T03:00:00+12:45", "2023-09-24T03:45:00+13:45", "2023-09-25T03:00:00+13:45"}},
		{"Ramadan takes an hour back and gives it again", "Africa/Casablanca", Weekly, 1, "2024-03-03 02:30",
			[]string{"2024-03-03T02:30:00+01:00", "2024-03-10T02:30:00+01:00", "2024-03-17T02:30:00+00:00", "2024-03-24T02:30:00+00:00",
				"2024-03-31T02:30:00+00:00", "2024-04-07T02:30:00+00:00", "2024-04-14T03:00:00+01:00"}},
		{"midnight does not exist in Cairo's spring", "Africa/Cairo", Daily, 1, "2023-04-27 00:00",
			[]string{"2023-04-27T00:00:00+02:00", "2023-04-28T01:00:00+03:00", "2023-04-29T00:00:00+03:00"}},
		{"the 31st falls back and returns", "Europe/Vienna", Monthly, 1, "2023-12-31 09:00",
			[]string{"2023-12-31T09:00:00+01:00", "2024-01-31T09:00:00+01:00", "2024-02-29T09:00:00+01:00", "2024-03-31T09:00:00+02:00",
				"2024-04-30T09:00:00+02:00", "2024-05-31T09:00:00+02:00"}},
		{"a leap day is the 28th in other years", "UTC", Monthly, 12, "2024-02-29 00:00",
			[]string{"2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z"}},
		{"the year ends within a turn", "Asia/Kolkata", Daily, 3, "2025-12-30 23:59",
			[]string{"2025-12-30T23:59:00+05:30", "2026-01-02T23:59:00+05:30", "2026-01-05T23:59:00+05:30"}},
		{"hours by the clock are fewer in spring", "America/Chicago", Hourly, 3, "2017-03-12 00:00",
			[]string{"2017-03-12T00:00:00-06:00", "2017-03-12T03:00:00-05:00", "2017-03-12T06:00:00-05:00"}},
		{"hours by the clock are more in autumn", "America/Chicago", Hourly, 1, "2017-11-05 00:00",
			[]string{"2017-11-05T00:00:00-05:00", "2017-11-05T01:00:00-05:00", "2017-11-05T02:00:00-06:00"}},
	} {
		zone := zoneOf(t, c.zone)
		l := rotation(c.unit, c.length, local(t, zone, c.start), zone, "ana", "bo")
		turns := l.turns()
		for n, want := range c.want {
			if got := turns.handoff(n); !got.Equal(instant(t, want)) {
				t.Errorf("%s: handoff %d is at %s, want %s", c.name, n, got, want)
			}
			if turn := l.TurnAt(instant(t, want)); turn.Number != n {
				t.Errorf("%s: at %s it is turn %d's, want %d's", c.name, want, turn.Number, n)
			}
			if turn := l.TurnAt(instant(t, want).Add(-time.Second)); turn.Number != n-1 {
				t.Errorf("%s: before %s it is turn %d's, want %d's", c.name, want, turn.Number, n-1)
			}
		}
	}
}

func TestATurnLastsAsManyHoursAsTheClockMakesIt(t *testing.T) {
	chicago := zoneOf(t, "America/Chicago")
	for _, c := range []struct {
		unit   Unit
		length int
		start  string
		hours  float64
	}{
		{Weekly, 1, "2017-03-10 08:00", 167},
		{Weekly, 1, "2017-11-04 08:00", 169},
		{Daily, 1, "2017-03-11 08:00", 23},
		{Hourly, 3, "2017-03-12 00:00", 2},
		{Monthly, 1, "2017-03-01 00:00", 31*24 - 1},
		{Daily, 1, "2020-11-01 01:30", 25},
	} {
		start := local(t, chicago, c.start)
		if got := rotation(c.unit, c.length, start, chicago, "ana").TurnAt(start).Hours(); got != c.hours {
			t.Errorf("%s from %s lasts %g hours, want %g", c.unit, c.start, got, c.hours)
		}
	}
}

func TestTurnsGoOnBeforeTheStart(t *testing.T) {
	start := instant(t, "2020-06-01T03:00:00Z")
	ten := rotation(Hourly, 10, start, time.UTC, "ana", "bo", "cy")
	for _, c := range []struct {
		at, end string
		number  int
		person  string
	}{
		{"2020-06-02T09:00:00Z", "2020-06-02T19:00:00Z", 3, "ana"},
		{"2020-05-30T21:00:00Z", "2020-05-31T07:00:00Z", -3, "ana"},
		{"2020-06-01T02:59:59Z", "2020-06-01T03:00:00Z", -1, "cy"},
	} {
		turn := ten.TurnAt(instant(t, c.at))
		if !turn.To.Equal(instant(t, c.end)) || turn.Number != c.number || turn.Party[0] != c.person {
			t.Errorf("at %s the turn is %+v, want number %d of %s until %s", c.at, turn, c.number, c.person, c.end)
		}
	}
	daily := rotation(Daily, 1, start, time.UTC, "ana", "bo")
	if got := daily.TurnAt(start.AddDate(0, 0, -5)).To; !got.Equal(start.AddDate(0, 0, -4)) {
		t.Errorf("five days before the start the turn ends at %s", got)
	}
}

func TestAWeekInChicagoKeepsItsMidnightsAllYear(t *testing.T) {
	chicago := zoneOf(t, "America/Chicago")
	l := rotation(Weekly, 1, local(t, chicago, "2024-10-01 00:00"), chicago, "ana", "bo", "cy")
	for at, want := range map[string][2]string{
		"2024-11-04T12:00:00Z": {"2024-10-29T05:00:00Z", "2024-11-05T06:00:00Z"},
		"2025-03-10T12:00:00Z": {"2025-03-04T06:00:00Z", "2025-03-11T05:00:00Z"},
	} {
		turn := l.TurnAt(instant(t, at))
		if !turn.From.Equal(instant(t, want[0])) || !turn.To.Equal(instant(t, want[1])) {
			t.Errorf("the week of %s is %s to %s", at, turn.From.UTC(), turn.To.UTC())
		}
	}
	from := instant(t, "2024-10-01T05:00:00Z")
	seamless(t, Schedule{Layers: []Layer{l}}, from, from.AddDate(1, 0, 0))
}

// seamless fails the test unless one shift follows another without gap or overlap.
func seamless(t rapid.TB, s Schedule, from, to time.Time) {
	t.Helper()
	next := from
	for _, sh := range s.Shifts(Overlay{}, from, to) {
		if !sh.From.Equal(next) || !sh.To.After(sh.From) {
			t.Fatalf("a shift lasts from %s to %s, after one that ended at %s", sh.From, sh.To, next)
		}
		next = sh.To
	}
	if !next.Equal(to) {
		t.Fatalf("the last shift ends at %s instead of %s", next, to)
	}
}
