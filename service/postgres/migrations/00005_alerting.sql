-- +goose Up

-- Silences as they stand, and below every version of each.
create table silences (
    tenant_id  text        not null,
    id         uuid        not null,
    matchers   jsonb       not null,
    starts_at  timestamptz not null,
    ends_at    timestamptz not null,
    updated_at timestamptz not null,
    created_by text        not null,
    comment    text        not null,
    constraint silences_pkey primary key (tenant_id, id),
    constraint silences_span check (starts_at <= ends_at)
);
create index silences_ending on silences (ends_at);

create table silence_versions (
    tenant_id  text        not null,
    version    bigint      generated always as identity,
    id         uuid        not null,
    matchers   jsonb       not null,
    starts_at  timestamptz not null,
    ends_at    timestamptz not null,
    updated_at timestamptz not null,
    created_by text        not null,
    comment    text        not null,
    actor      text        not null, -- who made this version
    name       text        not null,
    constraint silence_versions_pkey primary key (tenant_id, id, version),
    constraint silence_versions_silence foreign key (tenant_id, id) references silences (tenant_id, id)
);

-- What keeps a firing alert from paging; null where nothing does.
alter table alerts add column verdict jsonb;
create index alerts_suppressed on alerts (tenant_id, id) where open and verdict is not null;

-- What happened to alerts. The labels are the alert's own; it is kept as long as the last of its rows here.
create table alert_events (
    tenant_id   text        not null,
    id          bigint      generated always as identity,
    alert_id    bigint      not null,
    fingerprint text        not null,
    at          timestamptz not null,
    kind        text        not null check (kind in ('fired', 'restarted', 'ended', 'suppressed', 'released')),
    starts_at   timestamptz not null,
    ends_at     timestamptz not null,
    verdict     jsonb,
    constraint alert_events_pkey primary key (tenant_id, id)
);
create index alert_events_newest on alert_events (id);
create index alert_events_alert on alert_events (fingerprint, id);
create index alert_events_at on alert_events (at);
create index alerts_ended on alerts (updated_at) where not open;

-- What is known of alerts so far. Row security is forced, so the migration says whose rows it means.
select set_config('app.scope', 'operator', true);
insert into alert_events (tenant_id, alert_id, fingerprint, at, kind, starts_at, ends_at)
select tenant_id, id, fingerprint, at, kind, starts_at, ends_at
from (
    select tenant_id, id, fingerprint, starts_at as at, 'fired' as kind, starts_at, ends_at from alerts
    union all
    select tenant_id, id, fingerprint, updated_at, 'ended', starts_at, ends_at from alerts where not open
) as known
order by at;

-- When each heartbeat was last heard.
create table heartbeats (
    tenant_id text        not null,
    name      text        not null,
    last_at   timestamptz not null,
    actor     text        not null,
    constraint heartbeats_pkey primary key (tenant_id, name)
);

-- How many incidents a service opened lately, and how often a group was resolved lately.
create index incidents_of_service on incidents (tenant_id, service, opened_at);
create index incidents_of_group on incidents (tenant_id, group_key, resolved_at) where state = 'resolved';

-- What happened to alerts is neither changed nor, for a day, removed.
-- +goose StatementBegin
create function kept_a_day() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.at < clock_timestamp() - interval '1 day' then
        return old;
    end if;
    raise exception '% keeps what happened: its rows are never changed, and removed only when they are old', tg_table_name
        using errcode = 'check_violation', constraint = 'append_only';
end $$;
-- +goose StatementEnd
create trigger kept_a_day before update or delete on alert_events for each row execute function kept_a_day();
create trigger kept_a_day_whole before truncate on alert_events for each statement execute function append_only();
create trigger append_only before update or delete on silence_versions for each row execute function append_only();
create trigger append_only_whole before truncate on silence_versions for each statement execute function append_only();

-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['silences', 'silence_versions', 'alert_events', 'heartbeats'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy scope on %I using (current_setting(''app.scope'', true) = ''operator''
            or tenant_id = nullif(current_setting(''app.tenant'', true), ''''))', name);
    end loop;
end $$;
-- +goose StatementEnd
