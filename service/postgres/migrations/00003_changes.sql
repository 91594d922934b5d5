-- +goose Up

-- Changes that were asked for at the gate. They are the operator's own.
create sequence change_numbers;

create table changes (
    tenant_id        text        not null default '' check (tenant_id = ''),
    id               uuid        not null,
    number           bigint      not null default nextval('change_numbers'),
    service          text        not null,
    environment      text        not null,
    ref              text        not null,
    kind             text        not null,
    author           text        not null,
    description      text        not null,
    asked_by         text        not null,
    asked_by_name    text        not null,
    at               timestamptz not null,
    verdict          jsonb       not null,
    approved_by      text        not null default '',
    approved_by_name text        not null default '',
    approved_at      timestamptz,
    approved_for     text        not null default '' check (approved_for in ('', 'approve', 'freeze')),
    approval_note    text        not null default '',
    began_at         timestamptz,
    finished_at      timestamptz,
    outcome          text        not null default '' check (outcome in ('', 'succeeded', 'failed', 'rolled-back', 'aborted')),
    idempotency_key  text, -- of the request that made it; null for none
    constraint changes_pkey primary key (tenant_id, id),
    constraint changes_number unique (number),
    constraint changes_once unique (tenant_id, asked_by, idempotency_key),
    constraint changes_approved check ((approved_at is null) = (approved_by = '')),
    constraint changes_finished check ((finished_at is null) = (outcome = ''))
);
create index changes_newest on changes (tenant_id, service, number desc);
create index changes_began on changes (began_at) where began_at is not null;

-- Which changes came shortly before an incident. The incident may be a tenant's; that a change came before it is the
-- operator's to know. So the row is the operator's and has no foreign key to the incident, whose rows are never removed.
create table change_links (
    tenant_id       text        not null default '' check (tenant_id = ''),
    change_id       uuid        not null,
    incident_tenant text        not null,
    incident_id     uuid        not null,
    before          bigint      not null check (before >= 0), -- nanoseconds from the change's beginning to the incident's opening
    linked_at       timestamptz not null,
    constraint change_links_pkey primary key (tenant_id, incident_id, change_id),
    constraint change_links_change foreign key (tenant_id, change_id) references changes (tenant_id, id)
);
create index change_links_change on change_links (tenant_id, change_id);

-- Changes are looked for before incidents that opened lately.
create index incidents_opened on incidents (opened_at);

-- Why an incident has to be reviewed; null where it has not.
alter table incidents add column postmortem_required jsonb;

-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['changes', 'change_links'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy scope on %I using (current_setting(''app.scope'', true) = ''operator''
            or tenant_id = nullif(current_setting(''app.tenant'', true), ''''))', name);
    end loop;
end $$;
-- +goose StatementEnd
