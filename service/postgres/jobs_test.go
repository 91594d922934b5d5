package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestJobsRunAtStartOnceForAllReplicas(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var (
		hourly, failing atomic.Int64
		wg              sync.WaitGroup
		mu              sync.Mutex
		seen            = map[string]error{}
	)
	jobs := []postgres.Job{
		{Name: "hourly", Every: time.Hour, Run: func(context.Context) error { hourly.Add(1); return nil }},
		{Name: "failing", Every: time.Hour, Run: func(context.Context) error { failing.Add(1); panic("no") }},
	}
	for range 2 {
		db := openURL(t, url)
		j, err := db.Jobs(ctx, jobs, func(job string, err error, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			seen[job] = err
		})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := j.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for deadline := time.Now().Add(20 * time.Second); (hourly.Load() == 0 || failing.Load() == 0) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	if n := hourly.Load(); n != 1 {
		t.Errorf("two replicas ran it %d times, want once", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if seen["hourly"] != nil || seen["failing"] == nil || !strings.Contains(seen["failing"].Error(), "panicked") {
		t.Errorf("observed: %v", seen)
	}
}

func TestJobsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	db := open(t)
	run := func(context.Context) error { return errors.New("never") }
	for name, jobs := range map[string][]postgres.Job{
		"twice":     {{Name: "a", Every: time.Hour, Run: run}, {Name: "a", Every: time.Hour, Run: run}},
		"no name":   {{Every: time.Hour, Run: run}},
		"nothing":   {{Name: "a", Every: time.Hour}},
		"too often": {{Name: "a", Every: time.Millisecond, Run: run}},
	} {
		if _, err := db.Jobs(context.Background(), jobs, nil); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTheCollectorTellsOfOutboxIncidentsAndLedger(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical"), alert("Slow", "warning"))
	do(t, conn, "update pages set created_at = now() - interval '1 hour'")
	if err := db.PutBuckets(context.Background(), "shop", time.Now().Add(-time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(db.Collector())
	want := `
# HELP nines_incidents_open Open incidents by state and severity.
# TYPE nines_incidents_open gauge
nines_incidents_open{severity="critical",state="acknowledged"} 0
nines_incidents_open{severity="critical",state="triggered"} 1
nines_incidents_open{severity="error",state="acknowledged"} 0
nines_incidents_open{severity="error",state="triggered"} 0
nines_incidents_open{severity="info",state="acknowledged"} 0
nines_incidents_open{severity="info",state="triggered"} 0
nines_incidents_open{severity="warning",state="acknowledged"} 0
nines_incidents_open{severity="warning",state="triggered"} 1
# HELP nines_outbox_pages Pages in the outbox that are not done, by state; failed ones stay.
# TYPE nines_outbox_pages gauge
nines_outbox_pages{state="failed"} 0
nines_outbox_pages{state="pending"} 1
nines_outbox_pages{state="sending"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "nines_incidents_open", "nines_outbox_pages"); err != nil {
		t.Error(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if name := f.GetName(); name == "nines_ledger_lag_seconds" || name == "nines_outbox_oldest_seconds" {
			if v := f.GetMetric()[0].GetGauge().GetValue(); v < 3599 || v > 3700 {
				t.Errorf("%s is %v, want about an hour", name, v)
			}
		}
	}
}

func TestChangesAreHeardOfOnceCommitted(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changes := make(chan postgres.Change, 100)
	ended := make(chan error, 1)
	go func() { ended <- db.Listen(ctx, func(c postgres.Change) { changes <- c }) }()
	for range 10 { // at first every topic
		if c := <-changes; c.ID != "" {
			t.Errorf("heard %+v", c)
		}
	}
	a := alert("Down", "critical", "tenant", "acme")
	receive(t, db, a)
	i := only(t, db)
	heard := map[postgres.Change]bool{}
	for range 3 {
		heard[<-changes] = true
	}
	for _, want := range []postgres.Change{
		{Topic: postgres.TopicIncident, Tenant: "acme", ID: i.ID}, {Topic: postgres.TopicPage, Tenant: "acme", ID: i.ID}, {Topic: postgres.TopicAlert, Tenant: "acme"},
	} {
		if !heard[want] {
			t.Errorf("did not hear %+v but %v", want, heard)
		}
	}
	receive(t, db, again(a))
	must(db.ApplyDefinitions(ctx, operator, nil, false, false))(t)
	must(db.Acknowledge(ctx, operator, i.ID))(t)
	if c := <-changes; c.Topic != postgres.TopicIncident || c.ID != i.ID {
		t.Errorf("what changed nothing was told: %+v", c)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("a clean end: %v", err)
	}
}
