package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/slo"
)

var editor = access.Principal{ID: "user:ed", Name: "ed@nines.example", Role: access.Editor}

// disks is maintenance of two hours, for everybody or for one tenant.
func disks(tenant string) slo.Correction {
	c := slo.Correction{SLO: "shop-availability", From: epoch, To: epoch.Add(2 * time.Hour), Mode: slo.ModeExclude, Kind: slo.KindMaintenance,
		Reason: " new disks ", Note: "cheap ones"}
	if tenant != "" {
		c.Labels = map[string]string{"tenant": tenant}
	}
	return c
}

func TestACorrectionIsKeptWithItsAuthor(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	made := must(db.AddCorrection(ctx, editor, disks("acme")))(t)
	want := disks("acme")
	want.Author, want.Reason = editor.Name, "new disks"
	if diff := cmp.Diff(want, made, cmpopts.IgnoreFields(slo.Correction{}, "ID", "Created")); diff != "" {
		t.Error(diff)
	}
	if made.ID == "" || time.Since(made.Created) > time.Minute || !made.Retroactive() {
		t.Errorf("made %+v", made)
	}
	all := disks("")
	all.SLO, all.All = "", true
	if got := must(db.AddCorrection(ctx, editor, all))(t); !got.All || got.Labels != nil {
		t.Errorf("for every SLO: %+v", got)
	}
	found := must(db.Corrections(ctx, access.Operator(), postgres.CorrectionFilter{}))(t)
	if len(found) != 2 || !found[0].All || cmp.Diff(made, found[1]) != "" {
		t.Errorf("found %+v", found)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action = 'correction.add' and actor = 'user:ed' and object = 'correction/' || $1 and tenant_id = 'acme' and detail ->> 'reason' = 'new disks'", made.ID); n != 1 {
		t.Errorf("%d audit records", n)
	}
	bad := disks("")
	bad.Mode, bad.Reason = "forgive", ""
	if _, err := db.AddCorrection(ctx, editor, bad); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "mode") || !strings.Contains(err.Error(), "reason") {
		t.Errorf("a bad one: %v", err)
	}
	for _, who := range []access.Principal{responder, acme, {}} {
		if _, err := db.AddCorrection(ctx, who, disks("acme")); !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s adds one: %v", who.ID, err)
		}
		if _, err := db.RevokeCorrection(ctx, who, made.ID, "no"); !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s revokes one: %v", who.ID, err)
		}
	}
}

func TestCorrectionsAreFoundByTheirSpan(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	must(db.AddCorrection(ctx, editor, disks("")))(t)
	f := func(from, to time.Duration, want int) {
		t.Helper()
		filter := postgres.CorrectionFilter{From: epoch.Add(from), To: epoch.Add(to)}
		if got := must(db.Corrections(ctx, access.Operator(), filter))(t); len(got) != want {
			t.Errorf("from %v to %v: %d, want %d", from, to, len(got), want)
		}
	}
	f(-time.Hour, time.Hour, 1)
	f(time.Hour, 90*time.Minute, 1)
	f(-time.Hour, 0, 0)
	f(2*time.Hour, 3*time.Hour, 0)
	if got := must(db.Corrections(ctx, access.Operator(), postgres.CorrectionFilter{From: epoch, Limit: 1}))(t); len(got) != 1 {
		t.Errorf("an open end: %d", len(got))
	}
}

func TestACorrectionIsRevokedOnceAndNeverRemoved(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	db := openURL(t, url)
	ctx := context.Background()
	made := must(db.AddCorrection(ctx, editor, disks("acme")))(t)
	if _, err := db.RevokeCorrection(ctx, editor, made.ID, " "); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	ended := must(db.RevokeCorrection(ctx, operator, made.ID, "it was the network"))(t)
	if ended.InForce() || ended.RevokedBy != operator.Name || ended.RevokedReason != "it was the network" || time.Since(ended.Revoked) > time.Minute {
		t.Errorf("revoked %+v", ended)
	}
	if _, err := db.RevokeCorrection(ctx, editor, made.ID, "again"); !fault.Is(err, fault.Conflict) {
		t.Errorf("again: %v", err)
	}
	for _, id := range []string{"nope", "00000000-0000-4000-8000-000000000000"} {
		if _, err := db.RevokeCorrection(ctx, editor, id, "x"); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if got := must(db.Corrections(ctx, access.Operator(), postgres.CorrectionFilter{}))(t); len(got) != 0 {
		t.Errorf("in force: %+v", got)
	}
	if got := must(db.Corrections(ctx, access.Operator(), postgres.CorrectionFilter{Revoked: true}))(t); len(got) != 1 || cmp.Diff(ended, got[0]) != "" {
		t.Errorf("with revoked ones: %+v", got)
	}
	for _, role := range []string{url, server.AsSuperuser(t, url)} {
		conn, err := pgx.Connect(ctx, role)
		if err != nil {
			t.Fatal(err)
		}
		do(t, conn, "select set_config('app.scope', 'operator', false)")
		for _, sql := range []string{"update corrections set reason = 'x'", "update corrections set revoked_at = now()", "update corrections set revoked_at = null, revoked_by = '', revoked_reason = ''",
			"delete from corrections", "truncate corrections"} {
			if _, err := conn.Exec(ctx, sql); err == nil || !strings.Contains(err.Error(), "stands as it was made") {
				t.Errorf("%s: %v", sql, err)
			}
		}
		conn.Close(ctx)
	}
}

func TestATenantsScopeHoldsItsCorrectionsOnly(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	for _, tenant := range []string{"", "acme", "globex"} {
		must(db.AddCorrection(ctx, editor, disks(tenant)))(t)
	}
	seen := func(scope access.Scope) (of []string) {
		for _, c := range must(db.Corrections(ctx, scope, postgres.CorrectionFilter{}))(t) {
			of = append(of, c.Labels["tenant"])
		}
		return distinctOf(of)
	}
	if got := seen(access.Operator()); len(got) != 3 {
		t.Errorf("the operator sees %q", got)
	}
	if got := seen(access.Tenant("acme")); len(got) != 1 || got[0] != "acme" {
		t.Errorf("acme sees %q", got)
	}
	if got := seen(access.Scope{}); len(got) != 0 {
		t.Errorf("nobody sees %q", got)
	}
}

func TestACorrectionIsAnnounced(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	heard := make(chan postgres.Change, 64)
	done := make(chan error, 1)
	go func() { done <- db.Listen(ctx, func(c postgres.Change) { heard <- c }) }()
	wait := func(want postgres.Change) {
		t.Helper()
		for {
			select {
			case got := <-heard:
				if got == want {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("nobody told of %+v", want)
			}
		}
	}
	wait(postgres.Change{Topic: postgres.TopicCorrection})
	made := must(db.AddCorrection(ctx, editor, disks("acme")))(t)
	wait(postgres.Change{Topic: postgres.TopicCorrection, Tenant: "acme", ID: made.ID})
	must(db.RevokeCorrection(ctx, editor, made.ID, "done"))(t)
	wait(postgres.Change{Topic: postgres.TopicCorrection, Tenant: "acme", ID: made.ID})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
