package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// addIncidentSQL makes an incident of a service and tenant, without what opens it.
const addIncidentSQL = `
insert into incidents (tenant_id, id, group_key, title, summary, severity, state, service, slo, labels, runbook_url, policy, step, loop,
    started_at, opened_at, acknowledged_by, resolved_at, resolved_by, updated_at, trace)
values ($1, gen_random_uuid(), gen_random_uuid()::text, $2, '', 'critical', case when $5::timestamptz is null then 'triggered' else 'resolved' end,
    $3, '', $6, '', '{}', 0, 0, $4, $4, '', $5, '', $4, '')
returning id::text`

type lived struct {
	tenant, service string
	events          []incidents.Event
	merged          bool
}

// live makes up the life of an incident and writes it.
func live(t testing.TB, conn *pgx.Conn, rnd *rand.Rand, start time.Time) lived {
	l := lived{tenant: []string{"", "acme"}[rnd.IntN(2)], service: fmt.Sprint("s", rnd.IntN(3))}
	at := start.Add(time.Duration(rnd.IntN(14*24*3600)) * time.Second)
	say := func(kind incidents.EventKind, actor string, detail map[string]any) {
		l.events = append(l.events, incidents.Event{At: at, Kind: kind, Actor: actor, Detail: detail})
		at = at.Add(time.Duration(rnd.IntN(7200)) * time.Second)
	}
	say(incidents.EventOpened, "system:engine", nil)
	for step := 1; step <= rnd.IntN(4); step++ {
		if rnd.IntN(4) == 0 {
			again := at
			say(incidents.EventEscalated, "user:ana", nil)
			at = again
		}
		say(incidents.EventEscalated, "system:pager", map[string]any{"step": float64(step), "loop": 0.0})
		say(incidents.EventPageSent, "system:pager", map[string]any{"action": []string{"trigger", "resolve"}[rnd.IntN(2)]})
	}
	var resolved *time.Time
	if rnd.IntN(3) > 0 {
		say([]incidents.EventKind{incidents.EventAcknowledged, incidents.EventNote}[rnd.IntN(2)], "user:ana", nil)
	}
	if rnd.IntN(4) > 0 {
		over := at
		resolved = &over
		if l.merged = rnd.IntN(6) == 0; l.merged {
			say(incidents.EventMerged, "user:ana", map[string]any{"into": "another"})
		}
		say(incidents.EventResolved, []string{"system:engine", "user:ana"}[rnd.IntN(2)], nil)
	}
	id := value[string](t, conn, addIncidentSQL, l.tenant, "Trouble", l.service, l.events[0].At, resolved, `{}`)
	for _, e := range l.events {
		detail, _ := json.Marshal(e.Detail)
		do(t, conn, `insert into timeline (tenant_id, incident_id, at, kind, actor, name, text, detail) values ($1, $2, $3, $4, $5, '', '', $6)`,
			l.tenant, id, e.At, e.Kind, e.Actor, string(detail))
	}
	return l
}

func TestFiguresAreWhatTheTimelineTells(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	zone, err := time.LoadLocation("America/St_Johns")
	if err != nil {
		t.Fatal(err)
	}
	start, rnd := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), rand.New(rand.NewPCG(1, 2))
	var all []lived
	for range 120 {
		all = append(all, live(t, conn, rnd, start))
	}
	filter := incidents.FiguresFilter{From: start, To: start.AddDate(0, 0, 14), Zone: zone, Teams: map[string]string{"s0": "red", "s1": "red"}}
	keys := map[incidents.Grouping]func(lived) string{
		incidents.Together: func(lived) string { return "" }, incidents.ByService: func(l lived) string { return l.service },
		incidents.ByTenant: func(l lived) string { return l.tenant }, incidents.ByTeam: func(l lived) string { return filter.Teams[l.service] },
	}
	for by, key := range keys {
		filter.By = by
		got := must(db.Figures(context.Background(), access.Operator(), filter))(t)
		want := figured(all, key, zone)
		if len(got) != len(want) {
			t.Errorf("by %q: %d groups, want %d", by, len(got), len(want))
		}
		for _, g := range got {
			sameFigures(t, g, want[g.Key])
		}
	}
}

// figured computes the figures from the timelines alone.
func figured(all []lived, key func(lived) string, zone *time.Location) map[string]incidents.Figures {
	facts := map[string][]incidents.Course{}
	gaps, openings := map[string][]float64{}, map[[2]string][]time.Time{}
	keyOf := map[[2]string]string{}
	for _, l := range all {
		facts[key(l)] = append(facts[key(l)], incidents.CourseOf(l.events, zone))
		if l.merged {
			continue
		}
		of := [2]string{l.tenant, l.service}
		openings[of], keyOf[of] = append(openings[of], l.events[0].At), key(l)
	}
	for of, times := range openings {
		gaps[keyOf[of]] = append(gaps[keyOf[of]], incidents.Gaps(times)...)
	}
	out := map[string]incidents.Figures{}
	for k, f := range facts {
		figures := incidents.Figure(k, f)
		figures.Between = incidents.SpreadOf(gaps[k])
		out[k] = figures
	}
	return out
}

func sameFigures(t *testing.T, got, want incidents.Figures) {
	t.Helper()
	for name, pair := range map[string][2]incidents.Spread{
		"acknowledge": {got.Acknowledge, want.Acknowledge}, "resolve": {got.Resolve, want.Resolve},
		"between": {got.Between, want.Between}, "engage": {got.Engage, want.Engage},
	} {
		g, w := pair[0], pair[1]
		if g.Over != w.Over || !near(g.Mean, w.Mean) || !near(g.Median, w.Median) || !near(g.P90, w.P90) {
			a, _ := json.Marshal(g)
			b, _ := json.Marshal(w)
			t.Errorf("%q: %s is %s, want %s", got.Key, name, a, b)
		}
	}
	for _, f := range []*incidents.Figures{&got, &want} {
		f.Acknowledge, f.Resolve, f.Between, f.Engage = incidents.Spread{}, incidents.Spread{}, incidents.Spread{}, incidents.Spread{}
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func near(a, b *float64) bool {
	return (a == nil) == (b == nil) && (a == nil || math.Abs(*a-*b) < 1e-6*max(1, math.Abs(*b)))
}

func TestATenantsFiguresAreOfItsOwnIncidents(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	start := time.Now().Add(-time.Hour)
	for _, tenant := range []string{"", "acme", "acme", "other"} {
		value[string](t, conn, addIncidentSQL, tenant, "Trouble", "shop", start, nil, `{}`)
	}
	got := must(db.Figures(context.Background(), access.Tenant("acme"), incidents.FiguresFilter{From: start.Add(-time.Hour), To: time.Now()}))(t)
	if len(got) != 1 || got[0].Incidents != 2 {
		t.Errorf("got %+v", got)
	}
}
