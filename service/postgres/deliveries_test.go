package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

func TestAReportOfDeliveryReachesItsAttempt(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	pagedEverywhere(t, db)
	ctx := context.Background()
	report := func(id string, delivered bool, why string) error {
		return db.RecordDelivery(ctx, "pagerduty", id, delivered, why, time.Now())
	}
	state := func() string {
		return value[string](t, conn, "select coalesce((delivered_at is not null)::text, '') || ' ' || undelivered from attempts where provider = 'pagerduty'")
	}
	for _, c := range []struct {
		delivered bool
		why, want string
	}{{false, "off", "false off"}, {true, "", "true "}, {false, "late report", "true "}} {
		if err := report("hash-of-a-long-key", c.delivered, c.why); err != nil {
			t.Fatal(err)
		}
		if got := state(); got != c.want {
			t.Errorf("after %v %q: %q, want %q", c.delivered, c.why, got, c.want)
		}
	}
	for _, id := range []string{"another", ""} {
		if err := report(id, true, ""); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}
