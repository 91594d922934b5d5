-- +goose Up

-- What differs from the plan of a schedule. Its name is a definition's, which may come and go, so that nothing refers to it.
create table overrides (
    tenant_id text        not null default '',
    id        uuid        not null,
    schedule  text        not null check (schedule <> ''),
    starts_at timestamptz not null,
    ends_at   timestamptz not null,
    adds      text        not null default '' check (adds = lower(adds)),
    removes   text        not null default '' check (removes = lower(removes)),
    reason    text        not null default '',
    made_by   text        not null,
    made_at   timestamptz not null,
    swap_id   uuid,
    constraint overrides_pkey primary key (tenant_id, id),
    constraint overrides_span check (ends_at > starts_at),
    constraint overrides_say check (adds <> '' or removes <> '')
);
create index overrides_due on overrides (tenant_id, schedule, ends_at);

create table temporaries (
    tenant_id text        not null default '',
    id        uuid        not null,
    schedule  text        not null check (schedule <> ''),
    starts_at timestamptz not null,
    ends_at   timestamptz not null,
    shifts    jsonb       not null,
    made_by   text        not null,
    made_at   timestamptz not null,
    constraint temporaries_pkey primary key (tenant_id, id),
    constraint temporaries_span check (ends_at > starts_at)
);
create index temporaries_due on temporaries (tenant_id, schedule, ends_at);

create table swaps (
    tenant_id   text        not null default '',
    id          uuid        not null,
    schedule    text        not null check (schedule <> ''),
    state       text        not null check (state in ('proposed', 'accepted', 'declined', 'cancelled', 'expired')),
    proposed_at timestamptz not null,
    expires_at  timestamptz not null,
    swap        jsonb       not null,
    constraint swaps_pkey primary key (tenant_id, id)
);
create index swaps_open on swaps (tenant_id, expires_at) where state = 'proposed';
create index swaps_of on swaps (tenant_id, schedule, proposed_at desc);

alter table overrides add constraint overrides_swap foreign key (tenant_id, swap_id) references swaps (tenant_id, id);

-- Who was on call as it really was, so that later changes of plans never change the past. Where no row covers a moment
-- before oncall_recorded.until, nobody was on call then.
create table oncall_history (
    tenant_id  text        not null default '',
    id         bigint      generated always as identity,
    schedule   text        not null,
    person     text        not null,
    started_at timestamptz not null,
    ended_at   timestamptz,
    constraint oncall_history_pkey primary key (tenant_id, id),
    constraint oncall_history_span check (ended_at > started_at)
);
create unique index oncall_history_once on oncall_history (tenant_id, schedule, person) where ended_at is null;
create unique index oncall_history_start on oncall_history (tenant_id, schedule, person, started_at);
create index oncall_history_time on oncall_history (tenant_id, schedule, started_at);

create table oncall_recorded (
    tenant_id text        not null default '',
    until     timestamptz not null,
    constraint oncall_recorded_pkey primary key (tenant_id)
);

-- Addresses that show a calendar or a badge to whoever knows them, since calendar applications send no headers.
create table oncall_links (
    tenant_id  text        not null default '',
    id         uuid        not null,
    kind       text        not null check (kind in ('calendar', 'badge')),
    schedule   text        not null default '',
    person     text        not null default '',
    token_hash text        not null,
    made_by    text        not null,
    actor      text        not null,
    made_at    timestamptz not null,
    revoked_at timestamptz,
    constraint oncall_links_pkey primary key (tenant_id, id),
    constraint oncall_links_token unique (token_hash),
    constraint oncall_links_one check ((schedule = '') <> (person = ''))
);

-- +goose StatementBegin
do $$
declare name text;
begin
    foreach name in array array['overrides', 'temporaries', 'swaps', 'oncall_history', 'oncall_recorded', 'oncall_links'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy scope on %I using (current_setting(''app.scope'', true) = ''operator''
            or tenant_id = nullif(current_setting(''app.tenant'', true), ''''))', name);
    end loop;
end $$;
-- +goose StatementEnd
