-- +goose Up

-- Runs of runbooks' steps. What a step finds is the operator's own, also where the incident is a tenant's, so there is no
-- foreign key to the incident, whose rows are never removed.
create table runs (
    tenant_id       text        not null default '' check (tenant_id = ''),
    id              uuid        not null,
    runbook         text        not null,
    step            text        not null,
    language        text        not null,
    asked           text        not null,
    incident_tenant text        not null default '',
    incident_id     uuid,
    by_id           text        not null,
    by_name         text        not null,
    confirmed       boolean     not null,
    began_at        timestamptz not null,
    took            bigint      not null default 0 check (took >= 0), -- nanoseconds
    outcome         text        not null check (outcome in ('running', 'ok', 'failed')),
    output          text        not null default '',
    truncated       boolean     not null default false,
    error           text        not null default '',
    constraint runs_pkey primary key (tenant_id, id)
);
create index runs_incident on runs (tenant_id, incident_id, began_at) where incident_id is not null;
create index runs_newest on runs (tenant_id, began_at desc);
-- Runs that a crash may have cut off.
create index runs_running on runs (tenant_id, began_at) where outcome = 'running';
-- Each step that runs when an incident opens runs once, whoever runs it.
create unique index runs_on_open on runs (tenant_id, incident_id, runbook, step) where by_id = 'system:diagnostics';

-- Incidents whose steps that run at the opening were all begun. Those that opened lately and are not here are still due.
create table diagnosed (
    tenant_id   text        not null default '' check (tenant_id = ''),
    incident_id uuid        not null,
    at          timestamptz not null,
    constraint diagnosed_pkey primary key (tenant_id, incident_id)
);
alter table diagnosed enable row level security;
alter table diagnosed force row level security;
create policy scope on diagnosed using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));

alter table runs enable row level security;
alter table runs force row level security;
create policy scope on runs using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));
