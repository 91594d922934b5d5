package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// work works the inbox off in the background until the returned function is called.
func work(t testing.TB, db *postgres.DB) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = db.WorkInbox(ctx, func() postgres.Routing { return routing })
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func accept(t testing.TB, db *postgres.DB, alerts ...alerting.Alert) {
	t.Helper()
	if err := db.AcceptAlerts(context.Background(), responder, alerts); err != nil {
		t.Fatal(err)
	}
}

func openIncidents(t testing.TB, db *postgres.DB) []incidents.Incident {
	t.Helper()
	return must(db.Incidents(context.Background(), access.Operator(), incidents.Filter{States: []incidents.State{incidents.Triggered}, Limit: 500}))(t)
}

func TestWhatIsAcceptedIsWorkedOffBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	work(t, db)
	accept(t, db, alert("Down", "critical", "service", "shop"))
	if got := openIncidents(t, db); len(got) != 1 || got[0].Service != "shop" {
		t.Fatalf("%d incidents are open: %+v", len(got), got)
	}
	accept(t, db, ended(alert("Down", "critical", "service", "shop")))
	calm(t, db, conn)
	if got := openIncidents(t, db); len(got) != 0 {
		t.Errorf("%d incidents are open after the alert ended", len(got))
	}
}

func TestWhatIsAcceptedOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	db, conn := openURL(t, url), superuser(t, url)
	// Nobody works it off, so the caller is answered before that; what it told is kept all the same.
	if err := db.AcceptAlerts(t.Context(), responder, []alerting.Alert{alert("Down", "critical")}); err != nil {
		t.Fatal(err)
	}
	if n := value[int64](t, conn, "select count(*) from inbox"); n != 1 {
		t.Fatalf("%d postings are kept", n)
	}
	db.Close()
	next := openURL(t, url)
	work(t, next)
	waitUntil(t, func() bool { return len(openIncidents(t, next)) == 1 })
	if n := value[int64](t, conn, "select count(*) from inbox"); n != 0 {
		t.Errorf("%d postings are left", n)
	}
}

func waitUntil(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a minute")
		}
	}
}

// A storm of one service waits in the inbox; the first word about another goes before it.
func TestAStormDelaysNoOtherServicesFirstAlert(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	db, conn := openURL(t, url), superuser(t, url)
	for n := range 20 {
		var storm []alerting.Alert
		for i := range 500 {
			storm = append(storm, alert("Down", "critical", "service", "loud", "pod", fmt.Sprint(n, "-", i)))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_ = db.AcceptAlerts(ctx, responder, storm)
		cancel()
	}
	waitUntil(t, func() bool { return value[int64](t, conn, "select coalesce(sum(alerts), 0) from inbox") == 10_000 })
	if err := db.AcceptAlerts(t.Context(), responder, []alerting.Alert{alert("Down", "critical", "service", "quiet")}); err != nil {
		t.Fatal(err)
	}
	order := value[[]int32](t, conn, "select array_agg(alerts order by urgent desc, id) from inbox")
	if len(order) < 3 || order[0] != 64 || order[1] != 1 {
		t.Errorf("postings will be worked off in the order %v alerts; want the storm's first 64, then the quiet service's", order)
	}
	work(t, db)
	waitUntil(t, func() bool { return value[int64](t, conn, "select count(*) from inbox") == 0 })
	if got := openIncidents(t, db); len(got) != 2 {
		t.Errorf("%d incidents of two services", len(got))
	}
}

func TestTwoReplicasWorkOneInboxWithoutDoingAnythingTwice(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	a, b, conn := openURL(t, url), openURL(t, url), superuser(t, url)
	work(t, a)
	work(t, b)
	var posting sync.WaitGroup
	for n := range 8 {
		posting.Go(func() {
			for i := range 20 {
				db := a
				if (n+i)%2 == 0 {
					db = b
				}
				if err := db.AcceptAlerts(context.Background(), responder, []alerting.Alert{alert("Down", "critical", "service", fmt.Sprint(i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	posting.Wait()
	waitUntil(t, func() bool { return value[int64](t, conn, "select count(*) from inbox") == 0 })
	if n, pages := value[int64](t, conn, "select count(*) from incidents"), value[int64](t, conn, "select count(*) from pages"); n != 20 || pages != 20 {
		t.Errorf("%d incidents and %d pages of 20 services", n, pages)
	}
}

func TestAPostingThatCannotBeWorkedOffHoldsUpNothing(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	db, conn := openURL(t, url), superuser(t, url)
	do(t, conn, `insert into inbox (tenant_id, actor, name, role, urgent, alerts, body, trace) values ('', 'a', 'a', 'responder', true, 1, 'no snappy', '')`)
	work(t, db)
	accept(t, db, alert("Down", "critical"))
	waitUntil(t, func() bool { return len(openIncidents(t, db)) == 1 })
	if n := value[int64](t, conn, "select count(*) from inbox where parked_at is not null and why <> ''"); n != 1 {
		t.Errorf("%d postings are parked", n)
	}
}

func TestTheInboxIsForResponders(t *testing.T) {
	t.Parallel()
	db := open(t)
	viewer := access.Principal{ID: "user:vi", Role: access.Viewer}
	if err := db.AcceptAlerts(context.Background(), viewer, []alerting.Alert{alert("Down", "critical")}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("%v; want forbidden", err)
	}
}
