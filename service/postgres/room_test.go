package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

var say = incidents.Reminding{BaseURL: "https://nines.example"}

// letters returns the e-mails that wait to be sent, as "kind to: subject".
func letters(t testing.TB, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(context.Background(), "select kind || ' ' || recipient || ': ' || subject from reminders order by id")
	if err != nil {
		t.Fatal(err)
	}
	return must(pgx.CollectRows(rows, pgx.RowTo[string]))(t)
}

func actions(t testing.TB, conn *pgx.Conn, action string) int {
	t.Helper()
	return value[int](t, conn, "select count(*)::int from audit where action = $1", action)
}

// declare opens an incident by hand that pages by the router's default.
func declare(d incidents.Declaration, fingerprints ...string) postgres.Declaring {
	return postgres.Declaring{Declaration: d, Fingerprints: fingerprints, Router: router, Policy: func(incidents.Declaration) (incidents.Policy, error) {
		return router.Policies["default"], nil
	}}
}

func TestAnIncidentDeclaredByHandPagesAndIsResolvedByPeopleAlone(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "cora")
	silent := alert("Slow", "warning", "service", "shop")
	receive(t, db, silent)
	first := only(t, db)
	must(db.Resolve(t.Context(), responder, first.ID, "too noisy"))(t)
	i := must(db.Declare(t.Context(), responder, declare(incidents.Declaration{Title: "Checkout fails", Level: 1, Service: "shop",
		Commander: "cora@nines.example"}, silent.Fingerprint)))(t)
	if i.Level != 1 || i.Severity != incidents.Critical || i.DeclaredBy != responder.Name || i.Roles[incidents.Commander] != "cora@nines.example" ||
		!i.StartedAt.Equal(silent.StartsAt.Truncate(time.Microsecond)) || i.Number != 2 {
		t.Errorf("got %+v", i)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where incident_id = $1 and action = 'trigger'", i.ID); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
	receive(t, db, ended(silent))
	if i = must(db.Incident(t.Context(), access.Operator(), i.ID))(t); i.ResolveAt != nil || i.State != incidents.Triggered {
		t.Errorf("after its alerts ended it is %s, to be resolved at %v", i.State, i.ResolveAt)
	}
	if got := kinds(t, db, i.ID); got != "opened escalated role_changed alert_ended " {
		t.Errorf("timeline: %s", got)
	}
	if n := actions(t, conn, "incident.declare"); n != 1 {
		t.Errorf("%d audit records", n)
	}
}

func TestAlertsThatCannotBeDeclaredForAreNamed(t *testing.T) {
	t.Parallel()
	db := open(t)
	a := alert("Down", "critical")
	receive(t, db, a)
	_, err := db.Declare(t.Context(), responder, declare(incidents.Declaration{Title: "x", Level: 1}, a.Fingerprint))
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "incident 1 stands for Down") {
		t.Errorf("an alert of an open incident: %v", err)
	}
	if _, err = db.Declare(t.Context(), responder, declare(incidents.Declaration{Title: "x", Level: 1}, "f00")); !fault.Is(err, fault.Invalid) {
		t.Errorf("an alert that is not there: %v", err)
	}
	if _, err = db.Declare(t.Context(), responder, declare(incidents.Declaration{Title: "x", Level: 1, Commander: "no@nines.example"})); !fault.Is(err, fault.Invalid) {
		t.Errorf("a commander without an account: %v", err)
	}
	viewer := access.Principal{ID: "user:v", Name: "v@nines.example", Role: access.Viewer}
	if _, err = db.Declare(t.Context(), viewer, declare(incidents.Declaration{Title: "x", Level: 1})); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a viewer: %v", err)
	}
	if found := all(t, db); len(found) != 1 {
		t.Errorf("there are %d incidents, want 1", len(found))
	}
}

func TestAWorseLevelPagesWhoWasNotPagedYet(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Slow", "warning", "service", "shop"))
	i := only(t, db)
	if i.Level != 4 {
		t.Errorf("opened as %s, want SEV4", i.Level)
	}
	must(db.Acknowledge(t.Context(), responder, i.ID))(t)
	i = must(db.Rate(t.Context(), responder, i.ID, incidents.Rating{Impact: incidents.ImpactEveryone, Reason: "all shops"}, incidents.Matrix{}, router.Policies["default"]))(t)
	if i.Level != 3 || i.Severity != incidents.Error || i.State != incidents.Triggered || i.RatedBy != responder.Name {
		t.Errorf("got %s %s %s by %s", i.Level, i.Severity, i.State, i.RatedBy)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where action = 'trigger'"); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
	i = must(db.Rate(t.Context(), responder, i.ID, incidents.Rating{Level: 5}, incidents.Matrix{}, router.Policies["default"]))(t)
	if i.Level != 5 || i.Severity != incidents.Error {
		t.Errorf("a milder level: %s %s", i.Level, i.Severity)
	}
}

// TestOfTwoWhoTakeARoleOneWinsAndTheOtherIsTold runs many at once.
func TestOfTwoWhoTakeARoleOneWinsAndTheOtherIsTold(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical"))
	i := only(t, db)
	names := []string{"ana", "bo", "cy", "di", "ed"}
	accounts(t, db, names...)
	var wins, told int
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			who := access.Principal{ID: "user:" + name, Name: name + "@nines.example", Role: access.Responder}
			_, err := db.Cast(context.Background(), who, i.ID, incidents.Casting{Role: incidents.Commander, Person: who.Name}, say)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				wins++
			case fault.Is(err, fault.Conflict) && strings.Contains(err.Error(), "@nines.example is commander of incident 1 already"):
				told++
			default:
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	if wins != 1 || told != len(names)-1 {
		t.Errorf("%d won and %d were told", wins, told)
	}
	holder := must(db.Incident(t.Context(), access.Operator(), i.ID))(t).Roles[incidents.Commander]
	next := "ana@nines.example"
	if holder == next {
		next = "bo@nines.example"
	}
	must(db.Cast(t.Context(), responder, i.ID, incidents.Casting{Role: incidents.Commander, Person: next, From: holder}, say))(t)
	if got := letters(t, conn); len(got) != 1 || !strings.HasPrefix(got[0], "role "+next+": You are commander of #1") {
		t.Errorf("letters: %q", got)
	}
	if n := actions(t, conn, "incident.cast"); n != 2 {
		t.Errorf("%d audit records, want 2", n)
	}
}

func TestTasksAreCountedWithinTheirIncidentAndNoChangeIsLost(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "bo")
	receive(t, db, alert("Down", "critical"))
	i := only(t, db)
	text, owner := func(s string) *string { return &s }, "bo@nines.example"
	var all sync.WaitGroup
	for n := range 6 {
		all.Go(func() {
			_, err := db.AddTask(context.Background(), responder, i.ID, incidents.TaskEdit{Text: text(fmt.Sprint("task ", n)), Owner: &owner}, say)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	tasks := must(db.Tasks(t.Context(), access.Operator(), i.ID))(t)
	for n, task := range tasks {
		if task.Number != n+1 || task.State != incidents.TaskOpen || task.Revision != 1 {
			t.Errorf("task %d: %+v", n+1, task)
		}
	}
	if got := letters(t, conn); len(tasks) != 6 || len(got) != 6 || !strings.HasPrefix(got[0], "task bo@nines.example: Task ") {
		t.Errorf("%d tasks, letters %q", len(tasks), got)
	}
	done, seen := incidents.TaskDone, 1
	task := must(db.EditTask(t.Context(), responder, i.ID, 2, incidents.TaskEdit{State: &done, Revision: &seen}, say))(t)
	if task.ClosedBy != responder.Name || task.ClosedAt == nil {
		t.Errorf("done: %+v", task)
	}
	if _, err := db.EditTask(t.Context(), responder, i.ID, 2, incidents.TaskEdit{Text: text("else"), Revision: &seen}, say); !fault.Is(err, fault.Conflict) {
		t.Errorf("changed meanwhile: %v", err)
	}
	if _, err := db.EditTask(t.Context(), responder, i.ID, 9, incidents.TaskEdit{State: &done}, say); !fault.Is(err, fault.NotFound) {
		t.Errorf("no such task: %v", err)
	}
	late := time.Now().Add(-time.Minute)
	must(db.EditTask(t.Context(), responder, i.ID, 3, incidents.TaskEdit{DueAt: &late}, say))(t)
	for range 2 {
		must(db.PlanReminders(t.Context(), say, nil))(t)
	}
	if got := letters(t, conn); len(got) != 7 || got[6] != "task_due bo@nines.example: Task 3 of #1 was due" {
		t.Errorf("letters %q", got)
	}
}

func TestStatusUpdatesReachThoseWhoAreToHearThem(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical", "service", "shop")
	a.Tenant = "acme"
	receive(t, db, a)
	i := only(t, db)
	subscribe := func(who access.Principal, s incidents.Subscriber) incidents.Subscriber {
		t.Helper()
		return must(db.Subscribe(t.Context(), who, s))(t)
	}
	viewer := access.Principal{ID: "user:v", Name: "vi@nines.example", Role: access.Viewer}
	subscribe(viewer, incidents.Subscriber{})
	subscribe(responder, incidents.Subscriber{Address: "cto@nines.example", Level: 2})
	subscribe(responder, incidents.Subscriber{Address: "mild@nines.example", Level: 1})
	subscribe(responder, incidents.Subscriber{Address: "press@paper.example", PublicOnly: true, Service: "shop"})
	subscribe(responder, incidents.Subscriber{Address: "other@nines.example", Service: "mail"})
	mine := subscribe(acme, incidents.Subscriber{Incident: i.ID})
	subscribe(globex, incidents.Subscriber{})
	if _, err := db.Subscribe(t.Context(), viewer, incidents.Subscriber{Address: "boss@nines.example"}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a viewer subscribes another: %v", err)
	}
	if _, err := db.Subscribe(t.Context(), acme, incidents.Subscriber{Address: "boss@acme.example"}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a tenant's admin subscribes another: %v", err)
	}
	if _, err := db.Subscribe(t.Context(), globex, incidents.Subscriber{Incident: i.ID}); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant's incident: %v", err)
	}
	tell := func(s incidents.Statement) []string {
		t.Helper()
		do(t, conn, "delete from reminders")
		must(db.Tell(t.Context(), responder, i.ID, s, say, nil))(t)
		var to []string
		for _, l := range letters(t, conn) {
			to = append(to, strings.TrimPrefix(strings.Split(l, ":")[0], "update "))
		}
		slices.Sort(to)
		return to
	}
	got := tell(incidents.Statement{Phase: incidents.Investigating, Text: "We look.", NextIn: time.Hour})
	if want := []string{"cto@nines.example", "vi@nines.example"}; !slices.Equal(got, want) {
		t.Errorf("internal: %q, want %q", got, want)
	}
	got = tell(incidents.Statement{Phase: incidents.Identified, Text: "We know.", Public: true})
	if want := []string{"ann@acme.example", "cto@nines.example", "press@paper.example", "vi@nines.example"}; !slices.Equal(got, want) {
		t.Errorf("public: %q, want %q", got, want)
	}
	if text := value[string](t, conn, "select text from reminders where recipient = 'ann@acme.example'"); !strings.Contains(text, "https://nines.example/unsubscribe/"+mine.ID) {
		t.Errorf("the letter: %s", text)
	}
	if seen := must(db.Updates(t.Context(), acme.Scope(), i.ID))(t); len(seen) != 1 || seen[0].Number != 2 {
		t.Errorf("a tenant sees %+v", seen)
	}
	if address := must(db.Leave(t.Context(), mine.ID))(t); address != "ann@acme.example" {
		t.Errorf("%s left", address)
	}
	if _, err := db.Leave(t.Context(), mine.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("left twice: %v", err)
	}
	if got := tell(incidents.Statement{Phase: incidents.Monitoring, Text: "Better.", Public: true}); slices.Contains(got, "ann@acme.example") {
		t.Errorf("after leaving: %q", got)
	}
}

func TestAudiencesAreToldThroughTheOutboxOnceForEachUpdate(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical"))
	i := only(t, db)
	hook := incidents.Target{Webhook: &incidents.WebhookTarget{URL: "https://status.example.com/hook", Secret: incidents.Secret{Env: "S"}}}
	rooms := []incidents.Audience{{Name: "a", Targets: []incidents.Target{hook}}}
	for _, text := range []string{"We look.", "We know."} {
		must(db.Tell(t.Context(), responder, i.ID, incidents.Statement{Phase: incidents.Identified, Text: text}, say, rooms))(t)
	}
	must(db.Resolve(t.Context(), responder, i.ID, "done"))(t)
	do(t, conn, "update incidents set resolved_at = resolved_at - interval '6 minutes'")
	for range 2 {
		must(db.PlanReminders(t.Context(), say, rooms))(t)
	}
	texts := must(conn.Query(context.Background(), "select left(text, 8) from pages where action = 'status' and state = 'pending' order by number"))(t)
	if got := must(pgx.CollectRows(texts, pgx.RowTo[string]))(t); !slices.Equal(got, []string{"We look.", "We know.", "This is "}) {
		t.Errorf("waiting: %q", got)
	}
	claims := must(db.ClaimDue(t.Context(), 10, lease))(t)
	said := slices.IndexFunc(claims, func(c incidents.Claim) bool { return c.Page.Action == incidents.ActionStatus })
	if said < 0 || claims[said].Page.Text != "We look." || claims[said].Page.Target.Webhook == nil {
		t.Errorf("claimed %+v", claims)
	}
}

func TestAPromisedUpdateIsRemindedOfOnceAndTheEndIsTold(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "cora")
	receive(t, db, alert("Down", "critical"))
	i := only(t, db)
	must(db.Subscribe(t.Context(), operator, incidents.Subscriber{}))(t)
	must(db.Cast(t.Context(), responder, i.ID, incidents.Casting{Role: incidents.Commander, Person: "cora@nines.example"}, say))(t)
	must(db.Tell(t.Context(), responder, i.ID, incidents.Statement{Phase: incidents.Investigating, Text: "We look.", NextIn: time.Minute}, say, nil))(t)
	do(t, conn, "delete from reminders")
	do(t, conn, "update incidents set update_due = clock_timestamp()")
	for range 2 {
		must(db.PlanReminders(t.Context(), say, nil))(t)
	}
	if got := letters(t, conn); len(got) != 1 || got[0] != "update_due cora@nines.example: A status update of #1 is overdue" {
		t.Errorf("letters %q", got)
	}
	must(db.Resolve(t.Context(), responder, i.ID, "rolled back"))(t)
	must(db.PlanReminders(t.Context(), say, nil))(t)
	if n := len(must(db.Updates(t.Context(), access.Operator(), i.ID))(t)); n != 1 {
		t.Errorf("the end was told at once: %d updates", n)
	}
	do(t, conn, "update incidents set resolved_at = resolved_at - interval '6 minutes'")
	for range 2 {
		must(db.PlanReminders(t.Context(), say, nil))(t)
	}
	if updates := must(db.Updates(t.Context(), access.Operator(), i.ID))(t); len(updates) != 2 || updates[0].Phase != incidents.Over || updates[0].Public {
		t.Errorf("updates %+v", updates)
	}
	if got := letters(t, conn); len(got) != 2 || !strings.HasPrefix(got[1], "update ola@nines.example: [resolved] SEV2 #1 ") {
		t.Errorf("letters %q", got)
	}
}

func TestMergingMovesAlertsTasksAndWhatComesOfTheGroup(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	db1, cache := alert("DatabaseDown", "critical", "service", "db"), alert("CacheSlow", "warning", "service", "cache")
	receive(t, db, db1, cache)
	found := all(t, db)
	into, source := found[0], found[1]
	if into.Service != "db" {
		into, source = source, into
	}
	for n := range 2 {
		text := fmt.Sprint("look at it ", n)
		must(db.AddTask(t.Context(), responder, source.ID, incidents.TaskEdit{Text: &text}, say))(t)
		must(db.AddTask(t.Context(), responder, into.ID, incidents.TaskEdit{Text: &text}, say))(t)
	}
	after := must(db.Merge(t.Context(), responder, source.ID, into.ID, "the cache waits for it"))(t)
	if after.ID != into.ID || after.Severity != incidents.Critical || after.State != incidents.Triggered {
		t.Errorf("into: %+v", after)
	}
	if s := must(db.Incident(t.Context(), access.Operator(), source.ID))(t); s.State != incidents.Resolved || s.MergedInto != into.ID {
		t.Errorf("source: %s, merged into %q", s.State, s.MergedInto)
	}
	var numbers []int
	for _, task := range must(db.Tasks(t.Context(), access.Operator(), into.ID))(t) {
		numbers = append(numbers, task.Number)
	}
	if !slices.Equal(numbers, []int{1, 2, 3, 4}) {
		t.Errorf("tasks %v", numbers)
	}
	another := alert("CacheSlow", "critical", "service", "cache", "pod", "b")
	receive(t, db, again(cache), another)
	if n := value[int](t, conn, "select count(*)::int from alerts where open and incident_id = $1", into.ID); n != 3 {
		t.Errorf("%d alerts are in it, want 3", n)
	}
	receive(t, db, ended(db1), ended(cache), ended(another))
	calm(t, db, conn)
	for _, i := range all(t, db) {
		if i.State != incidents.Resolved {
			t.Errorf("incident %d is %s", i.Number, i.State)
		}
	}
	receive(t, db, alert("CacheSlow", "warning", "service", "cache", "pod", "c"))
	if found := all(t, db); len(found) != 3 {
		t.Errorf("after both ended there are %d incidents, want a third", len(found))
	}
	if _, err := db.Merge(t.Context(), responder, source.ID, into.ID, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("what is over: %v", err)
	}
	if n := actions(t, conn, "incident.merge"); n != 2 {
		t.Errorf("%d audit records, want one of each", n)
	}
}

func TestMergingWhatPagesIntoWhatIsSilentPages(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("CacheSlow", "warning"), alert("DatabaseDown", "critical"))
	found := all(t, db)
	slices.SortFunc(found, func(a, b incidents.Incident) int { return strings.Compare(a.Title, b.Title) })
	do(t, conn, "update pages set attempts = 1")
	after := must(db.Merge(t.Context(), responder, found[1].ID, found[0].ID, ""))(t)
	if after.Severity != incidents.Critical || after.Level != 2 || after.Step != 1 {
		t.Errorf("got %+v", after)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where incident_id = $1 and action = 'trigger'", after.ID); n != 1 {
		t.Errorf("%d pages of the one that goes on, want 1", n)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where incident_id = $1 and action = 'resolve'", found[1].ID); n != 1 {
		t.Errorf("%d were told that the merged one ended, want 1", n)
	}
	other := alert("Other", "warning")
	other.Tenant = "acme"
	receive(t, db, other)
	of := all(t, db)[2]
	if _, err := db.Merge(t.Context(), responder, of.ID, after.ID, ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("another tenant's: %v", err)
	}
}

func TestSplittingTakesAlertsAlong(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a, b := alert("Down", "critical", "service", "shop", "pod", "a"), alert("Down", "warning", "service", "shop", "pod", "b")
	receive(t, db, a, b)
	i := only(t, db)
	split := must(db.Split(t.Context(), responder, i.ID, []string{b.Fingerprint}, "Pod b is slow", "another cause", router))(t)
	if split.SplitFrom != i.ID || split.Severity != incidents.Warning || split.Title != "Pod b is slow" || split.State != incidents.Triggered || split.Step != 0 {
		t.Errorf("split: %+v", split)
	}
	for name, fingerprints := range map[string][]string{"the last": {a.Fingerprint}, "another's": {b.Fingerprint}, "none": nil} {
		if _, err := db.Split(t.Context(), responder, i.ID, fingerprints, "", "", router); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	receive(t, db, ended(b))
	calm(t, db, conn)
	if s := must(db.Incident(t.Context(), access.Operator(), split.ID))(t); s.State != incidents.Resolved {
		t.Errorf("after its alert ended it is %s", s.State)
	}
	if i := must(db.Incident(t.Context(), access.Operator(), i.ID))(t); i.State != incidents.Triggered {
		t.Errorf("the other one is %s", i.State)
	}
}

func TestReopeningOpensALinkedOneThatPages(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical", "service", "shop")
	receive(t, db, a)
	first := only(t, db)
	policy := func(incidents.Incident) incidents.Policy { return router.Policies["default"] }
	if _, err := db.Reopen(t.Context(), responder, first.ID, "", policy); !fault.Is(err, fault.Conflict) {
		t.Errorf("what is open: %v", err)
	}
	must(db.Resolve(t.Context(), responder, first.ID, "done"))(t)
	second := must(db.Reopen(t.Context(), responder, first.ID, "it is back", policy))(t)
	if second.Follows != first.ID || second.State != incidents.Triggered || second.GroupKey != first.GroupKey || second.Number != first.Number+1 {
		t.Errorf("got %+v", second)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where incident_id = $1 and action = 'trigger'", second.ID); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
	if n := value[int](t, conn, "select count(*)::int from alerts where open and incident_id = $1", second.ID); n != 1 {
		t.Errorf("%d alerts came along, want 1", n)
	}
	_, err := db.Reopen(t.Context(), responder, first.ID, "", policy)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "incident 2 is open for the same trouble") {
		t.Errorf("reopened twice: %v", err)
	}
	if got := kinds(t, db, first.ID); !strings.HasSuffix(got, "resolved reopened ") {
		t.Errorf("the first one's timeline: %s", got)
	}
}
