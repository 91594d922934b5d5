-- +goose Up
alter table incidents
    add column fallback_at       timestamptz,
    add column held              text        not null default '',
    add column resolve_at        timestamptz,
    add column refires           int         not null default 0,
    add column unreachable_since timestamptz;
drop index incidents_due;
create index incidents_due on incidents (next_escalation_at)
    where state = 'triggered' and next_escalation_at is not null and held = '' and resolve_at is null;
create index incidents_fallback on incidents (fallback_at) where state = 'triggered' and fallback_at is not null;
create index incidents_resolving on incidents (resolve_at) where resolve_at is not null and state <> 'resolved';
create index incidents_unreachable on incidents (id) where unreachable_since is not null and state <> 'resolved';

-- Updates of one incident and target differ by their text alone, so that only pages that call people are made once.
alter table pages drop constraint pages_action_check;
alter table pages add constraint pages_action_check check (action in ('trigger', 'acknowledge', 'resolve', 'update'));
alter table pages drop constraint pages_once;
create unique index pages_once on pages (tenant_id, incident_id, action, step, loop, target_key) where action <> 'update';
alter table pages
    add column text     text     not null default '',
    add column fallback boolean  not null default false,
    add column service  text     not null default '',
    add column priority smallint not null default 2;
create index pages_incident on pages (tenant_id, incident_id, id);
create index pages_of_service on pages (tenant_id, service, created_at) where action = 'trigger';

alter table attempts
    add column target_key   text        not null default '',
    add column delivered_at timestamptz,
    add column undelivered  text        not null default '';
create index attempts_of_target on attempts (target_key, started_at);
create index attempts_of_provider on attempts (provider, started_at);
create index attempts_provider_id on attempts (provider, provider_id) where provider_id <> '';

-- How those who are paged are doing: what their providers ask us to wait for, and who refuses.
create table targets (
    tenant_id     text        not null default '' check (tenant_id = ''),
    target_key    text        not null,
    provider      text        not null,
    name          text        not null, -- for people
    failures      int         not null default 0, -- in a row, for good
    broken_since  timestamptz,
    broken_why    text        not null default '',
    probe_at      timestamptz, -- when a target that refuses may be tried again
    blocked_until timestamptz,
    constraint targets_pkey primary key (tenant_id, target_key)
);
create index targets_broken on targets (broken_since) where broken_since is not null;

create table contact_tests (
    tenant_id  text        not null default '' check (tenant_id = ''),
    id         bigint      generated always as identity,
    at         timestamptz not null default clock_timestamp(),
    actor      text        not null,
    target_key text        not null,
    provider   text        not null,
    took       bigint      not null, -- nanoseconds
    error      text        not null,
    constraint contact_tests_pkey primary key (tenant_id, id)
);
create index contact_tests_newest on contact_tests (target_key, at desc);

-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['targets', 'contact_tests'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy scope on %I using (current_setting(''app.scope'', true) = ''operator''
            or tenant_id = nullif(current_setting(''app.tenant'', true), ''''))', name);
    end loop;
end $$;
-- +goose StatementEnd
