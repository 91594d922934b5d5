-- +goose Up

-- What providers of pages told, each once: the key takes a reply that is told again. It also remembers by which id a
-- provider knows an incident, and when what it told had happened, because calls overtake one another.
create table hook_replies (
    tenant_id       text        not null,
    integration     text        not null,
    reply_id        text        not null,
    action          text        not null,
    object          text        not null, -- the provider's id of what the reply is about
    incident_tenant text        not null, -- the incident may be a tenant's while the integration is the operator's
    incident_id     uuid        not null,
    occurred_at     timestamptz not null,
    at              timestamptz not null default clock_timestamp(),
    constraint hook_replies_pkey primary key (tenant_id, integration, reply_id)
);
create index hook_replies_object on hook_replies (integration, object, at desc) where object <> '';
create index hook_replies_incident on hook_replies (integration, incident_id, occurred_at);
create index hook_replies_old on hook_replies (at);

-- Which changes were told to whom, such as a PagerDuty service's timeline.
create table change_notices (
    tenant_id  text        not null default '' check (tenant_id = ''),
    change_id  uuid        not null,
    target_key text        not null,
    state      text        not null check (state in ('pending', 'sent', 'failed')),
    attempts   int         not null default 0,
    next_at    timestamptz not null,
    error      text        not null default '',
    constraint change_notices_pkey primary key (tenant_id, change_id, target_key),
    constraint change_notices_change foreign key (tenant_id, change_id) references changes (tenant_id, id)
);

-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['hook_replies', 'change_notices'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy scope on %I using (current_setting(''app.scope'', true) = ''operator''
            or tenant_id = nullif(current_setting(''app.tenant'', true), ''''))', name);
    end loop;
end $$;
-- +goose StatementEnd
