package definitions_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
)

func TestScheduleNotesNameGapsAndPeopleWhoAreSkipped(t *testing.T) {
	text := `apiVersion: nines/v1
kind: Schedule
metadata: {name: desk}
spec:
  zone: Europe/Vienna
  layers:
  - name: workdays
    rotation: weekly
    start: "2026-01-05 08:00"
    people: [ana@example.com]
  - name: pairs
    priority: 1
    rotation: daily
    start: "2026-01-05 00:00"
    people: [a@example.com, b@example.com, c@example.com, d@example.com, e@example.com, f@example.com, g@example.com]
    restrictions: [Mon-Fri]
---
apiVersion: nines/v1
kind: Schedule
metadata: {name: hours}
spec:
  zone: Europe/Vienna
  layers:
  - people: [ana@example.com]
    restrictions: ["09:00-17:00"]
`
	set, problems := definitions.Load([]manifest.File{{Name: "s.yaml", Text: text}}, nil, nil)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if len(set.Catalog.Schedules()) != 2 {
		t.Fatalf("the schedules are %v", set.Catalog.Schedules())
	}
	var said []string
	for _, n := range set.ScheduleNotes(time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)) {
		if n.Blocks {
			t.Errorf("%s stands in the way", n)
		}
		said = append(said, n.Problem.String())
	}
	want := []string{
		`s.yaml:6: spec.layers: never has f@example.com, g@example.com on call within a year`,
		`s.yaml:23: spec.layers: leaves nobody on call for 480 hours of the next 30 days, first from Sun 2026-02-01 17:00 CET to Mon 2026-02-02 09:00 CET`,
	}
	if len(said) != len(want) {
		t.Fatalf("the notes are %q", said)
	}
	for i := range want {
		if !strings.HasPrefix(said[i], want[i]) {
			t.Errorf("got %q, want %q", said[i], want[i])
		}
	}
}

func TestAScheduleWithProblemsIsNotRead(t *testing.T) {
	text := "apiVersion: nines/v1\nkind: Schedule\nmetadata: {name: desk}\nspec: {zone: Europe/Vienna}\n"
	_, problems := definitions.Load([]manifest.File{{Name: "s.yaml", Text: text}}, nil, nil)
	if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "spec.layers: is missing") {
		t.Errorf("got %v", err)
	}
}
