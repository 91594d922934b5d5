package postgres

import (
	"context"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

const postmortemColumns = `p.id::text, p.number, p.tenant_id, p.title, p.state, p.template, p.sections, p.none_needed, p.author, p.owner, p.version,
    p.reviewed_by, p.reviewed_at, p.published_at, p.created_at, p.updated_at,
    (select min(d.due_at) from postmortem_duties d join postmortem_incidents l on (d.tenant_id, d.incident_id) = (l.incident_tenant, l.incident_id)
        where (l.tenant_id, l.postmortem_id) = (p.tenant_id, p.id)),
    coalesce((select jsonb_agg(jsonb_build_object('id', i.id, 'number', i.number, 'tenant', i.tenant_id, 'title', i.title, 'service', i.service,
            'severity', i.severity) order by i.number)
        from postmortem_incidents l join incidents i on (i.tenant_id, i.id) = (l.incident_tenant, l.incident_id)
        where (l.tenant_id, l.postmortem_id) = (p.tenant_id, p.id)), '[]')`

func scanPostmortem(row pgx.CollectableRow) (p incidents.Postmortem, err error) {
	err = row.Scan(&p.ID, &p.Number, &p.Tenant, &p.Title, &p.State, &p.Template, &p.Sections, &p.NoneNeeded, &p.Author, &p.Owner, &p.Version,
		&p.ReviewedBy, &p.ReviewedAt, &p.PublishedAt, &p.CreatedAt, &p.UpdatedAt, &p.DueAt, &p.Incidents)
	return p, err
}

const postmortemsSQL = `
select ` + postmortemColumns + `
from postmortems p
where (@state = '' or p.state = @state) and (@before = 0 or p.number < @before)
    and (@query = '' or p.search @@ websearch_to_tsquery('english', @query))
    and (@service = '' and not @by_incident or exists (
        select from postmortem_incidents l join incidents i on (i.tenant_id, i.id) = (l.incident_tenant, l.incident_id)
        where (l.tenant_id, l.postmortem_id) = (p.tenant_id, p.id) and (@service = '' or i.service = @service)
            and (not @by_incident or i.id::text = @incident or i.number::text = @incident)))
order by case when @query = '' then 0 else ts_rank(p.search, websearch_to_tsquery('english', @query)) end desc, p.number desc
limit @most`

// Postmortems returns the postmortems in scope, the newest first, or the best first where words are asked for.
func (d *DB) Postmortems(ctx context.Context, scope access.Scope, f incidents.PostmortemFilter) ([]incidents.Postmortem, error) {
	args := pgx.NamedArgs{"state": string(f.State), "service": f.Service, "query": f.Query, "incident": f.Incident, "by_incident": f.Incident != "",
		"before": f.Before, "most": clamp(f.Limit, 50, 200)}
	found, err := read(ctx, d.api, scope, postmortemsSQL, args, scanPostmortem)
	return found, explain(ctx, err, "list postmortems")
}

func noPostmortem(id string) error {
	return fault.New(fault.NotFound, "there is no postmortem %q", id[:min(len(id), 40)])
}

// Postmortem returns the postmortem of that UUID or number. One that is not there or out of scope is a fault.NotFound.
func (d *DB) Postmortem(ctx context.Context, scope access.Scope, id string) (incidents.Postmortem, error) {
	r := refer(id)
	found, err := read(ctx, d.api, scope, "select "+postmortemColumns+" from postmortems p where "+r.of("p"), r.args(), scanPostmortem)
	if err == nil && len(found) == 0 {
		err = noPostmortem(id)
	}
	if err != nil {
		return incidents.Postmortem{}, explain(ctx, err, "read a postmortem")
	}
	return found[0], nil
}

func mayReview(who access.Principal, role access.Role) error {
	if err := who.Require(role); err != nil {
		return err
	}
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "postmortems are written by the operator's people; you belong to %s", who.Tenant)
	}
	return nil
}

const (
	insertPostmortemSQL = `
insert into postmortems as p (tenant_id, title, state, template, sections, none_needed, author, owner, version, created_at, updated_at, words)
values (@tenant, @title, @state, @template, @sections, @none, @author, @owner, @version, @created, @updated, @words)
returning p.id::text, p.number`

	linkPostmortemSQL = `
insert into postmortem_incidents (tenant_id, postmortem_id, incident_tenant, incident_id) values (@tenant, @id, @of, @incident)`

	savePostmortemSQL = `
update postmortems set title = @title, state = @state, sections = @sections, none_needed = @none, owner = @owner, version = @version,
    reviewed_by = @reviewer, reviewed_at = @reviewed, published_at = @published, updated_at = @updated, words = @words
where (tenant_id, id) = (@tenant, @id::uuid)`

	insertVersionSQL = `
insert into postmortem_versions (tenant_id, postmortem_id, version, at, actor, name, what, title, owner, none_needed, sections)
values (@tenant, @id, @version, @updated, @actor, @name, @what, @title, @owner, @none, @sections)`
)

func postmortemArgs(p incidents.Postmortem, who access.Principal, what string) pgx.NamedArgs {
	return pgx.NamedArgs{"tenant": p.Tenant, "id": p.ID, "title": p.Title, "state": string(p.State), "template": p.Template, "sections": p.Sections,
		"none": p.NoneNeeded, "author": p.Author, "owner": p.Owner, "version": p.Version, "created": p.CreatedAt, "updated": p.UpdatedAt,
		"words": p.Words(), "reviewer": p.ReviewedBy, "reviewed": p.ReviewedAt, "published": p.PublishedAt, "actor": who.ID, "name": who.Name, "what": what}
}

// AddPostmortem keeps a draft with its first version; draft makes it at the database's clock. It needs the role responder
// among the operator's people. An incident that has a postmortem already is a fault.Conflict.
func (d *DB) AddPostmortem(
	ctx context.Context, who access.Principal, draft func(now time.Time) (incidents.Postmortem, error),
) (incidents.Postmortem, error) {
	if err := mayReview(who, access.Responder); err != nil {
		return incidents.Postmortem{}, err
	}
	var p incidents.Postmortem
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) (err error) {
		if p, err = draft(now); err != nil {
			return err
		}
		made, err := one(rows(ctx, tx, insertPostmortemSQL, postmortemArgs(p, who, ""), func(row pgx.CollectableRow) (m incidents.Postmortem, err error) {
			err = row.Scan(&m.ID, &m.Number)
			return m, err
		}))
		if err != nil {
			return err
		}
		p.ID, p.Number = made.ID, made.Number
		batch := &pgx.Batch{}
		for _, i := range p.Incidents {
			batch.Queue(linkPostmortemSQL, pgx.NamedArgs{"tenant": p.Tenant, "id": p.ID, "of": i.Tenant, "incident": i.ID})
			announce(batch, Change{Topic: TopicIncident, Tenant: i.Tenant, ID: i.ID})
		}
		batch.Queue(insertVersionSQL, postmortemArgs(p, who, "drafted"))
		record(batch, who, p.Tenant, "postmortem.draft", "postmortem/"+p.ID, map[string]any{"number": p.Number, "title": p.Title})
		return send(ctx, tx, batch)
	})
	if err != nil {
		return incidents.Postmortem{}, explain(ctx, err, "draft a postmortem")
	}
	return d.Postmortem(ctx, who.Scope(), p.ID)
}

// changePostmortem locks a postmortem, asks what is to become of it, and commits that with its version and audit record.
// What changes nothing leaves neither.
func (d *DB) changePostmortem(
	ctx context.Context, who access.Principal, id, action, what string,
	decide func(ctx context.Context, tx querier, p incidents.Postmortem, now time.Time, batch *pgx.Batch) (incidents.Postmortem, error),
) (incidents.Postmortem, error) {
	r := refer(id)
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		found, err := rows(ctx, tx, "select "+postmortemColumns+" from postmortems p where "+r.of("p")+" for no key update of p", r.args(), scanPostmortem)
		if err == nil && len(found) == 0 {
			err = noPostmortem(id)
		}
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		after, err := decide(ctx, tx, found[0], now, batch)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(after, found[0]) {
			batch.Queue(savePostmortemSQL, postmortemArgs(after, who, ""))
			detail := map[string]any{"version": after.Version, "state": after.State}
			if after.Version != found[0].Version {
				batch.Queue(insertVersionSQL, postmortemArgs(after, who, what))
			}
			record(batch, who, after.Tenant, action, "postmortem/"+after.ID, detail)
			for _, i := range after.Incidents {
				announce(batch, Change{Topic: TopicIncident, Tenant: i.Tenant, ID: i.ID})
			}
		}
		return send(ctx, tx, batch)
	})
	if err != nil {
		return incidents.Postmortem{}, explain(ctx, err, "change a postmortem")
	}
	return d.Postmortem(ctx, who.Scope(), id)
}

// SavePostmortem stores an edit as a new version. Edits that were made from an earlier version are joined where they
// touch different sections; where both touch the same one nothing is stored, and a fault.Conflict holds both texts. It
// needs the role responder among the operator's people.
func (d *DB) SavePostmortem(ctx context.Context, who access.Principal, id string, e incidents.Edit) (incidents.Postmortem, error) {
	if err := mayReview(who, access.Responder); err != nil {
		return incidents.Postmortem{}, err
	}
	decide := func(ctx context.Context, tx querier, p incidents.Postmortem, now time.Time, _ *pgx.Batch) (incidents.Postmortem, error) {
		base, by, err := baseOf(ctx, tx, p, e.Base)
		if err != nil {
			return p, err
		}
		fresh := e.Fresh(base)
		if found := incidents.Collide(base, p, fresh); len(found) > 0 {
			return p, incidents.Lost(by, p.Version, found)
		}
		after, err := p.Apply(fresh, now)
		if err != nil || len(fresh.Texts) == 0 && fresh.Title == nil && fresh.Owner == nil && fresh.NoneNeeded == nil {
			return p, err
		}
		return after, nil
	}
	return d.changePostmortem(ctx, who, id, "postmortem.edit", "edited", decide)
}

// baseOf returns the version that an edit was made from, and who saved the newest.
func baseOf(ctx context.Context, tx querier, p incidents.Postmortem, version int) (incidents.Postmortem, string, error) {
	found, err := rows(ctx, tx, postmortemVersionsSQL+" and v.version in (@base, @newest) order by v.version",
		pgx.NamedArgs{"tenant": p.Tenant, "id": p.ID, "base": version, "newest": p.Version}, pgx.RowToStructByName[incidents.PostmortemVersion])
	if err != nil {
		return p, "", err
	}
	if len(found) == 0 || found[0].Version != version {
		return p, "", fault.New(fault.Invalid, "base: there is no version %d; name the version that you edited, now %d", version, p.Version)
	}
	base := p
	base.Title, base.Owner, base.NoneNeeded, base.Sections = found[0].Title, found[0].Owner, found[0].NoneNeeded, found[0].Sections
	return base, found[len(found)-1].Name, nil
}

const postmortemVersionsSQL = `
select v.version, v.at, v.actor, v.name, v.what, v.title, v.owner, v.none_needed, v.sections
from postmortem_versions v where (v.tenant_id, v.postmortem_id) = (@tenant, @id::uuid)`

// PostmortemVersions returns every save of a postmortem, the oldest first. It is the operator's own.
func (d *DB) PostmortemVersions(ctx context.Context, who access.Principal, id string) ([]incidents.PostmortemVersion, error) {
	if err := mayReview(who, access.Viewer); err != nil {
		return nil, err
	}
	p, err := d.Postmortem(ctx, who.Scope(), id)
	if err != nil {
		return nil, err
	}
	found, err := read(ctx, d.api, who.Scope(), postmortemVersionsSQL+" order by v.version", pgx.NamedArgs{"tenant": p.Tenant, "id": p.ID},
		pgx.RowToStructByName[incidents.PostmortemVersion])
	return found, explain(ctx, err, "list versions of a postmortem")
}

// RefreshPostmortem fills the figures in anew. It needs the role responder among the operator's people.
func (d *DB) RefreshPostmortem(ctx context.Context, who access.Principal, id string, found []incidents.Found) (incidents.Postmortem, error) {
	if err := mayReview(who, access.Responder); err != nil {
		return incidents.Postmortem{}, err
	}
	return d.changePostmortem(ctx, who, id, "postmortem.refresh", "refreshed",
		func(_ context.Context, _ querier, p incidents.Postmortem, now time.Time, _ *pgx.Batch) (incidents.Postmortem, error) {
			if p.State == incidents.ReviewClosed {
				return p, fault.New(fault.Conflict, "the postmortem is closed; send it back with a reason to change it")
			}
			after, changed := p.Refresh(found, now)
			if !changed {
				return p, nil
			}
			return after, nil
		})
}

const (
	wroteSQL = `select distinct name from postmortem_versions where (tenant_id, postmortem_id) = (@tenant, @id::uuid) and what <> 'refreshed'`
	itemsSQL = `select count(*)::int from action_items where (tenant_id, postmortem_id) = (@tenant, @id::uuid) and state <> 'dropped'`
)

// MovePostmortem takes a postmortem from state to state, see incidents.Postmortem.Move; the move and its reason stand among
// the comments. It needs the role responder among the operator's people.
func (d *DB) MovePostmortem(ctx context.Context, who access.Principal, id string, step incidents.ReviewStep, reason string) (incidents.Postmortem, error) {
	if err := mayReview(who, access.Responder); err != nil {
		return incidents.Postmortem{}, err
	}
	decide := func(ctx context.Context, tx querier, p incidents.Postmortem, now time.Time, batch *pgx.Batch) (incidents.Postmortem, error) {
		args := pgx.NamedArgs{"tenant": p.Tenant, "id": p.ID}
		wrote, err := rows(ctx, tx, wroteSQL, args, pgx.RowTo[string])
		if err != nil {
			return p, err
		}
		items, err := one(rows(ctx, tx, itemsSQL, args, pgx.RowTo[int]))
		if err != nil {
			return p, err
		}
		after, err := p.Move(incidents.ReviewMove{Step: step, By: who.Name, Reason: reason, Wrote: wrote, Items: items}, now)
		if err == nil {
			batch.Queue(insertCommentSQL, commentArgs(p, who, "", string(step), strings.TrimSpace(reason)))
		}
		return after, err
	}
	return d.changePostmortem(ctx, who, id, "postmortem."+string(step), "", decide)
}

// PublishPostmortem lets the tenant read its postmortem, or no longer. It needs the role editor among the operator's
// people. One that belongs to no tenant is a fault.Conflict.
func (d *DB) PublishPostmortem(ctx context.Context, who access.Principal, id string, publish bool) (incidents.Postmortem, error) {
	if err := mayReview(who, access.Editor); err != nil {
		return incidents.Postmortem{}, err
	}
	action := map[bool]string{true: "postmortem.publish", false: "postmortem.withdraw"}[publish]
	return d.changePostmortem(ctx, who, id, action, "",
		func(_ context.Context, _ querier, p incidents.Postmortem, now time.Time, _ *pgx.Batch) (incidents.Postmortem, error) {
			if publish && p.Tenant == "" {
				return p, fault.New(fault.Conflict, "the postmortem belongs to no tenant, so there is nobody to publish it to")
			}
			if publish && p.State != incidents.Reviewed && p.State != incidents.ReviewClosed {
				return p, fault.New(fault.Conflict, "the postmortem is %s; only one that is reviewed can be published", p.State.Words())
			}
			if publish == (p.PublishedAt != nil) {
				return p, nil
			}
			if p.PublishedAt = nil; publish {
				p.PublishedAt = &now
			}
			p.UpdatedAt = now
			return p, nil
		})
}

const (
	insertCommentSQL = `
insert into postmortem_comments (tenant_id, postmortem_id, actor, name, section, step, text) values (@tenant, @id, @actor, @name, @section, @step, @text)`

	postmortemCommentsSQL = `
select id, at, name, section, step, text from postmortem_comments where (tenant_id, postmortem_id) = (@tenant, @id::uuid) order by id limit 5000`
)

func commentArgs(p incidents.Postmortem, who access.Principal, section, step, text string) pgx.NamedArgs {
	return pgx.NamedArgs{"tenant": p.Tenant, "id": p.ID, "actor": who.ID, "name": who.Name, "section": section, "step": step, "text": text}
}

// CommentPostmortem adds a comment to a postmortem, or to one of its sections. It needs the role responder among the
// operator's people.
func (d *DB) CommentPostmortem(ctx context.Context, who access.Principal, id, section, text string) error {
	if err := mayReview(who, access.Responder); err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	if n := utf8.RuneCountInString(text); n == 0 || n > incidents.MaxReviewComment {
		return fault.New(fault.Invalid, "text: has %d characters; write 1 to %d", n, incidents.MaxReviewComment)
	}
	_, err := d.changePostmortem(ctx, who, id, "postmortem.comment", "",
		func(_ context.Context, _ querier, p incidents.Postmortem, _ time.Time, batch *pgx.Batch) (incidents.Postmortem, error) {
			if section != "" && p.Section(section) == nil {
				return p, fault.New(fault.Invalid, "section: the postmortem has no section %q", section)
			}
			batch.Queue(insertCommentSQL, commentArgs(p, who, section, "", text))
			record(batch, who, p.Tenant, "postmortem.comment", "postmortem/"+p.ID, map[string]any{"section": section})
			return p, nil
		})
	return err
}

// PostmortemComments returns what was said about a postmortem, the oldest first. It is the operator's own.
func (d *DB) PostmortemComments(ctx context.Context, who access.Principal, id string) ([]incidents.PostmortemComment, error) {
	if err := mayReview(who, access.Viewer); err != nil {
		return nil, err
	}
	p, err := d.Postmortem(ctx, who.Scope(), id)
	if err != nil {
		return nil, err
	}
	found, err := read(ctx, d.api, who.Scope(), postmortemCommentsSQL, pgx.NamedArgs{"tenant": p.Tenant, "id": p.ID}, pgx.RowToStructByName[incidents.PostmortemComment])
	return found, explain(ctx, err, "list comments on a postmortem")
}
