package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// What an auditor would ask of the timeline, one plain question for each figure. $1 and $2 are the period, $3 the services.
const (
	askMTTA = `
select avg(extract(epoch from a.at - o.at))::float8
from timeline o
join incidents i on i.id = o.incident_id and i.service = any($3)
join lateral (select min(at) as at from timeline where incident_id = o.incident_id and kind = 'acknowledged') a on true
where o.kind = 'opened' and o.at >= $1 and o.at < $2
    and not exists (select from timeline m where m.incident_id = o.incident_id and m.kind = 'merged')`
	askMTTR = `
select avg(extract(epoch from r.at - o.at))::float8
from timeline o, timeline r, incidents i
where o.kind = 'opened' and r.kind = 'resolved' and r.incident_id = o.incident_id and i.id = o.incident_id and i.service = any($3)
    and o.at >= $1 and o.at < $2 and o.incident_id not in (select incident_id from timeline where kind = 'merged')`
	// A shift begins where a person comes on call who was not. A page is a shift's where its person was on call by then.
	askPagesAShift = `
with asked as (select id, policy->'steps'->0->'targets'->0->>'schedule' as schedule from incidents
    where service = any($3) and opened_at >= $1 and opened_at < $2),
duty as (select h.* from oncall_history h where h.schedule in (select schedule from asked)
    and h.started_at < $2 and (h.ended_at is null or h.ended_at > $1)),
pages as (select (select person from pages where id = (t.detail->>'page')::bigint) as person, t.at from timeline t
    where t.kind = 'page_sent' and t.detail->>'action' = 'trigger' and t.at < $2 and t.incident_id in (select id from asked))
select (select count(*) from pages p where exists (select from duty d where d.person = p.person and d.started_at <= p.at
        and (d.ended_at is null or p.at < d.ended_at)))::float8
    / nullif((select count(*) from duty d where not exists (select from duty b where b.person = d.person and b.id <> d.id
        and (b.started_at < d.started_at or b.started_at = d.started_at and b.id < d.id)
        and (b.ended_at is null or b.ended_at >= d.started_at))), 0)`
)

// callSomebody makes an incident of a service whose policy calls a schedule, and its pages to people.
func callSomebody(t testing.TB, conn *pgx.Conn, rnd *rand.Rand, start time.Time, service, schedule string, people []string) {
	t.Helper()
	opened := start.Add(time.Duration(rnd.IntN(14*24*3600)) * time.Second)
	id := value[string](t, conn, addIncidentSQL, "", "Trouble", service, opened, nil, `{}`)
	do(t, conn, `update incidents set policy = jsonb_build_object('steps', jsonb_build_array(
		jsonb_build_object('targets', jsonb_build_array(jsonb_build_object('schedule', $2::text))),
		jsonb_build_object('targets', '[{"user": "rea@nines.example"}]'::jsonb))) where id = $1::uuid`, id, schedule)
	say := func(at time.Time, kind incidents.EventKind, actor, detail string) {
		do(t, conn, `insert into timeline (tenant_id, incident_id, at, kind, actor, name, text, detail) values ('', $1, $2, $3, $4, '', '', $5)`,
			id, at, kind, actor, detail)
	}
	say(opened, incidents.EventOpened, "system:engine", "{}")
	at := opened
	for n := range rnd.IntN(5) {
		at = at.Add(time.Duration(1+rnd.IntN(7200)) * time.Second)
		person, action := people[rnd.IntN(len(people))], []string{"trigger", "trigger", "resolve"}[rnd.IntN(3)]
		page := value[int64](t, conn, `insert into pages (tenant_id, incident_id, action, step, loop, target, target_key, dedup_key, state, next_at,
			created_at, trace, person, number) values ('', $1, $2, 1, 0, '{}', 'x', '', 'sent', $3, $3, '', $4, $5) returning id`,
			id, action, at, person, n)
		say(at, incidents.EventPageSent, "system:pager", fmt.Sprintf(`{"action": %q, "page": %d}`, action, page))
	}
	if rnd.IntN(3) > 0 {
		for range 2 {
			at = at.Add(time.Duration(1+rnd.IntN(3600)) * time.Second)
			say(at, incidents.EventAcknowledged, "user:ana", "{}")
		}
	}
	if rnd.IntN(6) == 0 {
		say(at, incidents.EventMerged, "user:ana", `{"into": "another"}`)
	}
	if rnd.IntN(3) > 0 {
		say(at.Add(time.Hour), incidents.EventResolved, "system:engine", "{}")
	}
}

func TestFiguresAreWhatPlainQuestionsToTheTimelineAnswer(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	start, rnd := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), rand.New(rand.NewPCG(5, 8))
	people := []string{"ana@nines.example", "bea@nines.example", "cal@nines.example"}
	for _, schedule := range []string{"first", "second"} { // one day each in turn, some with a gap before the next; cal is never relieved
		for day := range 20 {
			person := people[rnd.IntN(2)]
			do(t, conn, `insert into oncall_history (schedule, person, started_at, ended_at) values ($1, $2, $3, $4)`, schedule, person,
				start.AddDate(0, 0, day-3), start.AddDate(0, 0, day-2).Add(-time.Duration(rnd.IntN(3))*6*time.Hour))
		}
	}
	do(t, conn, `insert into oncall_history (schedule, person, started_at) values ('second', $1, $2)`, people[2], start.AddDate(0, 0, 4))
	for n := range 120 {
		service := n % 3
		callSomebody(t, conn, rnd, start, fmt.Sprint("s", service), []string{"first", "second", "first"}[service], people)
	}
	teams := map[string]string{"s0": "red", "s1": "red", "s2": "blue"}
	of := map[incidents.Grouping]map[string][]string{
		incidents.Together: {"": {"s0", "s1", "s2"}}, incidents.ByService: {"s0": {"s0"}, "s1": {"s1"}, "s2": {"s2"}},
		incidents.ByTeam: {"red": {"s0", "s1"}, "blue": {"s2"}}, incidents.ByTenant: {"": {"s0", "s1", "s2"}},
	}
	for _, days := range [][2]int{{0, 14}, {0, 7}, {7, 14}, {3, 6}} {
		from, to := start.AddDate(0, 0, days[0]), start.AddDate(0, 0, days[1])
		for by, groups := range of {
			found := must(db.Figures(context.Background(), access.Operator(), incidents.FiguresFilter{From: from, To: to, By: by, Teams: teams}))(t)
			if len(found) != len(groups) {
				t.Fatalf("%d groups by %q, want %d", len(found), by, len(groups))
			}
			for _, f := range found {
				for name, pair := range map[string]struct {
					ask  string
					mean *float64
				}{"MTTA": {askMTTA, f.Acknowledge.Mean}, "MTTR": {askMTTR, f.Resolve.Mean}, "pages a shift": {askPagesAShift, f.Shift.Mean}} {
					want := value[*float64](t, conn, pair.ask, from, to, groups[f.Key])
					if want == nil || !near(pair.mean, want) {
						t.Errorf("days %v by %q of %q: %s is %v, the timeline says %v", days, by, f.Key, name, shown(pair.mean), shown(want))
					}
				}
			}
		}
	}
}

// The report counts what was sent and not what was planned, by the same entries as the figures.
func TestThePagesOfAPersonAreThoseThatTheTimelinesSayWereSent(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	start, rnd := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), rand.New(rand.NewPCG(5, 8))
	people := []string{"ana@nines.example", "bea@nines.example"}
	for range 40 {
		callSomebody(t, conn, rnd, start, "shop", "first", people)
	}
	do(t, conn, `insert into pages (tenant_id, incident_id, action, step, loop, target, target_key, dedup_key, state, next_at, created_at, trace, person)
		select '', id, 'trigger', 2, 0, '{}', 'x', '', 'canceled', opened_at, opened_at, '', 'ana@nines.example' from incidents`)
	from, to := start.AddDate(0, 0, 2), start.AddDate(0, 0, 9)
	got := map[string]int{}
	for _, p := range must(db.PagesOf(context.Background(), access.Operator(), from, to))(t) {
		got[p.Person]++
	}
	for _, person := range people {
		want := value[int](t, conn, `select count(*)::int from timeline where kind = 'page_sent' and detail->>'action' = 'trigger' and at >= $1 and at < $2
			and (detail->>'page')::bigint in (select id from pages where person = $3)`, from, to, person)
		if want == 0 || got[person] != want {
			t.Errorf("%s got %d pages, want %d", person, got[person], want)
		}
	}
}

func TestEverybodySleepsByTheirOwnClock(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	for email, zone := range map[string]string{"ana@nines.example": "Asia/Tokyo", "bea@nines.example": ""} {
		do(t, conn, "insert into users (tenant_id, email, role, password_hash, zone) values ('', $1, 'responder', 'x', $2)", email, zone)
	}
	zones := must(db.Zones(context.Background(), access.Operator()))(t)
	if got := zones["ana@nines.example"].String(); got != "Asia/Tokyo" {
		t.Errorf("ana sleeps by %s", got)
	}
	if got := zones["bea@nines.example"]; got != nil && got != time.UTC {
		t.Errorf("bea sleeps by %s, and never said so", got)
	}
}

func shown(f *float64) string {
	if f == nil {
		return "unknown"
	}
	return fmt.Sprint(*f)
}
