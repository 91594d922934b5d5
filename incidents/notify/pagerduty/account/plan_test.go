package account

import (
	"strings"
	"testing"
	"time"

	api "github.com/PagerDuty/go-pagerduty"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/manifest"
)

func TestASchedulesLayersBecomeADefinitionThatReads(t *testing.T) {
	user := func(id string) api.UserReference { return api.UserReference{User: api.APIObject{ID: id}} }
	a := Account{
		Users: []api.User{{APIObject: api.APIObject{ID: "A"}, Email: "Ada@acme.example"}, {APIObject: api.APIObject{ID: "B"}, Email: "ben@acme.example"},
			{APIObject: api.APIObject{ID: "C"}, Name: "Cy"}},
		Schedules: []api.Schedule{{Name: "Core", TimeZone: "Europe/Berlin", ScheduleLayers: []api.ScheduleLayer{
			{Name: "Nights", Start: "2026-01-07T20:00:00Z", RotationVirtualStart: "2026-01-05T08:00:00Z", RotationTurnLengthSeconds: 86400,
				Users: []api.UserReference{user("B"), user("C")}, Restrictions: []api.Restriction{
					{Type: "daily_restriction", StartTimeOfDay: "20:00:00", DurationSeconds: 12 * 3600}}},
			{Name: "Weekends", Start: "2026-01-05T08:00:00Z", RotationVirtualStart: "2026-01-05T08:00:00Z", RotationTurnLengthSeconds: 604800,
				Users: []api.UserReference{user("B")}, Restrictions: []api.Restriction{
					{Type: "weekly_restriction", StartTimeOfDay: "17:00:00", StartDayOfWeek: 5, DurationSeconds: 63 * 3600}}},
			{Name: "Base", Start: "2026-01-05T08:00:00Z", RotationVirtualStart: "2026-01-05T08:00:00Z", RotationTurnLengthSeconds: 1209600,
				Users: []api.UserReference{user("A"), user("B")}},
			{Name: "Odd", Start: "2026-01-05T08:00:00Z", RotationTurnLengthSeconds: 3605, Users: []api.UserReference{user("A")}},
		}}},
	}
	made, err := a.Export()
	if err != nil {
		t.Fatal(err)
	}
	var s oncall.Schedule
	for _, f := range made.Files {
		if f.Name != PlansFile {
			continue
		}
		docs, problems := manifest.Read(f)
		var more manifest.Problems
		s, more = oncall.ReadSchedule(docs[0])
		if all := append(problems, more...); len(all) > 0 {
			t.Fatalf("%v\n%s", all, f.Text)
		}
	}
	for at, want := range map[string]string{
		"2026-01-06T12:00:00Z": "ada@acme.example", // the base
		"2026-01-06T21:00:00Z": "ada@acme.example", // the nights have not begun
		"2026-01-10T12:00:00Z": "ben@acme.example", // a weekend, until Monday at eight
		"2026-01-12T06:59:00Z": "ben@acme.example",
		"2026-01-12T07:01:00Z": "ada@acme.example",
		"2026-01-13T21:00:00Z": "ben@acme.example", // a night; Ada's base is below
		"2026-01-14T21:00:00Z": "ada@acme.example", // Cy's, who has no address
	} {
		moment, _ := time.Parse(time.RFC3339, at)
		if on := s.At(oncall.Overlay{}, moment); strings.Join(on, " ") != want {
			t.Errorf("at %s it is %v, want %s", at, on, want)
		}
	}
	var lost strings.Builder
	for _, l := range made.Losses {
		lost.WriteString(l.Message + "\n")
	}
	for _, want := range []string{"Cy has no mail address", "layer Odd has turns of 3605 seconds"} {
		if !strings.Contains(lost.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, lost.String())
		}
	}
}
