package incidents_test

import (
	"fmt"
	"time"

	"github.com/nines-sre/nines/incidents"
)

// A burn alert opens an incident, which pages; an acknowledgement ends the escalation.
func Example() {
	now := time.Date(2026, 11, 3, 3, 4, 0, 0, time.UTC)
	ana := incidents.Target{Email: &incidents.EmailTarget{To: []string{"ana@example.com"}}}
	router := incidents.Router{
		Policies: map[string]incidents.Policy{"shop": {Name: "shop", Steps: []incidents.Step{{Targets: []incidents.Target{ana}}}}},
		Default:  "shop",
	}
	alert := incidents.AlertFacts{
		Labels:      map[string]string{"sloth_id": "shop-orders", "sloth_tier": "page-fast"},
		Annotations: map[string]string{"summary": "Orders fail"}, StartsAt: now.Add(-time.Minute), EndsAt: now.Add(time.Hour),
	}
	opened := incidents.Open(router.Signal(alert, now), incidents.Roster{}, "i1", now)
	acked, err := opened.Incident.Acknowledge(incidents.Actor{ID: "user:1", Name: "ana"}, []incidents.Target{ana}, now.Add(4*time.Minute))
	if err != nil {
		fmt.Println(err)
	}
	for _, e := range append(opened.Events, acked.Events...) {
		fmt.Println(e.Text)
	}
	// Output:
	// Opened as critical, firing since 03:03 UTC.
	// Step 1 of 1: paging e-mail to ana@example.com.
	// Acknowledged by ana, 4 min after it opened.
}
