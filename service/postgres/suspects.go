package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

const suspectsSQL = `
select c.number, c.service, c.ref, c.kind, c.author, c.environment, c.began_at, c.outcome
from changes c
where c.began_at > @from and c.began_at <= @to
order by c.began_at desc
limit 500`

// Suspects returns the changes near the start of an incident, the most suspicious first; id is its UUID or number.
// Changes are the operator's: a tenant sees none. See incidents.Suspects.
func (d *DB) Suspects(ctx context.Context, scope access.Scope, id string) ([]incidents.Suspect, error) {
	type row struct {
		incidents.Candidate
		Environment, Outcome string
	}
	this, err := d.Incident(ctx, scope, id)
	if err != nil || !scope.IsOperator() {
		return nil, err
	}
	found, err := read(ctx, d.api, scope, suspectsSQL, pgx.NamedArgs{
		"from": this.StartedAt.Add(-incidents.SuspectWindow), "to": this.StartedAt.Add(incidents.SuspectLead),
	}, func(r pgx.CollectableRow) (c row, err error) {
		return c, r.Scan(&c.Number, &c.Service, &c.Ref, &c.Kind, &c.Author, &c.Environment, &c.BeganAt, &c.Outcome)
	})
	if err != nil {
		return nil, explain(ctx, err, "look for the changes near an incident's start")
	}
	var candidates []incidents.Candidate
	for _, r := range found {
		c := r.Candidate
		c.Failed = r.Outcome != "" && r.Outcome != "succeeded"
		if r.Environment != "" {
			c.Labels = map[string]string{"environment": r.Environment}
		}
		candidates = append(candidates, c)
	}
	return incidents.Suspects(this, candidates), nil
}
