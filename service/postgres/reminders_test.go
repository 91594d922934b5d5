package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/postgres"
)

// always makes every resolved incident a duty that is due after a day.
func always(i incidents.Incident) (incidents.Duty, bool) {
	p := incidents.PostmortemPolicy{Name: "all", RemindEvery: 24 * time.Hour, Rules: []incidents.PostmortemRule{{Severity: incidents.Info, Days: 1}}}
	return incidents.Demand([]incidents.PostmortemPolicy{p}, incidents.WeightOf(i), *i.ResolvedAt)
}

func assign(t *testing.T, db *postgres.DB) int {
	t.Helper()
	n, err := db.AssignDuties(context.Background(), always)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func plan(t *testing.T, db *postgres.DB) int {
	t.Helper()
	n, err := db.PlanReminders(context.Background(), incidents.Reminding{BaseURL: "https://nines.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAReviewIsADutyOnceAndMetByItsReview(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	i := resolvedIncident(t, db, "Down")
	if a, b := assign(t, db), assign(t, db); a != 1 || b != 0 {
		t.Errorf("assigned %d and then %d", a, b)
	}
	i, err := db.Incident(ctx, access.Operator(), i.ID)
	if err != nil || i.PostmortemRequired == nil || !strings.Contains(i.PostmortemRequired.Reason, "was critical, and the policy all asks") {
		t.Errorf("%+v, %v", i.PostmortemRequired, err)
	}
	duties, err := db.Duties(ctx, responder, false)
	if err != nil || len(duties) != 1 || duties[0].Owner != responder.Name || !duties[0].DueAt.Equal(i.ResolvedAt.AddDate(0, 0, 1)) {
		t.Fatalf("%+v, %v", duties, err)
	}
	do(t, conn, "update postmortem_duties set due_at = now() - interval '1 minute'")
	if n, _, err := db.OverdueReviews(ctx); n != 1 || err != nil {
		t.Errorf("%d overdue, %v", n, err)
	}
	p := draftOf(t, db, i)
	if p.DueAt == nil {
		t.Error("the postmortem does not know when it is due")
	}
	do(t, conn, "update postmortems set state = 'reviewed', reviewed_at = now(), reviewed_by = 'x'")
	if duties, err := db.Duties(ctx, responder, true); len(duties) != 0 || err != nil {
		t.Errorf("reviewed, and still due: %+v, %v", duties, err)
	}
	if n, _, err := db.OverdueReviews(ctx); n != 0 || err != nil {
		t.Errorf("%d overdue, %v", n, err)
	}
}

func TestEachReminderIsPlannedAndClaimedOnceByManyReplicas(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	resolvedIncident(t, db, "Down")
	assign(t, db)
	if n := plan(t, db); n != 0 {
		t.Fatalf("%d reminders before half time", n)
	}
	do(t, conn, "update postmortem_duties set required_at = now() - interval '1 day', due_at = now() + interval '1 hour', remind_at = now()")
	var wait sync.WaitGroup
	claimed := make(chan postgres.Reminder, 20)
	for range 8 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if _, err := db.PlanReminders(ctx, incidents.Reminding{}, nil); err != nil {
				t.Error(err)
			}
			due, err := db.ClaimReminders(ctx, 10, time.Minute)
			if err != nil {
				t.Error(err)
			}
			for _, r := range due {
				claimed <- r
			}
		}()
	}
	wait.Wait()
	close(claimed)
	var got []postgres.Reminder
	for r := range claimed {
		got = append(got, r)
	}
	if len(got) != 1 || got[0].Recipient != responder.Name || !strings.Contains(got[0].Text, "Nobody has begun to write it.") {
		t.Fatalf("claimed %+v", got)
	}
	if err := db.FinishReminder(ctx, got[0], postgres.NoticeSent, "", 0); err != nil {
		t.Fatal(err)
	}
	do(t, conn, "update postmortem_duties set due_at = now() - interval '3 days', remind_at = now()")
	if n := plan(t, db); n != 1 {
		t.Errorf("planned %d for what passed since", n)
	}
	if n := value[int](t, conn, "select count(*)::int from reminders"); n != 2 {
		t.Errorf("%d reminders in all", n)
	}
}

func TestAReminderWhoseSenderDiedIsSentByAnother(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	item, err := db.AddActionItem(ctx, writer, drafted(t, db).ID, incidents.ActionEdit{Title: ptr("test it"), Owner: ptr("bob@nines.example"), DueAt: ptr(time.Now().Add(-time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	if n := plan(t, db); n != 1 {
		t.Fatalf("planned %d", n)
	}
	first, err := db.ClaimReminders(ctx, 10, time.Minute)
	if err != nil || len(first) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	do(t, conn, "update reminders set next_at = now() - interval '1 second'") // its lease ran out
	second, err := db.ClaimReminders(ctx, 10, time.Minute)
	if err != nil || len(second) != 1 || second[0].Attempts != 2 {
		t.Fatalf("%+v, %v", second, err)
	}
	if err := db.FinishReminder(ctx, first[0], postgres.NoticeFailed, "late", 0); err != nil {
		t.Fatal(err)
	}
	if state := value[string](t, conn, "select state from reminders"); state != "pending" {
		t.Errorf("whoever was given up has ended it: %s", state)
	}
	if _, err := db.ChangeActionItem(ctx, writer, item.ID, incidents.ActionEdit{State: ptr(incidents.ActionDone)}); err != nil {
		t.Fatal(err)
	}
	do(t, conn, "update action_items set remind_at = now()")
	if n := plan(t, db); n != 0 {
		t.Errorf("reminded of what is done: %d", n)
	}
}

func TestAnActionItemIsToldToItsTrackerAndHearsOfIt(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	p := drafted(t, db)
	item, err := db.AddActionItem(ctx, writer, p.ID, incidents.ActionEdit{Title: ptr("test it"), Tracker: ptr("jira")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddActionItem(ctx, writer, p.ID, incidents.ActionEdit{Title: ptr("without a tracker")}); err != nil {
		t.Fatal(err)
	}
	claim := func(want int) []postgres.DueSync {
		t.Helper()
		due, err := db.DueSyncs(ctx, 10, time.Minute)
		if err != nil || len(due) != want {
			t.Fatalf("%d due, want %d: %v", len(due), want, err)
		}
		return due
	}
	finish := func(s postgres.DueSync, r postgres.Synced) {
		t.Helper()
		if err := db.FinishSync(ctx, s, r); err != nil {
			t.Fatal(err)
		}
	}
	read := func() incidents.ActionItem {
		t.Helper()
		a, err := db.ActionItem(ctx, writer, item.ID)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := claim(1)[0]
	claim(0) // leased
	finish(first, postgres.Synced{Error: "jira answered 502", Again: time.Hour})
	if a := read(); a.SyncError != "jira answered 502" || a.SyncedAt != nil {
		t.Errorf("%+v", a)
	}
	claim(0) // later
	do(t, conn, "update action_items set sync_at = now() - interval '1 hour' where tracker <> ''")
	if failing, lag, err := db.TrackerStanding(ctx); err != nil || failing != 1 || lag < time.Hour || lag > 2*time.Hour {
		t.Errorf("%d failing, %s behind, %v", failing, lag, err)
	}
	do(t, conn, "update action_items set sync_at = now() where tracker <> ''")
	again := claim(1)[0]
	if again.Tries != 1 {
		t.Errorf("tries %d", again.Tries)
	}
	// People change it while the tracker is told the earlier words; what the tracker calls it is kept.
	if _, err := db.ChangeActionItem(ctx, writer, item.ID, incidents.ActionEdit{Title: ptr("test it weekly")}); err != nil {
		t.Fatal(err)
	}
	claim(0)
	finish(again, postgres.Synced{Key: "SHOP-1", URL: "https://jira.example/SHOP-1", Again: time.Hour, Theirs: &incidents.ActionEdit{State: ptr(incidents.ActionDone)},
		Told: &track.Fields{Title: "test it"}, Agreed: &track.Fields{Title: "test it", State: incidents.ActionDone}})
	if a := read(); a.TrackerKey != "SHOP-1" || a.State != incidents.ActionOpen || a.Title != "test it weekly" {
		t.Errorf("%+v", a)
	}
	last := claim(1)[0]
	if again.Agreed != nil || last.Agreed == nil || *last.Agreed != (track.Fields{Title: "test it"}) {
		t.Errorf("agreed on %+v, then on %+v; want nothing, then what was told", again.Agreed, last.Agreed)
	}
	both := track.Fields{Title: "test it weekly", State: incidents.ActionDone}
	finish(last, postgres.Synced{Again: 0, Theirs: &incidents.ActionEdit{State: ptr(incidents.ActionDone)}, Told: &track.Fields{Title: "x"}, Agreed: &both,
		Overrule: []track.Conflict{{Field: "title", Ours: "test it weekly", Theirs: "test it daily", Kept: "test it weekly"}}})
	for what, query := range map[string]string{
		"the timeline": `select count(*)::int from timeline where kind = 'task_changed' and text = 'Action item 1 (test it weekly) is done in the tracker jira.'`,
		"the audit":    `select count(*)::int from audit where action = 'action-item.sync' and detail #>> '{conflicts,0,theirs}' = 'test it daily'`,
	} {
		var n int
		if err := conn.QueryRow(ctx, query).Scan(&n); err != nil || n != 1 {
			t.Errorf("%s tells it %d times, %v", what, n, err)
		}
	}
	if next := claim(1)[0]; next.Agreed == nil || *next.Agreed != both {
		t.Errorf("agreed on %+v", next.Agreed)
	}
	if a := read(); a.State != incidents.ActionDone || a.ClosedAt == nil || a.SyncError != "" || a.SyncedAt == nil {
		t.Errorf("%+v", a)
	}
}

func TestActionItemsAreFoundByOwnerServiceAndState(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	p := drafted(t, db)
	for _, e := range []incidents.ActionEdit{
		{Title: ptr("late"), Owner: ptr("bob@nines.example"), DueAt: ptr(time.Now().Add(-time.Hour))},
		{Title: ptr("next"), Owner: ptr("bob@nines.example"), DueAt: ptr(time.Now().Add(time.Hour))},
		{Title: ptr("some day"), Owner: ptr("eve@nines.example")},
		{Title: ptr("not done"), State: ptr(incidents.ActionDropped), Reason: ptr("no")},
	} {
		if _, err := db.AddActionItem(ctx, writer, p.ID, e); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		f    incidents.ActionFilter
		want string
	}{
		"all":        {incidents.ActionFilter{}, "late next some day not done"},
		"bob's":      {incidents.ActionFilter{Owner: "bob@nines.example"}, "late next"},
		"overdue":    {incidents.ActionFilter{Overdue: true}, "late"},
		"dropped":    {incidents.ActionFilter{State: incidents.ActionDropped}, "not done"},
		"of another": {incidents.ActionFilter{Service: "other"}, ""},
		"of this":    {incidents.ActionFilter{Postmortem: "1"}, "late next some day not done"},
		"of none":    {incidents.ActionFilter{Postmortem: "9"}, ""},
	} {
		found, err := db.ActionItems(ctx, writer, c.f)
		var titles []string
		for _, a := range found {
			titles = append(titles, a.Title)
		}
		if got := strings.Join(titles, " "); got != c.want || err != nil {
			t.Errorf("%s: %q, want %q, %v", name, got, c.want, err)
		}
	}
}
