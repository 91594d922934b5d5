package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// What an Outcome says.
const (
	actionCreate    = "create"
	actionUpdate    = "update"
	actionDelete    = "delete"
	actionUnchanged = "unchanged"
)

const recordColumns = `kind, name, version, body as text, applied_at, applied_by, deleted`

// newestSQL has each definition's newest version, removed ones too.
const newestSQL = `
select distinct on (kind, name) ` + recordColumns + `
from definitions order by kind, name, version desc`

// Definitions returns the version in force of every definition, by kind and name.
func (d *DB) Definitions(ctx context.Context) ([]manifest.Record, error) {
	records, err := read(ctx, d.api, access.Operator(), "select * from ("+newestSQL+") newest where not deleted",
		nil, pgx.RowToStructByName[manifest.Record])
	return records, explain(ctx, err, "read definitions")
}

const versionsSQL = `
select ` + recordColumns + ` from definitions where kind = @kind and name = @name order by version desc`

// DefinitionVersions returns every version of a definition, the newest first. One that never was is a fault.NotFound.
func (d *DB) DefinitionVersions(ctx context.Context, kind, name string) ([]manifest.Record, error) {
	records, err := read(ctx, d.api, access.Operator(), versionsSQL, pgx.NamedArgs{"kind": kind, "name": name}, pgx.RowToStructByName[manifest.Record])
	if err == nil && len(records) == 0 {
		err = fault.New(fault.NotFound, "there is no %s named %q", kind, name)
	}
	return records, explain(ctx, err, "read a definition's versions")
}

// definitionKey names one definition.
type definitionKey struct{ kind, name string }

const addVersionsSQL = `
insert into definitions (kind, name, version, body, deleted, applied_by)
select kind, name, version, body, deleted, @by
from unnest(@kinds::text[], @names::text[], @versions::int[], @bodies::text[], @gone::bool[]) as v (kind, name, version, body, deleted)`

// ApplyDefinitions makes the documents the ones in force, all or nothing: what differs from the version in force gets a
// new one, equal text is unchanged. With prune, what is not among docs is removed, as a version of its own. The audit
// record is written in the same transaction. A dry run changes nothing and shows what would happen, with diffs.
// It needs the role editor among the operator's people; outcomes are in order of docs, then of what is removed.
func (d *DB) ApplyDefinitions(ctx context.Context, who access.Principal, docs []manifest.Record, prune, dryRun bool) ([]manifest.Outcome, error) {
	if err := who.Require(access.Editor); err != nil {
		return nil, err
	}
	if who.Tenant != "" {
		return nil, fault.New(fault.Forbidden, "definitions belong to the operator")
	}
	if err := checkDistinct(docs); err != nil {
		return nil, err
	}
	if dryRun {
		newest, err := read(ctx, d.api, access.Operator(), newestSQL, nil, pgx.RowToStructByName[manifest.Record])
		return plan(newest, docs, prune).outcomes(true), explain(ctx, err, "compare definitions")
	}
	var p applyPlan
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		// One at a time, so that two cannot each be half of what is in force.
		if _, err := tx.Exec(ctx, "lock table definitions in share row exclusive mode"); err != nil {
			return err
		}
		newest, err := rows(ctx, tx, newestSQL, nil, pgx.RowToStructByName[manifest.Record])
		if err != nil {
			return err
		}
		p = plan(newest, docs, prune)
		return p.commit(ctx, tx, who)
	})
	if err != nil {
		return nil, explain(ctx, err, "apply definitions")
	}
	return p.outcomes(false), nil
}

func checkDistinct(docs []manifest.Record) error {
	seen := map[definitionKey]bool{}
	for _, doc := range docs {
		k := definitionKey{doc.Kind, doc.Name}
		if doc.Kind == "" || doc.Name == "" {
			return fault.New(fault.Invalid, "a definition has no kind or no name")
		}
		if seen[k] {
			return fault.New(fault.Invalid, "%s %s is defined twice", doc.Kind, doc.Name)
		}
		seen[k] = true
	}
	return nil
}

// step is what applying does to one definition.
type step struct {
	action string
	before manifest.Record // zero where there was none
	after  manifest.Record
}

type applyPlan []step

func plan(newest, docs []manifest.Record, prune bool) applyPlan {
	inForce := make(map[definitionKey]manifest.Record, len(newest))
	for _, r := range newest {
		inForce[definitionKey{r.Kind, r.Name}] = r
	}
	var p applyPlan
	kept := map[definitionKey]bool{}
	for _, doc := range docs {
		k := definitionKey{doc.Kind, doc.Name}
		kept[k] = true
		p = append(p, planOne(inForce[k], doc))
	}
	for _, r := range newest {
		if prune && !r.Deleted && !kept[definitionKey{r.Kind, r.Name}] {
			gone := r
			gone.Version, gone.Deleted = r.Version+1, true
			p = append(p, step{actionDelete, r, gone})
		}
	}
	return p
}

func planOne(before, doc manifest.Record) step {
	after := manifest.Record{Kind: doc.Kind, Name: doc.Name, Text: doc.Text, Version: before.Version + 1}
	switch {
	case before.Version == 0, before.Deleted:
		return step{actionCreate, before, after}
	case before.Text == doc.Text:
		return step{actionUnchanged, before, before}
	}
	return step{actionUpdate, before, after}
}

func (p applyPlan) outcomes(diff bool) []manifest.Outcome {
	out := make([]manifest.Outcome, 0, len(p))
	for _, s := range p {
		o := manifest.Outcome{Kind: s.after.Kind, Name: s.after.Name, Action: s.action, Version: s.after.Version}
		if diff {
			o.Diff = unifiedDiff(o.Kind+"/"+o.Name, shown(s.before), shown(s.after))
		}
		out = append(out, o)
	}
	return out
}

func (p applyPlan) commit(ctx context.Context, tx querier, who access.Principal) error {
	var changed []manifest.Record
	detail := map[string]any{}
	for _, s := range p {
		if s.action == actionUnchanged {
			continue
		}
		changed = append(changed, s.after)
		names, _ := detail[s.action].([]string)
		detail[s.action] = append(names, s.after.Kind+"/"+s.after.Name)
	}
	if len(changed) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	batch.Queue(addVersionsSQL, pgx.NamedArgs{
		"by":       who.ID,
		"kinds":    column(changed, func(r manifest.Record) string { return r.Kind }),
		"names":    column(changed, func(r manifest.Record) string { return r.Name }),
		"versions": column(changed, func(r manifest.Record) int32 { return int32(r.Version) }),
		"bodies":   column(changed, func(r manifest.Record) string { return r.Text }),
		"gone":     column(changed, func(r manifest.Record) bool { return r.Deleted }),
	})
	record(batch, who, "", "definitions.apply", "definitions", detail)
	announce(batch, Change{Topic: TopicDefinitions})
	return send(ctx, tx, batch)
}

// shown is the text in force after a version: none after a removal.
func shown(r manifest.Record) string {
	if r.Deleted {
		return ""
	}
	return r.Text
}
