package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// ExplainSimilar returns the plan by which past incidents are looked for.
func (d *DB) ExplainSimilar(ctx context.Context, scope access.Scope, id string) ([]string, error) {
	this, err := d.Incident(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	return read(ctx, d.api, scope, "explain "+pastSQL, similarArgs(scope, this), pgx.RowTo[string])
}

// ExplainSearch returns the plan of a search without words.
func (d *DB) ExplainSearch(ctx context.Context, scope access.Scope, s incidents.Search) ([]string, error) {
	where, args := searchTerms(s)
	return read(ctx, d.api, scope, "explain "+fmt.Sprintf(listFoundSQL, where), args, pgx.RowTo[string])
}
