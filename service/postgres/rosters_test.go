package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/oncall"
)

func TestAPolicyCallsWhomTheScheduleAndItsOverridesPutOnCall(t *testing.T) {
	db, conn := openOnCall(t)
	r := by(steps(incidents.Step{Targets: []incidents.Target{{Schedule: "shop"}}}))
	receiveBy(t, db, r, alert("First", "critical"))
	must(db.Override(context.Background(), editor, oncall.Override{
		Schedule: "shop", From: in(-time.Second), To: in(time.Hour), Add: "bea@nines.example",
	}, nil))(t)
	receiveBy(t, db, r, alert("Second", "critical"))
	if got := called(t, conn); !slices.Equal(got, []string{responder.Name, "bea@nines.example"}) {
		t.Errorf("called %v", got)
	}
}
