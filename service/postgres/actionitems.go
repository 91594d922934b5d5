package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

const actionColumns = `a.id::text, a.number, a.tenant_id, a.postmortem_id::text, coalesce(f.id::text, ''), coalesce(f.service, ''), a.title, a.kind, a.owner,
    a.due_at, a.state, a.reason, a.tracker, a.tracker_key, a.tracker_url, a.synced_at, a.sync_error, a.created_by, a.created_at, a.updated_at, a.closed_at`

const actionSource = `action_items a left join lateral (
    select i.id, i.service from postmortem_incidents l join incidents i on (i.tenant_id, i.id) = (l.incident_tenant, l.incident_id)
    where (l.tenant_id, l.postmortem_id) = (a.tenant_id, a.postmortem_id) order by i.number limit 1) f on true`

func scanAction(row pgx.CollectableRow) (a incidents.ActionItem, err error) {
	err = row.Scan(&a.ID, &a.Number, &a.Tenant, &a.Postmortem, &a.Incident, &a.Service, &a.Title, &a.Kind, &a.Owner, &a.DueAt, &a.State, &a.Reason,
		&a.Tracker, &a.TrackerKey, &a.TrackerURL, &a.SyncedAt, &a.SyncError, &a.CreatedBy, &a.CreatedAt, &a.UpdatedAt, &a.ClosedAt)
	return a, err
}

const actionsSQL = `
select ` + actionColumns + `
from ` + actionSource + `
where (@state = '' or a.state = @state) and (@owner = '' or a.owner = @owner) and (@service = '' or f.service = @service)
    and (not @overdue or (a.state = 'open' and a.due_at < clock_timestamp()))
    and (@postmortem = '' or a.postmortem_id in (select p.id from postmortems p where p.id::text = @postmortem or p.number::text = @postmortem))
order by (a.state = 'open') desc, a.due_at nulls last, a.number
limit @most`

// ActionItems returns the action items of all postmortems that match the filter: open ones first, by when they are due.
// They are the operator's own.
func (d *DB) ActionItems(ctx context.Context, who access.Principal, f incidents.ActionFilter) ([]incidents.ActionItem, error) {
	if err := mayReview(who, access.Viewer); err != nil {
		return nil, err
	}
	args := pgx.NamedArgs{"state": string(f.State), "owner": f.Owner, "service": f.Service, "overdue": f.Overdue, "postmortem": f.Postmortem,
		"most": clamp(f.Limit, 100, 500)}
	found, err := read(ctx, d.api, who.Scope(), actionsSQL, args, scanAction)
	return found, explain(ctx, err, "list action items")
}

func noAction(id string) error {
	return fault.New(fault.NotFound, "there is no action item %q", id[:min(len(id), 40)])
}

// ActionItem returns the action item of that UUID or number. It is the operator's own.
func (d *DB) ActionItem(ctx context.Context, who access.Principal, id string) (incidents.ActionItem, error) {
	if err := mayReview(who, access.Viewer); err != nil {
		return incidents.ActionItem{}, err
	}
	r := refer(id)
	found, err := read(ctx, d.api, who.Scope(), "select "+actionColumns+" from "+actionSource+" where "+r.of("a"), r.args(), scanAction)
	if err == nil && len(found) == 0 {
		err = noAction(id)
	}
	if err != nil {
		return incidents.ActionItem{}, explain(ctx, err, "read an action item")
	}
	return found[0], nil
}

const (
	insertActionSQL = `
insert into action_items (tenant_id, postmortem_id, title, kind, owner, due_at, state, reason, tracker, tracker_key, tracker_url, created_by,
    created_at, updated_at, closed_at, remind_at, sync_at)
values (@tenant, @postmortem, @title, @kind, @owner, @due, @state, @reason, @tracker, @key, @url, @by, @now, @now, @closed, @remind,
    case when @tracker <> '' then @now::timestamptz end)
returning id::text`

	// What people change is told to the tracker anew, but not before whoever is at telling the earlier words is done or
	// given up: two at once would make the item there twice.
	updateActionSQL = `
update action_items set title = @title, kind = @kind, owner = @owner, due_at = @due, state = @state, reason = @reason, tracker = @tracker,
    tracker_key = @key, tracker_url = @url, updated_at = @now, closed_at = @closed,
    reminded = case when due_at is distinct from @due or owner <> @owner then 0 else reminded end, remind_at = @remind,
    sync_at = case when @tracker <> '' then @now::timestamptz end, sync_tries = 0, revision = revision + 1,
    agreed = case when @tracker = tracker then agreed end, sync_error = case when @tracker = tracker then sync_error else '' end, synced_at = case when @tracker = tracker then synced_at end
where (tenant_id, id) = (@tenant, @id::uuid)`
)

func actionArgs(a incidents.ActionItem, now time.Time) pgx.NamedArgs {
	args := pgx.NamedArgs{"tenant": a.Tenant, "id": a.ID, "postmortem": a.Postmortem, "title": a.Title, "kind": string(a.Kind), "owner": a.Owner,
		"due": a.DueAt, "state": string(a.State), "reason": a.Reason, "tracker": a.Tracker, "key": a.TrackerKey, "url": a.TrackerURL, "by": a.CreatedBy,
		"now": now, "closed": a.ClosedAt, "remind": nil}
	if chase, ok := a.Chase(); ok {
		args["remind"] = chase.First
	}
	return args
}

// AddActionItem adds something to be done to a postmortem; a kind that is not named is prevent. It needs the role
// responder among the operator's people.
func (d *DB) AddActionItem(ctx context.Context, who access.Principal, postmortem string, e incidents.ActionEdit) (incidents.ActionItem, error) {
	if err := mayReview(who, access.Responder); err != nil {
		return incidents.ActionItem{}, err
	}
	var id string
	_, err := d.changePostmortem(ctx, who, postmortem, "action-item.add", "",
		func(ctx context.Context, tx querier, p incidents.Postmortem, now time.Time, batch *pgx.Batch) (incidents.Postmortem, error) {
			blank := incidents.ActionItem{Tenant: p.Tenant, Postmortem: p.ID, Kind: incidents.Prevent, State: incidents.ActionOpen, CreatedBy: who.Name, CreatedAt: now}
			a, err := blank.Apply(e, now)
			if err != nil {
				return p, err
			}
			if id, err = one(rows(ctx, tx, insertActionSQL, actionArgs(a, now), pgx.RowTo[string])); err != nil {
				return p, err
			}
			record(batch, who, p.Tenant, "action-item.add", "action-item/"+id, map[string]any{"title": a.Title, "owner": a.Owner, "postmortem": p.Number})
			return p, nil
		})
	if err != nil {
		return incidents.ActionItem{}, err
	}
	return d.ActionItem(ctx, who, id)
}

// ChangeActionItem changes an action item. It needs the role responder among the operator's people.
func (d *DB) ChangeActionItem(ctx context.Context, who access.Principal, id string, e incidents.ActionEdit) (incidents.ActionItem, error) {
	if err := mayReview(who, access.Responder); err != nil {
		return incidents.ActionItem{}, err
	}
	r := refer(id)
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		found, err := rows(ctx, tx, "select "+actionColumns+" from "+actionSource+" where "+r.of("a")+" for no key update of a", r.args(), scanAction)
		if err == nil && len(found) == 0 {
			err = noAction(id)
		}
		if err != nil {
			return err
		}
		a, err := found[0].Apply(e, now)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(updateActionSQL, actionArgs(a, now))
		record(batch, who, a.Tenant, "action-item.change", "action-item/"+a.ID, map[string]any{"state": a.State, "owner": a.Owner, "title": a.Title, "reason": a.Reason})
		return send(ctx, tx, batch)
	})
	if err != nil {
		return incidents.ActionItem{}, explain(ctx, err, "change an action item")
	}
	return d.ActionItem(ctx, who, id)
}

// DueSync is an action item that is to be told to its tracker, leased to one caller.
type DueSync struct {
	incidents.ActionItem
	Revision int           // of what is to be told
	Tries    int           // that failed since one went well
	Agreed   *track.Fields // what both sides last agreed on; nil is never
}

const (
	dueSyncsSQL = `
with due as (
    select tenant_id, id from action_items
    where sync_at <= clock_timestamp() and (sync_lease is null or sync_lease <= clock_timestamp())
    order by sync_at limit @most
    for no key update skip locked
), leased as (
    update action_items a set sync_lease = clock_timestamp() + @lease::interval
    from due where (a.tenant_id, a.id) = (due.tenant_id, due.id)
    returning a.*
)
select ` + actionColumns + `, a.revision, a.sync_tries, a.agreed
from leased a left join lateral (
    select i.id, i.service from postmortem_incidents l join incidents i on (i.tenant_id, i.id) = (l.incident_tenant, l.incident_id)
    where (l.tenant_id, l.postmortem_id) = (a.tenant_id, a.postmortem_id) order by i.number limit 1) f on true`

	// A change of ours since the claim has raised the revision and is told next; what the tracker calls the item is kept
	// even then, so that it is not made twice.
	finishSyncSQL = `
update action_items set
    tracker_key = case when tracker = @tracker and tracker_key = '' then @key else tracker_key end,
    tracker_url = case when tracker = @tracker and @url <> '' then @url else tracker_url end,
    agreed = coalesce(case when revision = @revision then @agreed::jsonb else @told::jsonb end, agreed),
    synced_at = case when @error = '' then clock_timestamp() else synced_at end, sync_error = @error, sync_lease = null,
    sync_tries = case when @error = '' then 0 else sync_tries + 1 end,
    sync_at = case when revision <> @revision then clock_timestamp() when tracker = '' then null else clock_timestamp() + @again::interval end
where (tenant_id, id) = (@tenant, @id::uuid) and tracker = @tracker
returning revision`

	trackedDoneSQL = `
update action_items set state = @state, reason = @reason, title = @title, due_at = @due, updated_at = clock_timestamp(),
    closed_at = case when @state = 'open' then null else coalesce(closed_at, clock_timestamp()) end, reminded = case when due_at is distinct from @due then 0 else reminded end,
    remind_at = @remind
where (tenant_id, id, revision) = (@tenant, @id::uuid, @revision)`
)

// DueSyncs leases up to most action items that are to be told to their trackers, the longest waiting first. What is leased
// is given to nobody else until FinishSync or the lease's end.
func (d *DB) DueSyncs(ctx context.Context, most int, lease time.Duration) (due []DueSync, err error) {
	err = d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		due, err = rows(ctx, tx, dueSyncsSQL, pgx.NamedArgs{"most": most, "lease": lease}, func(row pgx.CollectableRow) (s DueSync, err error) {
			a := &s.ActionItem
			err = row.Scan(&a.ID, &a.Number, &a.Tenant, &a.Postmortem, &a.Incident, &a.Service, &a.Title, &a.Kind, &a.Owner, &a.DueAt, &a.State, &a.Reason,
				&a.Tracker, &a.TrackerKey, &a.TrackerURL, &a.SyncedAt, &a.SyncError, &a.CreatedBy, &a.CreatedAt, &a.UpdatedAt, &a.ClosedAt, &s.Revision, &s.Tries, &s.Agreed)
			return s, err
		})
		return err
	})
	return due, explain(ctx, err, "claim action items for their trackers")
}

// Synced is how telling an action item to its tracker ended.
type Synced struct {
	Key, URL string                // what the tracker calls it
	Error    string                // for people, without secrets; "" where it went well
	Again    time.Duration         // until the next look at the tracker, or the next try
	Theirs   *incidents.ActionEdit // what was changed over there and holds here now; nil is nothing
	Told     *track.Fields         // the item as it was told; nil where that failed
	Agreed   *track.Fields         // what both sides agree on once Theirs is taken over
	Overrule []track.Conflict      // what both sides changed, and which words hold
}

// FinishSync keeps how a sync ended and gives the lease back. What was changed in the tracker is taken over unless people
// changed the item here in the meantime; then both changes are looked at together next.
func (d *DB) FinishSync(ctx context.Context, s DueSync, r Synced) error {
	who := access.System("trackers")
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		revisions, err := rows(ctx, tx, finishSyncSQL, pgx.NamedArgs{"tenant": s.Tenant, "id": s.ID, "tracker": s.Tracker, "key": r.Key, "url": r.URL,
			"error": r.Error, "again": r.Again, "revision": s.Revision, "agreed": r.Agreed, "told": r.Told}, pgx.RowTo[int])
		if err != nil || len(revisions) == 0 || revisions[0] != s.Revision || r.Theirs == nil && len(r.Overrule) == 0 {
			return err
		}
		batch := &pgx.Batch{}
		after := s.ActionItem
		if r.Theirs != nil {
			if after, err = s.ActionItem.Apply(*r.Theirs, now); err != nil {
				return fmt.Errorf("take over what the tracker says: %w", err)
			}
			takeOver(batch, s, after, who, now)
		}
		detail := map[string]any{"state": after.State, "title": after.Title, "tracker": s.Tracker, "key": r.Key}
		if len(r.Overrule) > 0 {
			detail["conflicts"] = r.Overrule
		}
		record(batch, who, s.Tenant, "action-item.sync", "action-item/"+s.ID, detail)
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "keep how a tracker was told")
}

// An incident whose review the item is of may be a tenant's own; its timeline is that tenant's.
const trackedEventSQL = `
insert into timeline (tenant_id, incident_id, at, kind, actor, name, text, detail)
select l.incident_tenant, l.incident_id, @now, @kind, @actor, @name, @text, @detail
from postmortem_incidents l where (l.tenant_id, l.postmortem_id) = (@tenant, @postmortem::uuid)`

// takeOver makes an item what its tracker says, and tells the timelines of its incidents where that opens or closes it.
func takeOver(batch *pgx.Batch, s DueSync, after incidents.ActionItem, who access.Principal, now time.Time) {
	args := actionArgs(after, now)
	args["revision"] = s.Revision
	batch.Queue(trackedDoneSQL, args)
	if after.State == s.State {
		return
	}
	batch.Queue(trackedEventSQL, pgx.NamedArgs{"tenant": s.Tenant, "postmortem": s.Postmortem, "now": now, "kind": incidents.EventTask,
		"actor": who.ID, "name": who.Name, "detail": map[string]any{"actionItem": s.Number, "state": after.State, "tracker": s.Tracker},
		"text": fmt.Sprintf("Action item %d (%s) is %s in the tracker %s.", s.Number, after.Title, after.State, s.Tracker)})
}

// TrackerCount is how many action items a tracker keeps.
type TrackerCount struct {
	Items   int
	Open    int
	Failing int        // were not told last time
	Error   string     // why, of the latest of these
	Synced  *time.Time // when any agreed last
	Lag     float64    // seconds for which the one that waits longest is due to be told or asked
}

const trackerCountsSQL = `
select tracker, count(*)::int, (count(*) filter (where state = 'open'))::int, (count(*) filter (where sync_error <> ''))::int,
    coalesce((array_agg(sync_error order by updated_at desc) filter (where sync_error <> ''))[1], ''), max(synced_at),
    coalesce(max(extract(epoch from clock_timestamp() - sync_at)) filter (where sync_at < clock_timestamp()), 0)::float8
from action_items where tracker <> '' group by tracker`

// TrackerCounts returns how many action items each tracker keeps, by its name.
func (d *DB) TrackerCounts(ctx context.Context, who access.Principal) (map[string]TrackerCount, error) {
	if err := mayReview(who, access.Viewer); err != nil {
		return nil, err
	}
	return d.trackerCounts(ctx, who.Scope())
}

func (d *DB) trackerCounts(ctx context.Context, scope access.Scope) (map[string]TrackerCount, error) {
	counts := map[string]TrackerCount{}
	_, err := read(ctx, d.api, scope, trackerCountsSQL, nil, func(row pgx.CollectableRow) (name string, err error) {
		var c TrackerCount
		err = row.Scan(&name, &c.Items, &c.Open, &c.Failing, &c.Error, &c.Synced, &c.Lag)
		counts[name] = c
		return name, err
	})
	return counts, explain(ctx, err, "count what trackers keep")
}

// TrackerStanding returns how many action items their trackers were not told last time, and for how long the one that waits
// longest is due.
func (d *DB) TrackerStanding(ctx context.Context) (failing int, lag time.Duration, err error) {
	counts, err := d.trackerCounts(ctx, access.Operator())
	for _, c := range counts {
		failing += c.Failing
		lag = max(lag, time.Duration(c.Lag*float64(time.Second)))
	}
	return failing, lag, err
}

// SyncNow has an action item told to its tracker, and the tracker asked what became of it, at once. It needs the role responder
// among the operator's people. An item without a tracker is a fault.Conflict.
func (d *DB) SyncNow(ctx context.Context, who access.Principal, id string) (incidents.ActionItem, error) {
	if err := mayReview(who, access.Responder); err != nil {
		return incidents.ActionItem{}, err
	}
	item, err := d.ActionItem(ctx, who, id)
	switch {
	case err != nil:
		return item, err
	case item.Tracker == "":
		return item, fault.New(fault.Conflict, "action item %d is kept in no tracker; name one first", item.Number)
	}
	err = d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) error {
		batch := &pgx.Batch{}
		batch.Queue("update action_items set sync_at = clock_timestamp() where (tenant_id, id) = (@tenant, @id::uuid) and tracker <> ''",
			pgx.NamedArgs{"tenant": item.Tenant, "id": item.ID})
		record(batch, who, item.Tenant, "action-item.sync-now", "action-item/"+item.ID, map[string]any{"tracker": item.Tracker})
		return send(ctx, tx, batch)
	})
	return item, explain(ctx, err, "ask a tracker at once")
}
