package incidents_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
)

func in(t *testing.T, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

var weekdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}

func TestSupportHoursFollowTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	office := incidents.Support{Zone: "Europe/Berlin", Days: weekdays, From: 9 * time.Hour, To: 17 * time.Hour}
	night := incidents.Support{Zone: "America/Chicago", Days: weekdays, From: 20 * time.Hour, To: 8 * time.Hour}
	whole := incidents.Support{Zone: "America/Chicago", Days: weekdays, From: 8 * time.Hour, To: 8 * time.Hour}
	for _, c := range []struct {
		s    incidents.Support
		at   string
		want bool
	}{
		{office, "2026-03-27 09:00", true}, {office, "2026-03-27 08:59", false}, {office, "2026-03-27 16:59", true}, {office, "2026-03-27 17:00", false},
		{office, "2026-03-28 12:00", false}, // a Saturday
		{office, "2026-03-30 09:00", true},  // the Monday after the clocks were set forward
		{night, "2026-11-06 20:00", true}, {night, "2026-11-07 07:00", true}, {night, "2026-11-07 20:00", false}, {night, "2026-11-09 07:00", false},
		{whole, "2026-11-07 07:59", true}, {whole, "2026-11-07 08:00", false},
	} {
		if got := c.s.Covers(in(t, c.s.Zone, c.at)); got != c.want {
			t.Errorf("%s in %s is covered: %v, want %v", c.at, c.s.Zone, got, c.want)
		}
	}
}

func TestSupportHoursBeginNextAtTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	office := incidents.Support{Zone: "Europe/Berlin", Days: weekdays, From: 9 * time.Hour, To: 17 * time.Hour}
	gap := incidents.Support{Zone: "America/Chicago", From: 2*time.Hour + 30*time.Minute, To: 9 * time.Hour}
	for _, c := range []struct {
		s           incidents.Support
		after, want string
	}{
		{office, "2026-03-27 08:00", "2026-03-27 09:00"}, {office, "2026-03-27 09:00", "2026-03-30 09:00"}, {office, "2026-03-28 12:00", "2026-03-30 09:00"},
		{gap, "2020-03-07 12:00", "2020-03-08 03:00"}, // 02:30 does not exist that night
	} {
		if got, want := c.s.NextStart(in(t, c.s.Zone, c.after)), in(t, c.s.Zone, c.want); !got.Equal(want) {
			t.Errorf("after %s they begin at %s, want %s", c.after, got, want)
		}
	}
}

func supported(raise bool, inside, outside incidents.Urgency) incidents.Policy {
	p := policy(0, calls(0, user("ana")))
	p.Support = &incidents.Support{Zone: "UTC", From: 9 * time.Hour, To: 17 * time.Hour, Inside: inside, Outside: outside, Raise: raise}
	return p
}

func TestOutsideSupportHoursPeopleAreCalledByTheirRulesForLowUrgencyAndAnewWhenTheHoursBegin(t *testing.T) {
	t.Parallel()
	ana := rung("ana")
	ana.Rules = []incidents.Rule{{Urgency: incidents.HighUrgency, Method: "m1"}, {Urgency: incidents.LowUrgency, Method: "m1", Delay: 8 * time.Hour}}
	c := opens(supported(true, "", incidents.LowUrgency), roster(ana)) // at 03:04
	nine := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	if i := c.Incident; i.Urgency != incidents.LowUrgency || i.RaiseAt == nil || !i.RaiseAt.Equal(nine) || !c.Pages[0].NextAt.Equal(t0.Add(8*time.Hour)) {
		t.Fatalf("urgency %s, raised at %v, paged at %s", i.Urgency, i.RaiseAt, c.Pages[0].NextAt)
	}
	wantEvents(t, c.Incident.SupportBegins(roster(ana), nine.Add(-time.Second)))
	raised := c.Incident.SupportBegins(roster(ana), nine)
	wantPages(t, raised, "trigger:ana")
	if i := raised.Incident; i.Urgency != incidents.HighUrgency || i.RaiseAt != nil || !raised.CancelPages || i.Turn != 1 || !raised.Pages[0].NextAt.Equal(nine) {
		t.Errorf("it became %+v", i)
	}
}

func TestWhatIsAcknowledgedIsNotCalledOutAnewWhenSupportHoursBegin(t *testing.T) {
	t.Parallel()
	i := acknowledged(t, opens(supported(true, "", incidents.LowUrgency), roster(who("ana"))).Incident, byAna, t0).Incident
	wantEvents(t, i.SupportBegins(roster(who("ana")), t0.Add(24*time.Hour)))
}

func TestAWarningMayWaitForSupportHours(t *testing.T) {
	t.Parallel()
	sig := signal(incidents.Warning, supported(true, incidents.HighUrgency, incidents.LowUrgency))
	c := incidents.Open(sig, roster(who("ana")), "i1", t0)
	wantPages(t, c)
	wantSaid(t, c, incidents.EventOpened, "Nobody is called before support hours begin at 09:00 UTC.")
	at := *c.Incident.RaiseAt
	begun := c.Incident.SupportBegins(roster(who("ana")), at)
	wantPages(t, begun, "trigger:ana")
	critical := signal(incidents.Critical, sig.Policy)
	wantPages(t, c.Incident.Join(critical, true, roster(who("ana")), t0.Add(time.Minute)), "trigger:ana")
	sig.Policy.Support.Raise = false
	silent := incidents.Open(sig, roster(who("ana")), "i2", t0)
	wantPages(t, silent.Incident.Join(sig, false, roster(who("ana")), at.Add(time.Hour)))
	if silent.Incident.RaiseAt != nil {
		t.Errorf("it is raised at %v", silent.Incident.RaiseAt)
	}
}

func TestWhatWaitsForSupportHoursMayBePagedBeforeThem(t *testing.T) {
	t.Parallel()
	p := supported(true, incidents.HighUrgency, incidents.LowUrgency)
	p.AutoResolve = 24 * time.Hour
	waiting := incidents.Open(signal(incidents.Warning, p), roster(who("ana")), "i1", t0).Incident
	c, err := waiting.EscalateNow(byAna, roster(who("ana")), t0)
	if err != nil {
		t.Fatal(err)
	}
	wantPages(t, c, "trigger:ana")
	snoozed, err := waiting.Snooze(byAna, t0.Add(8*time.Hour), nil, t0) // past nine o'clock
	if err != nil {
		t.Fatal(err)
	}
	back := snoozed.Incident.Return(roster(who("ana")), t0.Add(8*time.Hour))
	wantPages(t, back, "trigger:ana")
	for what, i := range map[string]incidents.Incident{"escalated": c.Incident, "snoozed": back.Incident} {
		if i.AutoResolveAt == nil || i.PagedAs != "shop" {
			t.Errorf("%s: resolved by itself at %v, paged as %q", what, i.AutoResolveAt, i.PagedAs)
		}
	}
}
