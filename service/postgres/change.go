package postgres

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
)

// writes queues what a domain's Change asks for, so that a transaction sends it in one round trip.
type writes struct{ *pgx.Batch }

const updateIncidentSQL = `
update incidents set title = @title, summary = @summary, severity = @severity, state = @state, labels = @labels,
    runbook_url = @runbook, budget_spent = @spent, policy = @policy, step = @step, loop = @loop,
    next_escalation_at = @next, fallback_at = @fallback, held = @held, resolve_at = @resolve_at, refires = @refires, gathered = @gathered,
    unreachable_since = @unreachable, started_at = @started, acknowledged_at = @acked, acknowledged_by = @acker,
    resolved_at = @resolved, resolved_by = @resolver, updated_at = @updated, urgency = @urgency, turn = @turn,
    paged_as = @paged_as, assigned_by = @assigner, return_at = @return_at, snoozed = @snoozed, raise_at = @raise_at,
    auto_resolve_at = @auto_resolve, exhausted_at = @exhausted, awaited = @awaited, threads = @threads,
    level = @level, impact = @impact, rated_by = @rater, roles = @roles, merged_into = @merged_into::uuid, phase = @phase, update_due = @update_due
where (tenant_id, id) = (@tenant, @id)`

const insertIncidentSQL = incidentRowSQL + `
on conflict (tenant_id, group_key) where state <> 'resolved' do nothing`

const incidentRowSQL = `
insert into incidents (tenant_id, id, group_key, title, summary, severity, state, service, slo, labels, runbook_url,
    budget_spent, policy, step, loop, next_escalation_at, fallback_at, held, resolve_at, refires, gathered, unreachable_since, started_at, opened_at, acknowledged_at, acknowledged_by,
    resolved_at, resolved_by, updated_at, trace, urgency, turn, paged_as, assigned_by, return_at, snoozed, raise_at,
    auto_resolve_at, exhausted_at, awaited, threads, level, impact, rated_by, roles, declared_by, merged_into, follows, split_from, phase, update_due)
values (@tenant, @id, @group, @title, @summary, @severity, @state, @service, @slo, @labels, @runbook, @spent, @policy,
    @step, @loop, @next, @fallback, @held, @resolve_at, @refires, @gathered, @unreachable, @started, @opened, @acked, @acker, @resolved, @resolver, @updated, @trace,
    @urgency, @turn, @paged_as, @assigner, @return_at, @snoozed, @raise_at, @auto_resolve, @exhausted, @awaited, @threads,
    @level, @impact, @rater, @roles, @declarer, @merged_into::uuid, @follows::uuid, @split_from::uuid, @phase, @update_due)`

func incidentArgs(i incidents.Incident) pgx.NamedArgs {
	labels := i.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	roles := i.Roles
	if roles == nil {
		roles = map[incidents.Role]string{}
	}
	return pgx.NamedArgs{
		"tenant": i.Tenant, "id": i.ID, "group": i.GroupKey, "title": i.Title, "summary": i.Summary, "severity": i.Severity,
		"state": i.State, "service": i.Service, "slo": i.SLO, "labels": labels, "runbook": i.RunbookURL,
		"spent": i.BudgetSpent, "policy": i.Policy, "step": i.Step, "loop": i.Loop, "next": i.NextEscalationAt,
		"fallback": i.FallbackAt, "held": i.Held, "resolve_at": i.ResolveAt, "refires": i.Refires, "gathered": i.Gathered, "unreachable": i.UnreachableSince,
		"started": i.StartedAt, "opened": i.OpenedAt, "acked": i.AcknowledgedAt, "acker": i.AcknowledgedBy,
		"resolved": i.ResolvedAt, "resolver": i.ResolvedBy, "updated": i.UpdatedAt, "trace": i.Trace,
		"urgency": cmp.Or(i.Urgency, incidents.HighUrgency), "turn": i.Turn, "paged_as": i.PagedAs, "assigner": i.AssignedBy,
		"return_at": i.ReturnAt, "snoozed": i.Snoozed, "raise_at": i.RaiseAt, "auto_resolve": i.AutoResolveAt,
		"exhausted": i.ExhaustedAt, "awaited": append([]string{}, i.Awaited...), "threads": append([]incidents.Target{}, i.Threads...),
		"level": i.Level, "impact": i.Impact, "rater": i.RatedBy, "roles": roles, "declarer": i.DeclaredBy, "merged_into": orNull(i.MergedInto),
		"follows": orNull(i.Follows), "split_from": orNull(i.SplitFrom), "phase": i.Phase, "update_due": i.UpdateDue,
	}
}

// change queues a transition of an incident that is stored and locked.
func (w writes) change(c incidents.Change) {
	w.Queue(updateIncidentSQL, incidentArgs(c.Incident))
	w.rest(c)
}

// rest queues what belongs to a change beside the incident itself.
func (w writes) rest(c incidents.Change) {
	i := c.Incident
	told := []Change{{Topic: TopicIncident, Tenant: i.Tenant, ID: i.ID}}
	for _, e := range c.Events {
		w.event(e)
	}
	if c.CancelPages {
		w.cancel(i, c.Keep)
	}
	w.turns(c.Turns)
	for _, p := range c.Pages {
		w.page(p)
	}
	if len(c.Pages) > 0 || c.CancelPages {
		told = append(told, Change{Topic: TopicPage, Tenant: i.Tenant, ID: i.ID})
	}
	announce(w.Batch, told...)
}

const insertEventSQL = `
insert into timeline (tenant_id, incident_id, at, kind, actor, name, text, detail)
values (@tenant, @incident, @at, @kind, @actor, @name, @text, @detail)`

func (w writes) event(e incidents.Event) {
	w.Queue(insertEventSQL, pgx.NamedArgs{
		"tenant": e.Tenant, "incident": e.Incident, "at": e.At, "kind": e.Kind, "actor": e.Actor, "name": e.Name,
		"text": e.Text, "detail": e.Detail,
	})
}

// A page that was attempted may have arrived, so its target hears the end of the story; but it need not wait for its
// next try to be found unwanted.
const (
	cancelPagesSQL = `
update pages set state = 'canceled'
where (tenant_id, incident_id, state, attempts) = (@tenant, @incident, 'pending', 0) and action not in ('update', 'status')
    and not person = any(@keep::text[])`
	hurryPagesSQL = `
update pages set next_at = least(next_at, clock_timestamp())
where (tenant_id, incident_id, state) = (@tenant, @incident, 'pending') and attempts > 0 and not person = any(@keep::text[])`
)

func (w writes) cancel(i incidents.Incident, keep []string) {
	args := pgx.NamedArgs{"tenant": i.Tenant, "incident": i.ID, "keep": append([]string{}, keep...)}
	w.Queue(cancelPagesSQL, args)
	w.Queue(hurryPagesSQL, args)
}

// The unique key makes each page of a step exactly one, whoever escalates. The first page of a service that was quiet
// goes before those of services whose people know already.
const insertPageSQL = `
insert into pages (tenant_id, incident_id, action, step, loop, target, target_key, dedup_key, state, next_at, created_at, trace,
    text, fallback, turn, number, person, method, service, priority)
select @tenant, i.id, @action, @step, @loop, @target, @key, @dedup, 'pending', @next, @created, @trace, @text, @fallback,
    @turn, @number, @person, @method, i.service,
    case when @priority = @first::int and not exists (
        select from pages q
        where (q.tenant_id, q.service, q.action) = (i.tenant_id, i.service, 'trigger') and q.incident_id <> i.id
            and q.created_at > @created::timestamptz - @quiet::interval) then @urgent else @priority end
from incidents i
where (i.tenant_id, i.id) = (@tenant, @incident)
on conflict (tenant_id, incident_id, action, turn, step, loop, target_key, number) where action <> 'update' do nothing`

func (w writes) page(p incidents.Page) {
	w.Queue(insertPageSQL, pgx.NamedArgs{
		"tenant": p.Tenant, "incident": p.Incident, "action": p.Action, "step": p.Step, "loop": p.Loop, "target": p.Target,
		"key": targetKey(p.Target), "dedup": p.DedupKey, "next": p.NextAt, "created": p.CreatedAt, "trace": p.Trace,
		"text": p.Text, "fallback": p.Fallback, "priority": p.Priority(), "first": incidents.PriorityFirst,
		"urgent": incidents.PriorityUrgent, "quiet": incidents.QuietService,
		"turn": p.Turn, "number": p.Number, "person": p.Person, "method": p.Method,
	})
}

// maxTargetKey keeps keys within what an index takes; longer ones end in a digest.
const maxTargetKey = 300

func targetKey(t incidents.Target) string { return shortTargetKey(t.Key()) }

func shortTargetKey(key string) string {
	if len(key) <= maxTargetKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
