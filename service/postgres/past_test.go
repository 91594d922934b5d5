package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

func past(id string) incidents.Past {
	now := time.Now().UTC().Truncate(time.Second)
	return incidents.Past{
		Source: "pagerduty", ID: id, Title: "Disk full", Service: "db", OpenedAt: now.Add(-time.Hour), ResolvedAt: now.Add(-time.Minute),
	}
}

func TestPastIncidentsAreTakenOverOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	if n := must(db.TakeOver(ctx, operator, "acme", []incidents.Past{past("Q1"), past("Q2")}))(t); n != 2 {
		t.Errorf("%d of 2 are taken over", n)
	}
	if n := must(db.TakeOver(ctx, operator, "acme", []incidents.Past{past("Q2"), past("Q3"), past("Q3")}))(t); n != 1 {
		t.Errorf("%d are new; want Q3, once", n)
	}
	found := must(db.Incidents(ctx, access.Tenant("acme"), incidents.Filter{Limit: 10}))(t)
	if len(found) != 3 || found[0].State != incidents.Resolved || found[0].Number == 0 {
		t.Fatalf("%+v", found)
	}
	if told := must(db.Timeline(ctx, access.Tenant("acme"), found[0].ID))(t); len(told) != 3 {
		t.Errorf("its timeline has %d entries", len(told))
	}
	claim(t, db, 0)
}

func TestOneWrongPastIncidentTakesNoneOver(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	wrong := past("Q2")
	wrong.Title = ""
	_, err := db.TakeOver(ctx, operator, "", []incidents.Past{past("Q1"), wrong})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "incidents.1.title: has 0 characters") || len(all(t, db)) != 0 {
		t.Errorf("%v, %d incidents", err, len(all(t, db)))
	}
	for _, who := range []access.Principal{responder, {ID: "user:a", Role: access.Admin, Tenant: "acme"}} {
		if _, err := db.TakeOver(ctx, who, "acme", []incidents.Past{past("Q1")}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%+v: %v", who, err)
		}
	}
	if _, err := db.TakeOver(ctx, operator, "", make([]incidents.Past, 501)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("501 at once: %v", err)
	}
}
