-- +goose Up

-- Every table with tenant data has tenant_id ('' is the operator's own), keys that include it (foreign keys are checked
-- past row security), and the policy "scope" at the end of this file.

-- What is applied, every version of it. The newest version of (kind, name) is the one in force.
create table definitions (
    tenant_id  text        not null default '' check (tenant_id = ''),
    kind       text        not null,
    name       text        not null,
    version    int         not null check (version > 0),
    body       text        not null,
    deleted    boolean     not null default false,
    applied_at timestamptz not null default now(),
    applied_by text        not null,
    constraint definitions_pkey primary key (tenant_id, kind, name, version)
);

create sequence incident_numbers;

create table incidents (
    tenant_id          text             not null,
    id                 uuid             not null,
    number             bigint           not null default nextval('incident_numbers'),
    group_key          text             not null,
    title              text             not null,
    summary            text             not null,
    severity           text             not null check (severity in ('critical', 'error', 'warning', 'info')),
    state              text             not null check (state in ('triggered', 'acknowledged', 'resolved')),
    service            text             not null,
    slo                text             not null,
    labels             jsonb            not null,
    runbook_url        text             not null,
    budget_spent       double precision,
    policy             jsonb            not null,
    step               int              not null,
    loop               int              not null,
    next_escalation_at timestamptz,
    started_at         timestamptz      not null,
    opened_at          timestamptz      not null,
    acknowledged_at    timestamptz,
    acknowledged_by    text             not null,
    resolved_at        timestamptz,
    resolved_by        text             not null,
    updated_at         timestamptz      not null,
    trace              text             not null,
    constraint incidents_pkey primary key (tenant_id, id),
    constraint incidents_number unique (number),
    constraint incidents_resolved check ((state = 'resolved') = (resolved_at is not null))
);
create unique index incidents_open on incidents (tenant_id, group_key) where state <> 'resolved';
create index incidents_id on incidents (id);
create index incidents_newest on incidents (tenant_id, number desc);
create index incidents_due on incidents (next_escalation_at) where state = 'triggered' and next_escalation_at is not null;

-- +goose StatementBegin
create function incidents_stay_resolved() returns trigger language plpgsql as $$
begin
    if old.state = 'resolved' and new.state <> 'resolved' then
        raise exception 'incident % is resolved; that is final', old.number
            using errcode = 'check_violation', constraint = 'incidents_stay_resolved';
    end if;
    return new;
end $$;
-- +goose StatementEnd
create trigger incidents_stay_resolved before update on incidents for each row execute function incidents_stay_resolved();

-- Alerts, one open row for each that is firing; closed rows are its history. Rows are updated at each telling, so there
-- is room in each page for the next version, and no index on what changes.
create table alerts (
    tenant_id     text        not null,
    id            bigint      generated always as identity,
    fingerprint   text        not null,
    labels        jsonb       not null,
    annotations   jsonb       not null,
    starts_at     timestamptz not null,
    ends_at       timestamptz not null,
    updated_at    timestamptz not null,
    generator_url text        not null,
    incident_id   uuid,
    open          boolean     not null default true,
    constraint alerts_pkey primary key (tenant_id, id),
    constraint alerts_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
) with (fillfactor = 70);
create unique index alerts_open on alerts (tenant_id, fingerprint) where open;
create index alerts_incident on alerts (tenant_id, incident_id);

create table timeline (
    tenant_id   text        not null,
    id          bigint      generated always as identity,
    incident_id uuid        not null,
    at          timestamptz not null,
    kind        text        not null,
    actor       text        not null,
    name        text        not null,
    text        text        not null,
    detail      jsonb,
    constraint timeline_pkey primary key (tenant_id, id),
    constraint timeline_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
create index timeline_incident on timeline (tenant_id, incident_id, id);

-- The outbox of pages.
create table pages (
    tenant_id   text        not null,
    id          bigint      generated always as identity,
    incident_id uuid        not null,
    action      text        not null check (action in ('trigger', 'acknowledge', 'resolve')),
    step        int         not null,
    loop        int         not null,
    target      jsonb       not null,
    target_key  text        not null,
    dedup_key   text        not null,
    state       text        not null check (state in ('pending', 'sending', 'sent', 'failed', 'canceled')),
    attempts    int         not null default 0,
    next_at     timestamptz not null,
    lease_until timestamptz,
    created_at  timestamptz not null,
    trace       text        not null,
    constraint pages_pkey primary key (tenant_id, id),
    constraint pages_once unique (tenant_id, incident_id, action, step, loop, target_key),
    constraint pages_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id),
    constraint pages_lease check ((state = 'sending') = (lease_until is not null))
);
create index pages_due on pages (id) where state in ('pending', 'sending');
create index pages_failed on pages (id) where state = 'failed';

create table attempts (
    tenant_id   text        not null,
    id          bigint      generated always as identity,
    page_id     bigint      not null,
    incident_id uuid        not null,
    number      int         not null,
    provider    text        not null,
    started_at  timestamptz not null,
    took        bigint      not null default 0, -- nanoseconds
    outcome     text        not null default '' check (outcome in ('', 'sent', 'retry', 'failed', 'canceled')),
    status_code int         not null default 0,
    provider_id text        not null default '',
    error       text        not null default '',
    constraint attempts_pkey primary key (tenant_id, id),
    constraint attempts_once unique (tenant_id, page_id, number),
    constraint attempts_page foreign key (tenant_id, page_id) references pages (tenant_id, id),
    constraint attempts_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
create index attempts_incident on attempts (tenant_id, incident_id, id);

-- Closed buckets of good and total events. Labels may be long, so the key has a digest of them.
create table ledger (
    tenant_id text             not null,
    slo       text             not null,
    region    text             not null,
    grp       text             not null, -- further labels as canonical JSON
    series    uuid             generated always as (md5(length(region)::text || ':' || region || grp)::uuid) stored,
    start     timestamptz      not null,
    width     bigint           not null check (width > 0), -- nanoseconds
    good      double precision not null check (good >= 0 and good <= total),
    total     double precision not null check (total < 'infinity'),
    seen      int              not null check (seen >= 0),
    expect    int              not null check (expect > 0),
    version   int              not null,
    constraint ledger_pkey primary key (tenant_id, slo, start, series)
);
create index ledger_slo on ledger (slo, start);

-- Up to when each SLO's buckets are final.
create table ledger_progress (
    tenant_id    text        not null default '' check (tenant_id = ''),
    slo          text        not null,
    closed_until timestamptz not null,
    constraint ledger_progress_pkey primary key (tenant_id, slo)
);

create table users (
    tenant_id     text        not null,
    id            uuid        not null default gen_random_uuid(),
    email         text        not null check (email = lower(email)),
    role          text        not null check (role in ('viewer', 'responder', 'editor', 'admin')),
    password_hash text        not null,
    created_at    timestamptz not null default now(),
    disabled_at   timestamptz,
    constraint users_pkey primary key (tenant_id, id),
    constraint users_email unique (email) -- one sign-in form for all, so one account an address
);

create table sessions (
    tenant_id    text        not null,
    token_hash   text        not null,
    user_id      uuid        not null,
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at   timestamptz not null,
    constraint sessions_pkey primary key (token_hash, tenant_id),
    constraint sessions_user foreign key (tenant_id, user_id) references users (tenant_id, id)
);
create index sessions_user on sessions (tenant_id, user_id);

create table tokens (
    tenant_id    text        not null,
    id           uuid        not null default gen_random_uuid(),
    name         text        not null,
    role         text        not null check (role in ('viewer', 'responder', 'editor', 'admin')),
    token_hash   text        not null,
    created_at   timestamptz not null default now(),
    created_by   text        not null,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    constraint tokens_pkey primary key (tenant_id, id),
    constraint tokens_hash unique (token_hash)
);

create table audit (
    tenant_id   text        not null,
    id          bigint      generated always as identity,
    at          timestamptz not null default clock_timestamp(),
    actor       text        not null,
    name        text        not null,
    action      text        not null,
    object      text        not null,
    detail      jsonb,
    constraint audit_pkey primary key (tenant_id, id)
);
create index audit_newest on audit (id desc);

create table decisions (
    tenant_id text        not null default '',
    id        bigint      generated always as identity,
    at        timestamptz not null,
    workload  text        not null,
    service   text        not null,
    decision  jsonb       not null,
    constraint decisions_pkey primary key (tenant_id, id)
);
create index decisions_newest on decisions (tenant_id, workload, id desc);

-- What happened cannot be made undone, not even by a mistake of ours.
-- +goose StatementBegin
create function append_only() returns trigger language plpgsql as $$
begin
    raise exception '% keeps what happened: its rows are never changed or removed', tg_table_name
        using errcode = 'check_violation', constraint = 'append_only';
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['definitions', 'timeline', 'audit', 'decisions'] loop
        execute format('create trigger append_only before update or delete on %I for each row execute function append_only()', name);
        execute format('create trigger append_only_whole before truncate on %I for each statement execute function append_only()', name);
    end loop;
    -- Forced, because we own the tables. nullif, because a setting that was local to an earlier transaction reads as ''.
    foreach name in array array['definitions', 'incidents', 'alerts', 'timeline', 'pages', 'attempts', 'ledger',
        'ledger_progress', 'users', 'sessions', 'tokens', 'audit', 'decisions'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy scope on %I using (current_setting(''app.scope'', true) = ''operator''
            or tenant_id = nullif(current_setting(''app.tenant'', true), ''''))', name);
    end loop;
end $$;
-- +goose StatementEnd
