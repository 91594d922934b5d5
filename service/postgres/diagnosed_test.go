package postgres_test

import (
	"fmt"
	"testing"
	"time"
)

func TestNoIncidentOfAStormMissesItsDiagnosis(t *testing.T) {
	t.Parallel()
	db := open(t)
	for n := range 20 {
		receive(t, db, troubles(fmt.Sprintf("service%d", n), 0, 15)...)
	}
	opened := len(openIncidents(t, db))
	if opened <= 200 {
		t.Fatalf("only %d incidents are open", opened)
	}
	seen := map[string]bool{}
	for looks := 0; looks < 20; looks++ {
		due, err := db.Undiagnosed(t.Context(), time.Hour, 100)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, i := range due {
			if seen[i.ID] {
				t.Fatalf("the incident %d is due again", i.Number)
			}
			seen[i.ID] = true
			ids = append(ids, i.ID)
		}
		if err := db.Diagnosed(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != opened {
		t.Errorf("%d of %d incidents were due", len(seen), opened)
	}
}
