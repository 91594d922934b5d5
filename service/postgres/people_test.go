package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

const password = "correct horse battery"

func TestAccountsAndSessions(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	if must(db.AnyUser(ctx))(t) {
		t.Error("there is a user before the first")
	}
	u := must(db.CreateUser(ctx, operator, postgres.User{Email: " Ana@Nines.Example ", Role: access.Responder}, password))(t)
	if u.Email != "ana@nines.example" || u.ID == "" || u.Disabled || u.CreatedAt.IsZero() || !must(db.AnyUser(ctx))(t) {
		t.Errorf("made %+v", u)
	}
	if _, err := db.CreateUser(ctx, operator, u, password); !fault.Is(err, fault.Conflict) {
		t.Errorf("the same address again: %v", err)
	}
	for name, c := range map[string]struct {
		who      access.Principal
		user     postgres.User
		password string
		want     fault.Kind
	}{
		"no address":     {operator, postgres.User{Email: "ana", Role: access.Viewer}, password, fault.Invalid},
		"no such role":   {operator, postgres.User{Email: "b@x.example", Role: "root"}, password, fault.Invalid},
		"a short one":    {operator, postgres.User{Email: "b@x.example", Role: access.Viewer}, "short", fault.Invalid},
		"not an admin":   {responder, postgres.User{Email: "b@x.example", Role: access.Viewer}, password, fault.Forbidden},
		"another tenant": {acme, postgres.User{Email: "b@x.example", Role: access.Viewer, Tenant: "globex"}, password, fault.Forbidden},
	} {
		if _, err := db.CreateUser(ctx, c.who, c.user, c.password); !fault.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}

	token, expires, err := db.SignIn(ctx, "ANA@nines.example", password)
	if err != nil || time.Until(expires) < 29*24*time.Hour {
		t.Fatalf("signing in: %v, until %v", err, expires)
	}
	p := must(db.PrincipalOfSession(ctx, token))(t)
	if p.ID != "user:"+u.ID || p.Role != access.Responder || p.Tenant != "" || p.Name != u.Email {
		t.Errorf("principal %+v", p)
	}
	if n := value[int](t, conn, "select count(*)::int from sessions where token_hash like '%' || $1 || '%'", token); n != 0 {
		t.Error("the session's token itself is stored")
	}
	if _, err := db.PrincipalOfToken(ctx, token); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("a session is no API token: %v", err)
	}
	unauthorized := func(what string, _ access.Principal, err error) {
		t.Helper()
		if !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	session := func(what string) {
		t.Helper()
		p, err := db.PrincipalOfSession(ctx, token)
		unauthorized(what, p, err)
	}
	do(t, conn, "update sessions set last_seen_at = now() - interval '8 days'")
	session("a session idle for a week")
	do(t, conn, "update sessions set last_seen_at = now() - interval '2 minutes'")
	must(db.PrincipalOfSession(ctx, token))(t)
	if n := value[int](t, conn, "select count(*)::int from sessions where last_seen_at > now() - interval '1 minute'"); n != 1 {
		t.Error("its use was not written down")
	}
	do(t, conn, "update sessions set expires_at = now() - interval '1 second'")
	session("a session older than a month")
	if n := must(db.ForgetSessions(ctx))(t); n != 1 {
		t.Errorf("%d forgotten", n)
	}

	token, _, _ = db.SignIn(ctx, u.Email, password)
	if err := db.SignOut(ctx, token); err != nil {
		t.Error(err)
	}
	session("after signing out")
	token, _, _ = db.SignIn(ctx, u.Email, password)
	if err := db.SetPassword(ctx, operator, u.ID, "another horse battery"); err != nil {
		t.Error(err)
	}
	session("after a new password")
	token, _, _ = db.SignIn(ctx, u.Email, "another horse battery")
	if err := db.DisableUser(ctx, operator, u.ID); err != nil {
		t.Error(err)
	}
	session("after disabling")
	if _, _, err := db.SignIn(ctx, u.Email, "another horse battery"); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("a disabled account signs in: %v", err)
	}
	if err := db.DisableUser(ctx, operator, u.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("disabling twice: %v", err)
	}
	if err := db.DisableUser(ctx, access.Principal{ID: "user:" + u.ID, Role: access.Admin}, u.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("disabling oneself: %v", err)
	}
	records := must(db.Audit(ctx, operator, postgres.AuditFilter{Action: "user.disable"}))(t)
	if len(records) != 1 || records[0].Object != "user/"+u.ID || records[0].Actor != operator.ID || records[0].Detail["email"] != u.Email {
		t.Errorf("audit: %+v", records)
	}
	for _, r := range must(db.Audit(ctx, operator, postgres.AuditFilter{}))(t) {
		for _, v := range r.Detail {
			if s, ok := v.(string); ok && strings.Contains(s, "battery") {
				t.Errorf("a password stands in the audit log: %+v", r)
			}
		}
	}
}

func TestWrongPasswordsAreSlowedDownWhetherTheAccountExistsOrNot(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	must(db.CreateUser(ctx, operator, postgres.User{Email: "ana@nines.example", Role: access.Viewer}, password))(t)
	for _, email := range []string{"ana@nines.example", "nobody@nines.example"} {
		var kinds []fault.Kind
		for range 10 {
			_, _, err := db.SignIn(ctx, email, "wrong")
			kinds = append(kinds, fault.KindOf(err))
		}
		if kinds[0] != fault.Unauthorized || kinds[7] != fault.Unauthorized || kinds[8] != fault.Limited || kinds[9] != fault.Limited {
			t.Errorf("%s: %v", email, kinds)
		}
	}
	if _, _, err := db.SignIn(ctx, "ana@nines.example", password); !fault.Is(err, fault.Limited) {
		t.Errorf("the right one at last: %v", err)
	}
}

func TestAPITokens(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	plain, made, err := db.CreateToken(ctx, operator, " ci ", access.Responder, "acme")
	if err != nil || made.Name != "ci" || made.Tenant != "acme" || made.CreatedBy != operator.ID || !strings.HasPrefix(plain, "nines_token_") {
		t.Fatalf("made %+v, %v", made, err)
	}
	p := must(db.PrincipalOfToken(ctx, plain))(t)
	if p.ID != "token:"+made.ID || p.Tenant != "acme" || p.Role != access.Responder || p.Name != "ci" {
		t.Errorf("principal %+v", p)
	}
	first := must(db.Tokens(ctx, operator))(t)[0].LastUsedAt
	must(db.PrincipalOfToken(ctx, plain))(t)
	if second := must(db.Tokens(ctx, operator))(t)[0].LastUsedAt; first == nil || !second.Equal(*first) {
		t.Errorf("used at %v, then at %v: it is written once a minute", first, second)
	}
	if n := value[int](t, conn, "select count(*)::int from tokens where token_hash = $1", plain); n != 0 {
		t.Error("the token itself is stored")
	}
	for name, c := range map[string]struct {
		who  access.Principal
		name string
		role access.Role
		want fault.Kind
	}{
		"no name":       {operator, " ", access.Viewer, fault.Invalid},
		"a long name":   {operator, strings.Repeat("x", 101), access.Viewer, fault.Invalid},
		"no such role":  {operator, "x", "root", fault.Invalid},
		"not an admin":  {responder, "x", access.Viewer, fault.Forbidden},
		"nobody at all": {access.Principal{}, "x", access.Viewer, fault.Unauthorized},
	} {
		if _, _, err := db.CreateToken(ctx, c.who, c.name, c.role, ""); !fault.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := db.RevokeToken(ctx, globex, made.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant revokes it: %v", err)
	}
	if err := db.RevokeToken(ctx, acme, made.ID); err != nil {
		t.Error(err)
	}
	if _, err := db.PrincipalOfToken(ctx, plain); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("a revoked token: %v", err)
	}
	for _, id := range []string{made.ID, "x", "00000000-0000-0000-0000-000000000000"} {
		if err := db.RevokeToken(ctx, operator, id); !fault.Is(err, fault.NotFound) {
			t.Errorf("revoking %s: %v", id, err)
		}
	}
	for _, nothing := range []string{"", "nines_token_", "' or true --"} {
		if _, err := db.PrincipalOfToken(ctx, nothing); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("token %q: %v", nothing, err)
		}
	}
	if _, err := db.Audit(ctx, responder, postgres.AuditFilter{}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a responder reads the audit log: %v", err)
	}
	records := must(db.Audit(ctx, acme, postgres.AuditFilter{Limit: 1}))(t)
	if len(records) != 1 || records[0].Action != "token.revoke" || records[0].Tenant != "acme" {
		t.Errorf("audit: %+v", records)
	}
	before := must(db.Audit(ctx, acme, postgres.AuditFilter{Before: records[0].ID}))(t)
	if len(before) != 1 || before[0].Action != "token.create" {
		t.Errorf("audit before it: %+v", before)
	}
}

// TestARevokedTokenIsRefusedByEveryReplica uses a token on one replica while another revokes it.
func TestARevokedTokenIsRefusedByEveryReplica(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	var replicas [2]*postgres.DB
	for n := range replicas {
		replicas[n] = must(postgres.Open(t.Context(), postgres.Config{URL: url}))(t)
		defer replicas[n].Close()
	}
	listening, ctx := make(chan struct{}), t.Context()
	var once sync.Once
	go func() { _ = replicas[0].Listen(ctx, func(postgres.Change) { once.Do(func() { close(listening) }) }) }()
	<-listening
	plain, made, err := replicas[0].CreateToken(ctx, operator, "ci", access.Responder, "")
	if err != nil {
		t.Fatal(err)
	}
	must(replicas[0].PrincipalOfToken(ctx, plain))(t)
	began := time.Now()
	if err := replicas[1].RevokeToken(ctx, operator, made.ID); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := replicas[0].PrincipalOfToken(ctx, plain)
		if fault.Is(err, fault.Unauthorized) {
			break
		}
		if err != nil || time.Since(began) > 1500*time.Millisecond {
			t.Fatalf("%v after %s", err, time.Since(began))
		}
	}
}
