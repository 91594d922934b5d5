package oncall_test

import (
	"fmt"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/manifest"
)

const shop = `
apiVersion: nines/v1
kind: Schedule
metadata: {name: shop}
spec:
  zone: Europe/Vienna
  layers:
  - name: weeks
    rotation: weekly
    start: "2026-01-05 09:00"
    people: [ana@example.com, bo@example.com, cy@example.com]
  - name: nights
    priority: 1
    zone: Pacific/Auckland
    rotation: weekly
    start: "2026-01-05 09:00"
    people: [kiri@example.com, tane@example.com]
    restrictions: ["Mon-Fri 09:00-17:00"]
`

// The worked example of docs/oncall.md: a week in which the clocks change.
func ExampleSchedule_Shifts() {
	docs, _ := manifest.Read(manifest.File{Name: "shop.yaml", Text: shop})
	schedule, problems := oncall.ReadSchedule(docs[0])
	if len(problems) > 0 {
		fmt.Println(problems)
	}
	from := time.Date(2026, 3, 23, 8, 0, 0, 0, time.UTC)
	for _, s := range schedule.Shifts(oncall.Overlay{}, from, from.AddDate(0, 0, 8)) {
		fmt.Println(s.From.UTC().Format("Mon 02 15:04"), s.From.Format("15:04"), s.Person, s.Layer)
	}
	// Output:
	// Mon 23 08:00 09:00 cy@example.com weeks
	// Mon 23 20:00 21:00 tane@example.com nights
	// Tue 24 04:00 05:00 cy@example.com weeks
	// Tue 24 20:00 21:00 tane@example.com nights
	// Wed 25 04:00 05:00 cy@example.com weeks
	// Wed 25 20:00 21:00 tane@example.com nights
	// Thu 26 04:00 05:00 cy@example.com weeks
	// Thu 26 20:00 21:00 tane@example.com nights
	// Fri 27 04:00 05:00 cy@example.com weeks
	// Sun 29 20:00 22:00 kiri@example.com nights
	// Mon 30 04:00 06:00 cy@example.com weeks
	// Mon 30 07:00 09:00 ana@example.com weeks
	// Mon 30 20:00 22:00 kiri@example.com nights
	// Tue 31 04:00 06:00 ana@example.com weeks
}
