package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Answer does what somebody said through an integration, once: a reply with an ID that was told before changes nothing and
// returns the incident as it is. Who said it is not told of it again: that is every target for which origin is true. An
// acknowledgement older than a change of state that the same integration told of changes nothing either. It needs the
// role responder. A reply that names no incident in scope is a fault.NotFound, one that comes too late a fault.Conflict;
// neither is remembered.
func (d *DB) Answer(ctx context.Context, who access.Principal, integration string, r incidents.Reply,
	origin func(incidents.Target) bool,
) (incidents.Incident, error) {
	if err := who.Require(access.Responder); err != nil {
		return incidents.Incident{}, err
	}
	var after incidents.Incident
	err := d.paging.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		id, err := answered(ctx, tx, integration, r)
		if err != nil {
			return err
		}
		counts, err := keepReply(ctx, tx, who, integration, r, id, now)
		if err != nil {
			return err
		}
		through := map[string]any{"integration": integration}
		act := deed{who: who, action: "incident." + string(r.Action), detail: through, decide: nothing}
		if counts {
			act.call = said(r, actor(who), origin)
		}
		after, err = act.do(ctx, tx, id, now)
		return err
	})
	if err != nil {
		return incidents.Incident{}, explain(ctx, err, "answer a reply")
	}
	return after, nil
}

func nothing(i incidents.Incident, _ []incidents.Target, _ time.Time) (incidents.Change, error) {
	return incidents.Change{Incident: i}, nil
}

// said asks the domain for what a reply says.
func said(r incidents.Reply, by incidents.Actor, origin func(incidents.Target) bool) func(scene) (incidents.Change, error) {
	return func(s scene) (c incidents.Change, err error) {
		i, paged, now := s.incident, s.paged, s.now
		switch r.Action {
		case incidents.ReplyAcknowledge:
			c, err = i.Acknowledge(by, paged, now)
		case incidents.ReplyResolve:
			c, err = i.Resolve(by, r.Text, paged, now)
		case incidents.ReplyEscalate:
			c, err = i.EscalateNow(by, s.roster, now)
		case incidents.ReplyNote, incidents.ReplyUnacknowledged:
			c, err = i.Note(by, r.Text, now)
		case incidents.ReplyLinked:
			c = incidents.Change{Incident: i}
		default:
			return c, fault.New(fault.Invalid, "the action %q is not something to do to an incident", r.Action)
		}
		return c.Except(origin), err
	}
}

// A provider's id leads to the incident that we paged it about, else to the one that it was told of together with.
const repliedSQL = `
select coalesce(
    (select a.incident_id from attempts a where (a.provider, a.provider_id) = (@provider, @id) and a.provider_id <> ''
        order by a.id desc limit 1),
    (select h.incident_id from hook_replies h where (h.integration, h.object) = (@integration, @id) and h.object <> ''
        order by h.at desc limit 1))::text`

// answered returns the id of the incident that a reply names.
func answered(ctx context.Context, tx querier, integration string, r incidents.Reply) (string, error) {
	switch {
	case r.Incident != "":
		return idOf(ctx, tx, refer(r.Incident))
	case r.Number != 0:
		return idOf(ctx, tx, reference{"number = @ref::bigint", r.Number})
	case len(r.DedupKey) > uuidLength && isUUID(r.DedupKey[:uuidLength]) && r.DedupKey[uuidLength] == '/':
		return idOf(ctx, tx, refer(r.DedupKey[:uuidLength]))
	}
	for _, id := range []string{r.DedupKey, r.ProviderID} {
		if id == "" {
			continue
		}
		args := pgx.NamedArgs{"provider": r.Provider, "id": id, "integration": integration}
		found, err := one(rows(ctx, tx, repliedSQL, args, pgx.RowTo[*string]))
		if err != nil {
			return "", err
		}
		if found != nil {
			return *found, nil
		}
	}
	return "", fault.New(fault.NotFound, "there is no such incident")
}

const uuidLength = 36

// idOf returns the id of an incident in scope.
func idOf(ctx context.Context, tx querier, r reference) (string, error) {
	found, err := rows(ctx, tx, "select id::text from incidents where "+r.where, r.args(), pgx.RowTo[string])
	if err == nil && len(found) == 0 {
		err = fault.New(fault.NotFound, "there is no such incident")
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

const keepReplySQL = `
insert into hook_replies (tenant_id, integration, reply_id, action, object, incident_tenant, incident_id, occurred_at)
select @tenant, @integration, @reply, @action, @object, i.tenant_id, i.id, @at
from incidents i where i.id = @incident::uuid
on conflict on constraint hook_replies_pkey do nothing`

const overtakenSQL = `
select exists (select from hook_replies where (integration, incident_id) = (@integration, @incident::uuid)
    and reply_id <> @reply and occurred_at > @at and action = any(@actions))`

// keepReply remembers a reply and reports whether it counts: it was not told before, and nothing newer has overtaken it.
func keepReply(ctx context.Context, tx querier, who access.Principal, integration string, r incidents.Reply, id string,
	now time.Time,
) (bool, error) {
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	if r.At.IsZero() || r.At.After(now) {
		r.At = now
	}
	args := pgx.NamedArgs{
		"tenant": who.Tenant, "integration": integration, "reply": r.ID, "action": string(r.Action), "object": r.ProviderID,
		"incident": id, "at": r.At, "actions": []string{string(incidents.ReplyUnacknowledged), string(incidents.ReplyResolve)},
	}
	kept, err := tx.Exec(ctx, keepReplySQL, args)
	if err != nil || kept.RowsAffected() == 0 {
		return false, err
	}
	if r.Action != incidents.ReplyAcknowledge {
		return true, nil
	}
	overtaken, err := one(rows(ctx, tx, overtakenSQL, args, pgx.RowTo[bool]))
	return !overtaken, err
}

// Replies are told again for two days at most; the rest is for whoever answers an incident late.
const forgetRepliesSQL = `
delete from hook_replies h where h.at < clock_timestamp() - interval '30 days'
    and not exists (select from incidents i
        where (i.tenant_id, i.id) = (h.incident_tenant, h.incident_id) and i.state <> 'resolved')`

// ForgetReplies removes what is remembered of replies to incidents that are long over.
func (d *DB) ForgetReplies(ctx context.Context) error {
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, forgetRepliesSQL)
		return err
	})
	return explain(ctx, err, "forget old replies")
}
