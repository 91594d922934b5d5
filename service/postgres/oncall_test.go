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
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// weekly is a schedule in which the people take turns of a week, which began long ago.
func weekly(name string, people ...string) oncall.Schedule {
	var parties [][]string
	for _, p := range people {
		parties = append(parties, []string{p})
	}
	return oncall.Schedule{Name: name, Zone: time.UTC, Layers: []oncall.Layer{{Name: "main", Rotation: oncall.Rotation{
		Unit: oncall.Weekly, Length: 1, Start: time.Date(2020, 1, 6, 9, 0, 0, 0, time.UTC), Zone: time.UTC, Parties: parties,
	}}}}
}

// openOnCall returns a database with the accounts of the tests' people and one schedule, always of rea.
func openOnCall(t testing.TB) (*postgres.DB, *pgx.Conn) {
	t.Helper()
	db, conn := openBoth(t)
	for _, email := range []string{responder.Name, editor.Name, "bea@nines.example", "cal@nines.example"} {
		do(t, conn, "insert into users (tenant_id, email, role, password_hash) values ('', $1, 'responder', 'x')", email)
	}
	db.UseSchedules(func() map[string]oncall.Schedule {
		return map[string]oncall.Schedule{"shop": weekly("shop", responder.Name)}
	})
	return db, conn
}

func in(d time.Duration) time.Time { return time.Now().UTC().Add(d).Truncate(time.Second) }

func onCall(t testing.TB, db *postgres.DB, at time.Time) []string {
	t.Helper()
	overlays := must(db.Overlays(context.Background(), access.Operator(), []string{"shop"}, at, at.Add(time.Second)))(t)
	return weekly("shop", responder.Name).At(overlays["shop"], at)
}

func TestOfTwoPeopleWhoOverrideAtOnceOneWinsAndTheOtherIsToldWhatIsThere(t *testing.T) {
	db, _ := openOnCall(t)
	people := []string{"bea@nines.example", "cal@nines.example", editor.Name}
	errs := make([]error, len(people))
	var all sync.WaitGroup
	for i, p := range people {
		all.Go(func() {
			_, errs[i] = db.Override(context.Background(), editor, oncall.Override{Schedule: "shop", From: in(time.Hour), To: in(2 * time.Hour), Add: p}, nil)
		})
	}
	all.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			if got := onCall(t, db, in(90*time.Minute)); !slices.Equal(got, people[i:i+1]) {
				t.Errorf("%s won, but %v is on call", people[i], got)
			}
		case !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "already puts"):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func TestAnOverrideIsRefusedForWhoeverMayNotMakeItAndWhereNobodyCouldBePaged(t *testing.T) {
	db, _ := openOnCall(t)
	v := oncall.Override{Schedule: "shop", From: in(time.Hour), To: in(2 * time.Hour), Add: "bea@nines.example"}
	with := func(change func(*oncall.Override)) oncall.Override { w := v; change(&w); return w }
	for name, c := range map[string]struct {
		who  access.Principal
		v    oncall.Override
		kind fault.Kind
	}{
		"a viewer":                    {access.Principal{ID: "user:x", Name: v.Add, Role: access.Viewer}, v, fault.Forbidden},
		"a tenant's admin":            {acme, v, fault.Forbidden},
		"a responder for others":      {access.Principal{ID: "user:x", Name: "x@nines.example", Role: access.Responder}, v, fault.Forbidden},
		"no such schedule":            {editor, with(func(w *oncall.Override) { w.Schedule = "nope" }), fault.NotFound},
		"no such account":             {editor, with(func(w *oncall.Override) { w.Add = "nobody@nines.example" }), fault.Invalid},
		"it lies in the past":         {editor, with(func(w *oncall.Override) { w.From, w.To = in(-2*time.Hour), in(-time.Hour) }), fault.Invalid},
		"it begins in the past":       {editor, with(func(w *oncall.Override) { w.From = in(-2 * time.Hour) }), fault.Invalid},
		"it ends before it begins":    {editor, with(func(w *oncall.Override) { w.To = w.From }), fault.Invalid},
		"nobody comes, nobody leaves": {editor, with(func(w *oncall.Override) { w.Add = "" }), fault.Invalid},
	} {
		if _, err := db.Override(context.Background(), c.who, c.v, nil); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := db.Override(context.Background(), responder, with(func(w *oncall.Override) { w.Remove = strings.ToUpper(responder.Name) }), nil); err != nil {
		t.Errorf("one's own shift: %v", err)
	}
}

func TestAnOverrideAboveAnotherNeedsItsNameAndEndsForItself(t *testing.T) {
	db, conn := openOnCall(t)
	ctx := context.Background()
	first := must(db.Override(ctx, editor, oncall.Override{Schedule: "shop", From: in(-time.Second), To: in(4 * time.Hour), Add: "bea@nines.example"}, nil))(t)
	second := must(db.Override(ctx, editor, oncall.Override{Schedule: "shop", From: in(time.Hour), To: in(2 * time.Hour), Add: "cal@nines.example"}, []string{first.ID}))(t)
	if got := onCall(t, db, in(90*time.Minute)); !slices.Equal(got, []string{"cal@nines.example"}) {
		t.Error(got)
	}
	if err := db.EndOverride(ctx, responder, second.ID); !fault.Is(err, fault.Forbidden) {
		t.Error(err)
	}
	for _, id := range []string{second.ID, first.ID} {
		if err := db.EndOverride(ctx, editor, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.EndOverride(ctx, editor, second.ID); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if got := onCall(t, db, in(90*time.Minute)); !slices.Equal(got, []string{responder.Name}) {
		t.Error(got)
	}
	if err := db.EndOverride(ctx, editor, first.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("one that lasted is kept until it ended: %v", err)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where object like 'override/%'"); n != 4 {
		t.Errorf("%d audit records", n)
	}
}

func TestTwoWhoAcceptASwapAtOnceLeaveOneShiftWithOneOfThem(t *testing.T) {
	db, _ := openOnCall(t)
	ctx := context.Background()
	give := oncall.Span{From: in(24 * time.Hour), To: in(30 * time.Hour)}
	w := must(db.ProposeSwap(ctx, responder, oncall.Swap{Schedule: "shop", Give: give}))(t)
	if w.State != oncall.Proposed || w.Asker != responder.Name {
		t.Fatalf("%+v", w)
	}
	var all sync.WaitGroup
	errs := make([]error, 2)
	takers := []string{"bea@nines.example", "cal@nines.example"}
	for i, name := range takers {
		all.Go(func() {
			_, errs[i] = db.AcceptSwap(ctx, access.Principal{ID: "user:" + name, Name: name, Role: access.Responder}, w.ID)
		})
	}
	all.Wait()
	winner := slices.Index(errs, nil)
	if winner < 0 || !fault.Is(errs[1-winner], fault.Conflict) {
		t.Fatal(errs)
	}
	if got := onCall(t, db, in(26*time.Hour)); !slices.Equal(got, takers[winner:winner+1]) {
		t.Errorf("%v", got)
	}
	if _, err := db.CancelSwap(ctx, responder, w.ID); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
}

func TestASwapIsDeclinedCancelledOrExpires(t *testing.T) {
	db, conn := openOnCall(t)
	ctx := context.Background()
	bea := access.Principal{ID: "user:bea", Name: "bea@nines.example", Role: access.Responder}
	propose := func() oncall.Swap {
		return must(db.ProposeSwap(ctx, responder, oncall.Swap{Schedule: "shop", Taker: bea.Name, Give: oncall.Span{From: in(24 * time.Hour), To: in(30 * time.Hour)}}))(t)
	}
	declined, cancelled, expired := propose(), propose(), propose()
	if _, err := db.DeclineSwap(ctx, responder, declined.ID); !fault.Is(err, fault.Forbidden) {
		t.Error(err)
	}
	must(db.DeclineSwap(ctx, bea, declined.ID))(t)
	must(db.CancelSwap(ctx, responder, cancelled.ID))(t)
	if open := must(db.Swaps(ctx, access.Operator(), "shop", true))(t); len(open) != 1 || open[0].ID != expired.ID {
		t.Errorf("%+v", open)
	}
	late := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	do(t, conn, "update swaps set expires_at = $1::timestamptz, swap = jsonb_set(swap, '{expiresAt}', to_jsonb($3::text)) where id = $2", late, expired.ID, late)
	if err := db.ExpireSwaps(ctx); err != nil {
		t.Fatal(err)
	}
	states := map[string]oncall.SwapState{}
	for _, w := range must(db.Swaps(ctx, access.Operator(), "", false))(t) {
		states[w.ID] = w.State
	}
	if states[declined.ID] != oncall.Declined || states[cancelled.ID] != oncall.Cancelled || states[expired.ID] != oncall.Expired {
		t.Error(states)
	}
}

func TestATemporaryScheduleReplacesThePlanAndNoOther(t *testing.T) {
	db, _ := openOnCall(t)
	ctx := context.Background()
	v := oncall.Temporary{Schedule: "shop", From: in(time.Hour), To: in(5 * time.Hour), Shifts: []oncall.Shift{
		{Person: "BEA@nines.example", From: in(time.Hour), To: in(2 * time.Hour)},
	}}
	made := must(db.Temporary(ctx, editor, v))(t)
	if got := onCall(t, db, in(90*time.Minute)); !slices.Equal(got, []string{"bea@nines.example"}) {
		t.Error(got)
	}
	if got := onCall(t, db, in(3*time.Hour)); len(got) != 0 {
		t.Error(got)
	}
	if _, err := db.Temporary(ctx, editor, v); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), made.ID) {
		t.Error(err)
	}
	if err := db.EndTemporary(ctx, editor, made.ID); err != nil {
		t.Fatal(err)
	}
	if got := onCall(t, db, in(3*time.Hour)); !slices.Equal(got, []string{responder.Name}) {
		t.Error(got)
	}
}

func TestWhatWasRecordedStaysWhateverThePlanSaysLater(t *testing.T) {
	db, conn := openOnCall(t)
	ctx := context.Background()
	record := func() {
		t.Helper()
		if err := db.RecordOnCall(ctx); err != nil {
			t.Fatal(err)
		}
	}
	record()
	do(t, conn, "update oncall_recorded set until = until - interval '1 hour'")
	do(t, conn, "update oncall_history set started_at = started_at - interval '1 hour'")
	record()
	db.UseSchedules(func() map[string]oncall.Schedule {
		return map[string]oncall.Schedule{"shop": weekly("shop", "bea@nines.example")}
	})
	record()
	record()
	served := must(db.OnCallHistory(ctx, access.Operator(), "shop", in(-2*time.Hour), in(time.Hour)))(t)
	if len(served) != 2 || served[0].Person != responder.Name || served[0].To == nil || served[1].Person != "bea@nines.example" || served[1].To != nil {
		t.Fatalf("%+v", served)
	}
	if !served[0].To.Equal(served[1].From) {
		t.Errorf("a gap or overlap between %s and %s", served[0].To, served[1].From)
	}
	db.UseSchedules(func() map[string]oncall.Schedule { return nil })
	record()
	if n := value[int](t, conn, "select count(*)::int from oncall_history where ended_at is null"); n != 0 {
		t.Errorf("%d last though their schedule is gone", n)
	}
}

func TestALinkShowsOneThingUntilItIsRevoked(t *testing.T) {
	db, conn := openOnCall(t)
	ctx := context.Background()
	l, secret, err := db.MakeOnCallLink(ctx, responder, postgres.OnCallLink{Kind: "calendar", Schedule: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if got := must(db.OnCallLinkOf(ctx, secret))(t); got.ID != l.ID || got.Schedule != "shop" {
		t.Errorf("%+v", got)
	}
	if n := value[int](t, conn, "select count(*)::int from oncall_links where token_hash = $1", secret); n != 0 {
		t.Error("the secret itself is stored")
	}
	if _, _, err := db.MakeOnCallLink(ctx, responder, postgres.OnCallLink{Kind: "calendar", Person: "bea@nines.example"}); !fault.Is(err, fault.Forbidden) {
		t.Error(err)
	}
	if err := db.RevokeOnCallLink(ctx, editor, l.ID); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if err := db.RevokeOnCallLink(ctx, responder, l.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := db.OnCallLinkOf(ctx, secret); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestATenantSeesNothingOfTheOperatorsSchedules(t *testing.T) {
	db, _ := openOnCall(t)
	ctx := context.Background()
	must(db.Override(ctx, editor, oncall.Override{Schedule: "shop", From: in(time.Hour), To: in(2 * time.Hour), Add: "bea@nines.example"}, nil))(t)
	must(db.ProposeSwap(ctx, responder, oncall.Swap{Schedule: "shop", Give: oncall.Span{From: in(24 * time.Hour), To: in(30 * time.Hour)}}))(t)
	if got := must(db.Overlays(ctx, acme.Scope(), nil, in(0), in(5*time.Hour)))(t); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := must(db.Swaps(ctx, acme.Scope(), "", false))(t); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// BenchmarkWhoIsOnCallOf10000Schedules reads every override from storage and works out who is on call now.
func BenchmarkWhoIsOnCallOf10000Schedules(b *testing.B) {
	db, conn := openOnCall(b)
	schedules := map[string]oncall.Schedule{}
	for n := range 10_000 {
		name := fmt.Sprintf("team-%05d", n)
		schedules[name] = weekly(name, "bea@nines.example", "cal@nines.example", editor.Name)
	}
	do(b, conn, `insert into overrides (id, schedule, starts_at, ends_at, adds, made_by, made_at)
select gen_random_uuid(), 'team-' || lpad(n::text, 5, '0'), now() - interval '1 hour', now() + interval '1 hour', 'rea@nines.example', 'x', now()
from generate_series(0, 9999) n`)
	ctx := context.Background()
	for b.Loop() {
		now := time.Now()
		overlays, err := db.Overlays(ctx, access.Operator(), nil, now, now.Add(time.Microsecond))
		if err != nil {
			b.Fatal(err)
		}
		for name, s := range schedules {
			if got := s.At(overlays[name], now); len(got) != 1 || got[0] != responder.Name {
				b.Fatal(name, got)
			}
		}
	}
}
