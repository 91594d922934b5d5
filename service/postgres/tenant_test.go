package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/slo"
)

// fill gives the operator, acme and globex one of everything.
func fill(t *testing.T, db *postgres.DB) {
	t.Helper()
	ctx := context.Background()
	for _, who := range []access.Principal{operator, acme, globex} {
		if err := db.ReceiveAlerts(ctx, who, one(alert("Down", "critical", "of", who.Tenant)), routing); err != nil {
			t.Fatal(err)
		}
		must(db.CreateUser(ctx, who, postgres.User{Email: "u@" + who.Tenant + "x.example", Role: access.Viewer}, "correct horse battery"))(t)
		if _, _, err := db.CreateToken(ctx, who, "of "+who.Tenant, access.Viewer, ""); err != nil {
			t.Fatal(err)
		}
	}
	claims := must(db.ClaimDue(ctx, 10, lease))(t)
	if len(claims) != 3 {
		t.Fatalf("%d pages", len(claims))
	}
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var buckets []slo.Bucket
	for _, tenant := range []string{"", "acme", "globex"} {
		buckets = append(buckets, slo.Bucket{Series: slo.Series{SLO: "shop-availability", Tenant: tenant, Group: "{}"}, Start: start,
			Width: 5 * time.Minute, Counts: slo.Counts{Good: 9, Total: 10}, Seen: 5, Expect: 5, Version: 1})
	}
	if err := db.PutBuckets(ctx, "shop-availability", start.Add(5*time.Minute), buckets); err != nil {
		t.Fatal(err)
	}
	must(db.ApplyDefinitions(ctx, operator, []manifest.Record{{Kind: "Service", Name: "shop", Text: "a\n"}}, false, false))(t)
	if err := db.RecordDecision(ctx, autoscale.Decision{Workload: "shop", At: start}); err != nil {
		t.Fatal(err)
	}
}

// TestATenantSeesItsOwnOnly asks every reading method as everybody.
func TestATenantSeesItsOwnOnly(t *testing.T) {
	t.Parallel()
	db := open(t)
	fill(t, db)
	ctx := context.Background()
	from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	byTenant := map[string]string{}
	for _, i := range must(db.Incidents(ctx, access.Operator(), incidents.Filter{}))(t) {
		byTenant[i.Tenant] = i.ID
	}

	// Each reader returns the tenants of what it saw.
	readers := map[string]func(s access.Scope, who access.Principal) ([]string, error){
		"Incidents": func(s access.Scope, _ access.Principal) ([]string, error) {
			found, err := db.Incidents(ctx, s, incidents.Filter{})
			return tenants(found, func(i incidents.Incident) string { return i.Tenant }), err
		},
		"Incident": func(s access.Scope, _ access.Principal) ([]string, error) {
			return reachable(byTenant, func(id string) error { _, err := db.Incident(ctx, s, id); return err })
		},
		"Timeline": func(s access.Scope, _ access.Principal) ([]string, error) {
			return reachable(byTenant, func(id string) error { _, err := db.Timeline(ctx, s, id); return err })
		},
		"Attempts": func(s access.Scope, _ access.Principal) ([]string, error) {
			return reachable(byTenant, func(id string) error { _, err := db.Attempts(ctx, s, id); return err })
		},
		"Note": func(_ access.Scope, who access.Principal) ([]string, error) {
			return reachable(byTenant, func(id string) error { _, err := db.Note(ctx, who, id, "?"); return err })
		},
		"Alerts": func(s access.Scope, _ access.Principal) ([]string, error) {
			found, err := db.Alerts(ctx, s, postgres.AlertFilter{})
			var out []string
			for _, a := range found {
				out = append(out, a.Tenant)
			}
			return out, err
		},
		"Buckets": func(s access.Scope, _ access.Principal) ([]string, error) {
			found, err := db.Buckets(ctx, s, "", "", from, to)
			return tenants(found, func(b slo.Bucket) string { return b.Tenant }), err
		},
		"Users": func(_ access.Scope, who access.Principal) ([]string, error) {
			found, err := db.Users(ctx, who)
			return tenants(found, func(u postgres.User) string { return u.Tenant }), err
		},
		"Tokens": func(_ access.Scope, who access.Principal) ([]string, error) {
			found, err := db.Tokens(ctx, who)
			return tenants(found, func(t postgres.Token) string { return t.Tenant }), err
		},
		"Audit": func(_ access.Scope, who access.Principal) ([]string, error) {
			found, err := db.Audit(ctx, who, postgres.AuditFilter{Limit: 500})
			return tenants(found, func(r postgres.AuditRecord) string { return r.Tenant }), err
		},
		"Decisions": func(s access.Scope, _ access.Principal) ([]string, error) {
			found, err := db.Decisions(ctx, s, "", 0)
			if s.IsOperator() {
				return []string{"", "acme", "globex"}, err // there is one, the operator's
			}
			return tenants(found, func(autoscale.Decision) string { return "" }), err
		},
	}
	for name, ask := range readers {
		for _, c := range []struct {
			who  access.Principal
			want string
		}{{operator, "[ acme globex]"}, {acme, "[acme]"}, {globex, "[globex]"}, {access.Principal{ID: "user:n", Role: access.Admin, Tenant: "initech"}, "[]"}} {
			seen, err := ask(c.who.Scope(), c.who)
			want := c.want
			if name == "Decisions" && c.who.Tenant != "" {
				want = "[]"
			}
			if err != nil || fmt.Sprint(distinctOf(seen)) != want {
				t.Errorf("%s as %q sees tenants %q (%v), want %s", name, c.who.Tenant, distinctOf(seen), err, want)
			}
		}
		if seen, err := ask(access.Scope{}, access.Principal{}); len(seen) != 0 || err != nil && !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s for nobody sees %q, %v", name, seen, err)
		}
	}
}

func tenants[T any](found []T, of func(T) string) []string {
	var out []string
	for _, f := range found {
		out = append(out, of(f))
	}
	return out
}

// reachable returns the tenants whose incident the call finds.
func reachable(ids map[string]string, call func(id string) error) ([]string, error) {
	var out []string
	for tenant, id := range ids {
		switch err := call(id); {
		case err == nil:
			out = append(out, tenant)
		case !fault.Is(err, fault.NotFound):
			return out, err
		}
	}
	return out, nil
}

func distinctOf(seen []string) []string {
	var out []string
	for _, want := range []string{"", "acme", "globex"} {
		for _, s := range seen {
			if s == want {
				out = append(out, want)
				break
			}
		}
	}
	return out
}

func TestWritingForAnotherTenantIsRefused(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	db := openURL(t, url)
	ctx := context.Background()
	if _, err := db.CreateUser(ctx, acme, postgres.User{Email: "x@globex.example", Role: access.Viewer, Tenant: "globex"}, "correct horse battery"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a user: %v", err)
	}
	if _, _, err := db.CreateToken(ctx, acme, "x", access.Viewer, "globex"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a token: %v", err)
	}
	if _, err := db.ApplyDefinitions(ctx, acme, nil, true, false); !fault.Is(err, fault.Forbidden) {
		t.Errorf("definitions: %v", err)
	}
	// What no method offers, PostgreSQL refuses by itself.
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	do(t, conn, "select set_config('app.tenant', 'acme', false)")
	_, err = conn.Exec(ctx, "insert into tokens (tenant_id, name, role, token_hash, created_by) values ('globex', 'x', 'admin', 'h', 'me')")
	if err == nil || !strings.Contains(err.Error(), "42501") {
		t.Errorf("inserting past the methods: %v", err)
	}
	if n := value[int](t, conn, "with gone as (delete from tokens where tenant_id = 'globex' returning 1) select count(*)::int from gone"); n != 0 {
		t.Errorf("%d foreign rows deleted", n)
	}
	do(t, conn, "select set_config('app.tenant', '', false)")
	if n := value[int](t, conn, "select count(*)::int from audit"); n != 0 {
		t.Errorf("without a tenant %d rows are seen", n)
	}
}

// scoped reports whether a policy lets the operator see all, and a tenant its own at most: all of it, what more conditions
// leave of it, or nothing.
func scoped(policy, usual string) bool {
	policy = strings.ToLower(strings.Join(strings.Fields(policy), " "))
	operator := "(current_setting('app.scope'::text, true) = 'operator'::text)"
	tenant := "(tenant_id = nullif(current_setting('app.tenant'::text, true), ''::text))"
	if policy == strings.ToLower(usual) || policy == operator+"*" {
		return true
	}
	if policy == "case when "+operator+" then true else "+tenant+" end*" { // the usual rows, estimated otherwise
		return true
	}
	inner, ok := strings.CutPrefix(policy, "("+operator+" or ("+tenant+" and (")
	return ok && strings.HasSuffix(inner, ")))*") && !strings.Contains(inner, " or ")
}

// TestEveryTableIsSecured fails for a table that a later migration adds without row security or a tenant.
func TestEveryTableIsSecured(t *testing.T) {
	t.Parallel()
	_, conn := openBoth(t)
	type table struct {
		Name                          string
		Enabled, Forced, Tenant, Keys bool
		Policy                        string
	}
	rows, err := conn.Query(context.Background(), `
		select c.relname::text as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
			exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnotnull) as tenant,
			not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'f')
				and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname in ('tenant_id', 'incident_tenant') and a.attnum = any(k.conkey))) as keys,
			coalesce((select string_agg(pg_get_expr(p.polqual, p.polrelid) || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') || p.polcmd::text, ';')
				from pg_policy p where p.polrelid = c.oid and p.polpermissive), '') as policy
		from pg_class c where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and c.relname <> 'goose_db_version'
		order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[table])
	if err != nil || len(found) < 13 {
		t.Fatalf("%d tables, %v", len(found), err)
	}
	const usual = "((current_setting('app.scope'::text, true) = 'operator'::text) OR (tenant_id = NULLIF(current_setting('app.tenant'::text, true), ''::text)))*"
	for _, f := range found {
		if !f.Enabled || !f.Forced || !f.Tenant || !f.Keys {
			t.Errorf("%s: enabled %t, forced %t, tenant_id %t, in every key %t", f.Name, f.Enabled, f.Forced, f.Tenant, f.Keys)
		}
		if !scoped(f.Policy, usual) {
			t.Errorf("%s has the policy %q", f.Name, f.Policy)
		}
	}
}

// TestOnlyWordsAreSearchedByPolicy is about the one policy that narrows what others let through: PostgreSQL asks the index of
// words only where the question is part of a policy.
func TestOnlyWordsAreSearchedByPolicy(t *testing.T) {
	t.Parallel()
	_, conn := openBoth(t)
	found := value[string](t, conn, `
		select coalesce(string_agg(polrelid::regclass::text || ' ' || polname || ' ' || polcmd::text, ', '), '') from pg_policy where not polpermissive`)
	if found != "incident_words asked r" {
		t.Errorf("restrictive policies: %s", found)
	}
}

func TestRolesAndTablesThatWouldMixTenantsAreRefused(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	ctx := context.Background()
	refused := func(what, url, want string) {
		t.Helper()
		db, err := postgres.Open(ctx, postgres.Config{URL: url})
		if err == nil {
			db.Close()
		}
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to say %q", what, err, want)
		}
	}
	refused("a superuser", server.AsSuperuser(t, url), "CREATE ROLE nines LOGIN")
	refused("no URL", "postgres://%zz", "database URL")
	conn := superuser(t, url)
	do(t, conn, "alter table sessions no force row level security")
	refused("a table without forced row security", url, "sessions")
	do(t, conn, "alter table sessions force row level security")
	do(t, conn, "create table stray (id int)")
	refused("a table without any", url, "stray")
}

func TestMigratingTwiceAndTogetherIsHarmless(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	faults := make(chan error, 3)
	for range 3 {
		go func() { faults <- db.Migrate(ctx) }()
	}
	for range 3 {
		if err := <-faults; err != nil {
			t.Error(err)
		}
	}
	do(t, conn, "insert into goose_db_version (version_id, is_applied) values (99999, true)")
	if err := db.Migrate(ctx); !fault.Is(err, fault.Conflict) {
		t.Errorf("a database of a newer version: %v", err)
	}
}

func TestWhatHappenedCannotBeChanged(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	db := openURL(t, url)
	fill(t, db)
	ctx := context.Background()
	for _, role := range []string{url, server.AsSuperuser(t, url)} {
		conn, err := pgx.Connect(ctx, role)
		if err != nil {
			t.Fatal(err)
		}
		do(t, conn, "select set_config('app.scope', 'operator', false)")
		for table, column := range map[string]string{"audit": "actor", "timeline": "text", "definitions": "body", "decisions": "workload"} {
			if n := value[int](t, conn, "select count(*)::int from "+table); n == 0 {
				t.Errorf("%s is empty; the test says nothing", table)
			}
			for _, sql := range []string{
				fmt.Sprintf("update %s set %s = 'x'", table, column), "delete from " + table, "truncate " + table + " cascade",
			} {
				if _, err := conn.Exec(ctx, sql); err == nil || !strings.Contains(err.Error(), "never changed or removed") {
					t.Errorf("%s: %v", sql, err)
				}
			}
		}
		conn.Close(ctx)
	}
}
