package postgres_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/service/postgres"
)

// tell reads an event as an integration's and hands it to the intake.
func tell(t *testing.T, db *postgres.DB, body string) {
	t.Helper()
	now := time.Now()
	src := inbound.Source{Name: "tool", Type: inbound.TypeEvents, Service: "shop", Secret: "s"}
	r := hook.Request{Method: "POST", Header: map[string][]string{"Authorization": {"Bearer s"}}, Body: []byte(body), At: now}
	got, err := inbound.Read(t.Context(), src, r)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, db, must(alerting.Parse(got.Alerts, now, time.Minute))(t)...)
}

// TestAnEventsKeySaysWhichIncidentItIs: the same key is the same alert whatever it says, another key another incident,
// an unknown one ends nothing, and a key that begins again after its end is trouble anew.
func TestAnEventsKeySaysWhichIncidentItIs(t *testing.T) {
	t.Parallel()
	db := open(t)
	tell(t, db, `{"action":"resolve","dedup_key":"k1"}`)
	if found := all(t, db); len(found) != 0 {
		t.Fatalf("an end of nothing: %+v", found)
	}
	tell(t, db, `{"dedup_key":"k1","name":"Slow","summary":"hello"}`)
	tell(t, db, `{"dedup_key":"k1","name":"Slow","summary":"hello again","severity":"critical"}`)
	if i := only(t, db); i.Severity != incidents.Critical {
		t.Errorf("%+v", i)
	}
	tell(t, db, `{"dedup_key":"k2","name":"Slow","summary":"hello"}`)
	if found := all(t, db); len(found) != 2 {
		t.Fatalf("another key: %d incidents", len(found))
	}
	tell(t, db, `{"action":"resolve","dedup_key":"k1"}`)
	alerts := must(db.Alerts(t.Context(), access.Operator(), postgres.AlertFilter{Active: true}))(t)
	if len(alerts) != 1 || alerts[0].Labels["dedup_key"] != "k2" {
		t.Errorf("after the end of k1: %+v", alerts)
	}
	tell(t, db, `{"dedup_key":"k1","name":"Slow","summary":"and again"}`)
	if alerts := must(db.Alerts(t.Context(), access.Operator(), postgres.AlertFilter{Active: true}))(t); len(alerts) != 2 {
		t.Errorf("k1 begins again: %+v", alerts)
	}
}
