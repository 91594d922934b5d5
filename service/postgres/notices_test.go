package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/slo"
)

func TestAChangeIsToldEachTargetOnceAndAgainWhereThatFailed(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	at := time.Now().Add(-time.Minute)
	tool := access.Principal{ID: "integration:ci", Name: "ci", Role: access.Responder}
	made := must(db.TellChange(ctx, tool, slo.Change{Service: "shop", Ref: "a", Kind: "deploy", Author: "ada", BeganAt: &at}, "1"))(t)
	must(db.RecordChange(ctx, responder, slo.Change{Service: "shop", Ref: "b", Kind: "deploy", Author: "ada"}, slo.Verdict{Action: slo.Freeze}, ""))(t)
	begun := must(db.BegunChanges(ctx, time.Hour))(t)
	if len(begun) != 1 || begun[0].ID != made.ID {
		t.Fatalf("begun: %+v", begun)
	}
	wanted := []postgres.ChangeNotice{{Change: made.ID, Target: "a"}, {Change: made.ID, Target: "b"}, {Change: made.ID, Target: "c"}}
	due := must(db.DueNotices(ctx, wanted))(t)
	if len(due) != 3 {
		t.Fatalf("due: %+v", due)
	}
	finish := func(target, state string, again time.Duration) {
		t.Helper()
		if err := db.FinishNotice(ctx, postgres.ChangeNotice{Change: made.ID, Target: target}, state, "", again); err != nil {
			t.Fatal(err)
		}
	}
	finish("a", postgres.NoticeSent, 0)
	finish("b", postgres.NoticeFailed, 0)
	finish("c", postgres.NoticePending, time.Hour)
	if due = must(db.DueNotices(ctx, wanted))(t); len(due) != 0 {
		t.Errorf("due after all were tried: %+v", due)
	}
	do(t, conn, "update change_notices set next_at = clock_timestamp() where target_key = 'c'")
	if due = must(db.DueNotices(ctx, wanted))(t); len(due) != 1 || due[0].Target != "c" || due[0].Attempts != 1 {
		t.Errorf("due when its time has come: %+v", due)
	}
}
