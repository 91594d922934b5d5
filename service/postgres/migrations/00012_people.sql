-- +goose Up

alter table incidents
    add column urgency         text        not null default 'high' check (urgency in ('high', 'low')),
    add column turn            int         not null default 0,
    add column paged_as        text        not null default '',
    add column assigned_by     text        not null default '',
    add column return_at       timestamptz,
    add column snoozed         boolean     not null default false,
    add column raise_at        timestamptz,
    add column auto_resolve_at timestamptz,
    add column exhausted_at    timestamptz,
    add column awaited         text[]      not null default '{}',
    add column threads         jsonb       not null default '[]';
-- Where nothing is due any more of what was paged, the policy has come to its end.
select set_config('app.scope', 'operator', true);
update incidents set exhausted_at = updated_at where state = 'triggered' and next_escalation_at is null and step > 0;
create index incidents_returning on incidents (return_at) where state = 'acknowledged' and return_at is not null;
create index incidents_raising on incidents (raise_at) where state = 'triggered' and raise_at is not null;
create index incidents_expiring on incidents (auto_resolve_at) where state <> 'resolved' and auto_resolve_at is not null;
create index incidents_standing on incidents (id) where state <> 'resolved';

-- Notices of a person, or a step that is paged anew, ring the same telephone more than once.
alter table pages
    add column turn   int  not null default 0,
    add column number int  not null default 0,
    add column person text not null default '', -- e-mail address; the account may be of another tenant, so it is no key
    add column method text not null default '';
drop index pages_once;
create unique index pages_once on pages (tenant_id, incident_id, action, turn, step, loop, target_key, number) where action <> 'update';
create index pages_of_person on pages (person, created_at) where person <> '';

-- Whose turn it is in steps of policies whose targets take turns, counting up. Policies are the operator's.
create table turns (
    tenant_id text   not null default '' check (tenant_id = ''),
    policy    text   not null,
    step      int    not null check (step > 0),
    next      bigint not null default 0 check (next >= 0),
    constraint turns_pkey primary key (tenant_id, policy, step)
);
alter table turns enable row level security;
alter table turns force row level security;
create policy scope on turns using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));
