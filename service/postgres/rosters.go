package postgres

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
)

const rosterSQL = `
select id::text, email from users where disabled_at is null and email = any(@emails::text[])`

// roster returns who can be called now of those whom the policy names.
func roster(ctx context.Context, tx querier, p incidents.Policy, _ time.Time) (incidents.Roster, error) {
	r := incidents.Roster{People: map[string]incidents.Person{}, OnCall: map[string][]string{}}
	var emails []string
	for _, t := range p.Everybody() {
		if t.User != "" {
			emails = append(emails, strings.ToLower(t.User))
		}
	}
	if len(emails) == 0 {
		return r, nil
	}
	slices.Sort(emails)
	found, err := rows(ctx, tx, rosterSQL, pgx.NamedArgs{"emails": slices.Compact(emails)}, func(row pgx.CollectableRow) (p incidents.Person, err error) {
		return p, row.Scan(&p.ID, &p.Email)
	})
	for _, p := range found {
		r.People[p.Email] = p
	}
	return r, err
}
