package service

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/internal/pgtest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/telemetry"
	"github.com/prometheus/client_golang/prometheus"
)

// stored is a plane with real storage and these definitions, and the URL of its database for a superuser.
func stored(t *testing.T, yaml string) (*plane, string) {
	t.Helper()
	ctx := context.Background()
	server := &pgtest.Server{}
	t.Cleanup(server.Stop)
	url := server.Empty(t)
	db, err := postgres.Open(ctx, postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	p := &plane{db: db, log: slog.New(slog.DiscardHandler), metrics: metrics{runs: telemetry.NewRunMetrics(prometheus.NewRegistry())}, definitions: definitions.New(db, func(string) bool { return true })}
	_, err = p.definitions.Apply(ctx, access.Principal{ID: "user:ed", Name: "Ed", Role: access.Editor}, []manifest.File{{Name: "d.yaml", Text: yaml}}, false)
	if err != nil {
		t.Fatal(err)
	}
	return p, server.AsSuperuser(t, url)
}

func TestSilencesAndHeartbeatsAreSeenAtOnce(t *testing.T) {
	ctx := context.Background()
	p, url := stored(t, `
apiVersion: nines/v1
kind: Heartbeat
metadata: {name: backup}
spec: {interval: 1h, labels: {team: db}, severity: critical}
`)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	responder := access.Principal{ID: "user:rita", Name: "Rita", Role: access.Responder}
	beats, quiet := heartbeats{p}, silences{p.db, p}
	if _, err := beats.PingHeartbeat(ctx, responder, "unknown"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a heartbeat that is not defined: %v", err)
	}
	if _, err := beats.PingHeartbeat(ctx, responder, "backup"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "update heartbeats set last_at = last_at - interval '2 hours'"); err != nil {
		t.Fatal(err)
	}
	if err := p.watchHeartbeats(ctx); err != nil {
		t.Fatal(err)
	}
	states, err := beats.HeartbeatStates(ctx, access.Operator())
	if err != nil || len(states) != 1 || !states[0].Overdue {
		t.Errorf("%v: %+v", err, states)
	}
	if states, _ := beats.HeartbeatStates(ctx, access.Tenant("acme")); len(states) != 0 {
		t.Errorf("acme sees %+v", states)
	}
	held := func() string {
		t.Helper()
		open, err := p.db.Incidents(ctx, access.Operator(), incidents.Filter{States: []incidents.State{incidents.Triggered}})
		if err != nil || len(open) != 1 {
			t.Fatalf("%v: %d incidents", err, len(open))
		}
		return open[0].Held
	}
	now := time.Now().UTC()
	s, err := quiet.PutSilence(ctx, responder, alerting.Silence{
		Matchers: []alerting.Matcher{{Name: "team", Value: "db", IsEqual: true}}, StartsAt: now, EndsAt: now.Add(time.Hour),
	})
	if err != nil || held() == "" {
		t.Errorf("%v: held by %q right after it was silenced", err, held())
	}
	if err := quiet.ExpireSilence(ctx, responder, s.ID); err != nil || held() != "" {
		t.Errorf("%v: held by %q right after the silence ended", err, held())
	}
	if _, err := beats.PingHeartbeat(ctx, responder, "backup"); err != nil {
		t.Fatal(err)
	}
	if firing, err := p.db.Alerts(ctx, access.Operator(), postgres.AlertFilter{Active: true}); err != nil || len(firing) != 0 {
		t.Errorf("%v: %d alerts fire right after the ping", err, len(firing))
	}
}
