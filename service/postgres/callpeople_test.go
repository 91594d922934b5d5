package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// by returns a routing by which every alert pages the policy.
func by(p incidents.Policy) postgres.Routing {
	p.Name = "people"
	return postgres.Routing{Router: incidents.Router{Policies: map[string]incidents.Policy{"people": p}, Default: "people"}}
}

func steps(s ...incidents.Step) incidents.Policy { return incidents.Policy{Steps: s} }

func person(name string) incidents.Target { return incidents.Target{User: name + "@nines.example"} }

// accounts makes one for each name.
func accounts(t testing.TB, db *postgres.DB, names ...string) {
	t.Helper()
	for _, name := range names {
		must(db.CreateUser(context.Background(), operator, postgres.User{Email: name + "@nines.example", Role: access.Responder}, password))(t)
	}
}

func called(t testing.TB, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(context.Background(), "select person from pages where action = 'trigger' order by id")
	if err != nil {
		t.Fatal(err)
	}
	return must(pgx.CollectRows(rows, pgx.RowTo[string]))(t)
}

func TestPeopleOfAPolicyAreCalledAndWhoHasNoAccountIsSkippedLoudly(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo")
	do(t, conn, "update users set disabled_at = now() where email = 'ana@nines.example'")
	r := by(steps(incidents.Step{Targets: []incidents.Target{person("ana")}}, incidents.Step{Delay: time.Hour, Targets: []incidents.Target{person("bo")}}))
	receiveBy(t, db, r, alert("Down", "critical"))
	if got := called(t, conn); !slices.Equal(got, []string{"bo@nines.example"}) {
		t.Errorf("called %v", got)
	}
	i := only(t, db)
	if got := kinds(t, db, i.ID); got != "opened nobody_to_page escalated " || i.Step != 2 || i.PagedAs != "people" {
		t.Errorf("timeline %s, step %d, paged as %s", got, i.Step, i.PagedAs)
	}
	c := claim(t, db, 1)[0]
	if c.Page.Person != "bo@nines.example" || c.Page.Number != 1 || c.Page.Method == "" || c.Attempt.Provider != "email" {
		t.Errorf("claimed %+v", c)
	}
}

func TestNobodyReachableShowsInStorage(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receiveBy(t, db, by(steps(incidents.Step{Targets: []incidents.Target{person("eve"), {Schedule: "gone"}}})), alert("Down", "critical"))
	i := only(t, db)
	if i.UnreachableSince == nil || kinds(t, db, i.ID) != "opened nobody_to_page unreachable " {
		t.Errorf("unreachable since %v: %s", i.UnreachableSince, kinds(t, db, i.ID))
	}
	do(t, conn, "update incidents set next_escalation_at = clock_timestamp()")
	if n := must(db.EscalateDue(context.Background(), 10))(t); n != 1 {
		t.Errorf("%d escalated", n)
	}
	if i := only(t, db); i.ExhaustedAt == nil || i.NextEscalationAt != nil {
		t.Errorf("exhausted at %v, next %v", i.ExhaustedAt, i.NextEscalationAt)
	}
	if found := must(db.AuditEscalations(context.Background(), 0))(t); len(found) != 0 {
		t.Errorf("the auditor found %v", found)
	}
}

func TestTurnsAreFairHoweverManyIncidentsOpenAtOnce(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo", "cy")
	r := by(steps(incidents.Step{Strategy: incidents.RoundRobin, Targets: []incidents.Target{person("ana"), person("bo"), person("cy")}}))
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			for k := range 3 {
				if err := db.ReceiveAlerts(context.Background(), responder, alerts(3, fmt.Sprint(n, "-", k)), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	count := map[string]int{}
	for _, who := range called(t, conn) {
		count[who]++
	}
	if len(count) != 3 || count["ana@nines.example"] != 30 || count["bo@nines.example"] != 30 {
		t.Errorf("called %v, want 30 times each", count)
	}
	if next := value[int](t, conn, "select next::int from turns"); next != 90 {
		t.Errorf("%d turns were taken, want 90", next)
	}
}

func TestAnIncidentThatIsRolledBackTakesNoTurn(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo")
	r := by(steps(incidents.Step{Strategy: incidents.RoundRobin, Targets: []incidents.Target{person("ana"), person("bo")}}))
	do(t, conn, `create function fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
	do(t, conn, `create trigger fail before insert on pages for each row execute function fail()`)
	if err := db.ReceiveAlerts(context.Background(), responder, alerts(1, "lost"), r); err == nil {
		t.Fatal("it was received")
	}
	do(t, conn, `drop trigger fail on pages`)
	receiveBy(t, db, r, alerts(1, "kept")...)
	if got := called(t, conn); !slices.Equal(got, []string{"ana@nines.example"}) {
		t.Errorf("called %v", got)
	}
}

func TestAnAcknowledgementEndsByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana")
	p := steps(incidents.Step{Targets: []incidents.Target{person("ana")}})
	p.AcknowledgeTimeout = 30 * time.Minute
	receiveBy(t, db, by(p), alert("Down", "critical"))
	i := must(db.Acknowledge(context.Background(), responder, only(t, db).ID))(t)
	if n := must(db.EscalateDue(context.Background(), 10))(t); n != 0 || i.ReturnAt == nil {
		t.Fatalf("%d were due; it ends at %v", n, i.ReturnAt)
	}
	do(t, conn, "update incidents set return_at = clock_timestamp()")
	if n := must(db.EscalateDue(context.Background(), 10))(t); n != 1 {
		t.Fatalf("%d were due, want 1", n)
	}
	i = only(t, db)
	if i.State != incidents.Triggered || i.Turn != 1 || i.ReturnAt != nil || i.NextEscalationAt == nil {
		t.Errorf("it is %+v", i)
	}
	if got := called(t, conn); len(got) != 2 {
		t.Errorf("called %v", got)
	}
}

func TestWhereEveryoneHasToAcknowledgeOnlyTheAcknowledgersPagesAreDropped(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "rea", "ola")
	receiveBy(t, db, by(steps(incidents.Step{Everyone: true, Targets: []incidents.Target{person("rea"), person("ola")}})), alert("Down", "critical"))
	i := must(db.Acknowledge(context.Background(), responder, only(t, db).ID))(t) // rea
	if !slices.Equal(i.Awaited, []string{"ola@nines.example"}) || i.State != incidents.Acknowledged {
		t.Fatalf("it is %s, awaiting %v", i.State, i.Awaited)
	}
	states := func() string {
		return value[string](t, conn, "select string_agg(split_part(person, '@', 1) || ' ' || state, ', ' order by person) from pages where action = 'trigger'")
	}
	if got := states(); got != "ola pending, rea canceled" {
		t.Errorf("pages: %s", got)
	}
	must(db.Acknowledge(context.Background(), operator, i.ID))(t) // ola
	if got := states(); got != "ola canceled, rea canceled" {
		t.Errorf("pages: %s", got)
	}
}

func TestOfTwoWhoReassignAtOnceOneWinsAndTheOtherIsToldWho(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo")
	receive(t, db, alert("Down", "critical"))
	i, turn := only(t, db), 0
	var wg sync.WaitGroup
	faults := make([]error, 2)
	for n, name := range []string{"ana", "bo"} {
		wg.Go(func() {
			who := access.Principal{ID: "user:" + name, Name: name + "@nines.example", Role: access.Responder}
			_, faults[n] = db.Reassign(context.Background(), who, i.ID, i.Policy.ToPeople([]string{name + "@nines.example"}), &turn)
		})
	}
	wg.Wait()
	if fault.Is(faults[0], fault.Conflict) == fault.Is(faults[1], fault.Conflict) {
		t.Fatalf("they got %v and %v", faults[0], faults[1])
	}
	i = only(t, db)
	if got := called(t, conn); len(got) != 2 || got[1] != i.AssignedBy || got[1] != i.Policy.Name {
		t.Errorf("called %v; assigned to %s by %s", got, i.Policy.Name, i.AssignedBy)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action = 'incident.reassign'"); n != 1 {
		t.Errorf("%d audit records, want 1", n)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where turn = 0 and state <> 'canceled'"); n != 0 {
		t.Errorf("%d pages of the old assignment are left", n)
	}
}

func TestSnoozeReturnsAndTenantsCannotSnooze(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical"))
	i := must(db.Snooze(context.Background(), responder, only(t, db).ID, time.Now().Add(time.Hour)))(t)
	if !i.Snoozed || i.State != incidents.Acknowledged {
		t.Fatalf("it is %+v", i)
	}
	if _, err := db.Snooze(context.Background(), acme, i.ID, time.Now().Add(time.Hour)); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	do(t, conn, "update incidents set return_at = clock_timestamp()")
	must(db.EscalateDue(context.Background(), 10))(t)
	if i := only(t, db); i.State != incidents.Triggered || i.Snoozed {
		t.Errorf("it is %+v", i)
	}
}

// alerts makes several that open an incident each.
func alerts(n int, name string) (out []alerting.Alert) {
	for k := range n {
		out = append(out, alert(fmt.Sprint("Down ", k), "critical", "service", fmt.Sprint(name, "-", k)))
	}
	return out
}

func TestAcknowledgementsEndOnceHoweverManyClocksStrikeAndDie(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo")
	p := steps(incidents.Step{Strategy: incidents.RoundRobin, Targets: []incidents.Target{person("ana"), person("bo")}})
	p.AcknowledgeTimeout = 30 * time.Minute
	const n = 30
	receiveBy(t, db, by(p), alerts(n, "x")...)
	for _, i := range all(t, db) {
		must(db.Acknowledge(context.Background(), responder, i.ID))(t)
	}
	do(t, conn, "update incidents set return_at = clock_timestamp()")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 6 {
		wg.Go(func() {
			for {
				_, _ = db.EscalateDue(context.Background(), 5) // a connection that is cut in between is what this is about
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	left := func() int {
		return value[int](t, conn, "select count(*)::int from incidents where state = 'acknowledged'")
	}
	for deadline := time.Now().Add(20 * time.Second); left() > 0 && time.Now().Before(deadline); {
		do(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity
			where application_name = 'nines paging' and datname = current_database() and state like '%transaction%' limit 1`)
	}
	close(stop)
	wg.Wait()
	for what, want := range map[string]int{
		"select count(*)::int from incidents where state = 'triggered' and turn = 1 and next_escalation_at is not null": n,
		"select count(*)::int from pages where action = 'trigger' and turn = 1":                                         n,
		"select count(*)::int from timeline where kind = 'acknowledgement_ended'":                                       n,
		"select next::int from turns": 2 * n,
		"select count(*)::int from pages where action = 'trigger' and person = 'ana@nines.example'": n,
	} {
		if got := value[int](t, conn, what); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
}

func TestWhoIsNextInTurnIsPagedWhereAPageIsRefused(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "cy")
	r := by(steps(incidents.Step{Strategy: incidents.RoundRobin, Targets: []incidents.Target{person("ana"), person("bo"), person("cy")}},
		incidents.Step{Delay: time.Hour, Targets: []incidents.Target{person("ana")}}))
	receiveBy(t, db, r, alert("Down", "critical"))
	finish(t, db, claim(t, db, 1)[0], incidents.OutcomeFailed)
	if got := called(t, conn); !slices.Equal(got, []string{"ana@nines.example", "cy@nines.example"}) {
		t.Fatalf("called %v", got)
	}
	finish(t, db, claim(t, db, 1)[0], incidents.OutcomeFailed)
	if got := called(t, conn); len(got) != 3 || only(t, db).Step != 2 {
		t.Errorf("called %v, at step %d", got, only(t, db).Step)
	}
}

func TestATenantsAlertsCallTheOperatorsPeopleInTurn(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo")
	r := by(steps(incidents.Step{Strategy: incidents.RoundRobin, Targets: []incidents.Target{person("ana"), person("bo")}}))
	for n := range 4 {
		a := alert("Down", "critical", "service", fmt.Sprint("s", n), "tenant", "acme")
		a.Tenant = "acme"
		if err := db.ReceiveAlerts(context.Background(), acme, []alerting.Alert{a}, r); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"ana@nines.example", "bo@nines.example", "ana@nines.example", "bo@nines.example"}
	if got := called(t, conn); !slices.Equal(got, want) {
		t.Errorf("called %v, want %v", got, want)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where tenant_id = 'acme'"); n != 4 {
		t.Errorf("%d pages are the tenant's, want 4", n)
	}
	if found := must(db.Incidents(context.Background(), access.Tenant("globex"), incidents.Filter{}))(t); len(found) != 0 {
		t.Errorf("another tenant sees %d", len(found))
	}
}

func TestWhoeverIsOnCallAtTheMomentOfPagingIsCalled(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo")
	on := atomic.Pointer[string]{}
	set := func(name string) { on.Store(&name) }
	set("ana@nines.example")
	db.UseSchedules(func() map[string]oncall.Schedule {
		return map[string]oncall.Schedule{"primary": {Name: "primary", Zone: time.UTC, Layers: []oncall.Layer{{Name: "all", Rotation: oncall.Rotation{
			Unit: oncall.Weekly, Length: 1, Start: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), Zone: time.UTC, Parties: [][]string{{*on.Load()}},
		}}}}}
	})
	p := steps(incidents.Step{Targets: []incidents.Target{{Schedule: "primary"}}},
		incidents.Step{Delay: time.Hour, Targets: []incidents.Target{{Schedule: "primary"}}},
		incidents.Step{Delay: time.Hour, Targets: []incidents.Target{{Schedule: "secondary"}, person("bo")}})
	receiveBy(t, db, by(p), alert("Down", "critical"))
	set("bo@nines.example") // a handoff
	for range 2 {
		do(t, conn, "update incidents set next_escalation_at = clock_timestamp()")
		must(db.EscalateDue(context.Background(), 10))(t)
	}
	want := []string{"ana@nines.example", "bo@nines.example", "bo@nines.example"}
	if got := called(t, conn); !slices.Equal(got, want) {
		t.Errorf("called %v, want %v", got, want)
	}
	if got := kinds(t, db, only(t, db).ID); !strings.Contains(got, "nobody_to_page") { // the schedule secondary is not defined
		t.Errorf("timeline %s", got)
	}
}
