package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// minServer is PostgreSQL 15, as the server counts.
const minServer = 15_00_00

// openTables lists the tables that hold no tenant's data and therefore need no row security. All others in the schema public
// must have it. The schema river is the job queue's: its rows are names of jobs.
var openTables = []string{"goose_db_version"}

// check refuses a server, role or schema that would not keep tenants apart.
func (d *DB) check(ctx context.Context) error {
	if err := d.checkRole(ctx); err != nil {
		return explain(ctx, err, "look at the database role")
	}
	return explain(ctx, d.checkTables(ctx), "look at row security")
}

const roleSQL = `
select rolname::text as name, rolsuper as super, rolbypassrls as bypass, current_setting('server_version_num')::int as server
from pg_roles where rolname = current_user`

func (d *DB) checkRole(ctx context.Context) error {
	type role struct {
		Name          string
		Super, Bypass bool
		Server        int
	}
	found, err := read(ctx, d.api, access.Operator(), roleSQL, nil, pgx.RowToStructByName[role])
	if err != nil {
		return err
	}
	for _, r := range found {
		switch {
		case r.Server < minServer:
			return fault.New(fault.Invalid, "the database is PostgreSQL %d; 15 or later is needed", r.Server/10_000)
		case r.Super || r.Bypass:
			return fault.New(fault.Invalid, "the database role %q passes row security, which keeps tenants apart. Make one that does not, and use it in the database URL: "+
				"CREATE ROLE nines LOGIN PASSWORD '...' NOSUPERUSER NOBYPASSRLS; CREATE DATABASE nines OWNER nines;", r.Name)
		}
	}
	return nil
}

const tablesSQL = `
select c.relname::text as name, c.relrowsecurity and c.relforcerowsecurity as forced,
    exists (select from pg_policy p where p.polrelid = c.oid) as policy
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind in ('r', 'p')
order by c.relname`

type tableSecurity struct {
	Name           string
	Forced, Policy bool
}

func (d *DB) checkTables(ctx context.Context) error {
	found, err := read(ctx, d.api, access.Operator(), tablesSQL, nil, pgx.RowToStructByName[tableSecurity])
	if err != nil {
		return err
	}
	var bare []string
	for _, t := range found {
		if (!t.Forced || !t.Policy) && !slices.Contains(openTables, t.Name) {
			bare = append(bare, t.Name)
		}
	}
	if len(bare) > 0 {
		return fault.New(fault.Invalid, "these tables have no forced row security with a policy, so tenants could see each other: %s. Give the database to Nines alone, or restore it: %s",
			strings.Join(bare, ", "), fmt.Sprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY; ALTER TABLE %s FORCE ROW LEVEL SECURITY;", bare[0], bare[0]))
	}
	return nil
}
