-- +goose Up

-- Forecasts as they were made, with what they were made from, and how they came out once their time had come. They are the
-- operator's. A row changes once, when it is judged, and is removed when it is old.
create table forecasts (
    tenant_id text        not null default '',
    id        uuid        not null,
    made_at   timestamptz not null,
    made_by   text        not null,
    subject   text        not null, -- the workload, '' for a question of somebody's
    query     text        not null,
    step      bigint      not null check (step > 0), -- nanoseconds
    labels    jsonb       not null,
    inputs    jsonb       not null,
    forecast  jsonb       not null,
    due_at    timestamptz not null,
    judged_at timestamptz,
    tries     int         not null default 0 check (tries >= 0),
    score     jsonb, -- null where nothing of what came was to be seen
    constraint forecasts_pkey primary key (tenant_id, id),
    constraint forecasts_score check (score is null or judged_at is not null)
);
create index forecasts_newest on forecasts (tenant_id, made_at desc);
create index forecasts_of on forecasts (tenant_id, subject, made_at desc);
create index forecasts_alike on forecasts (tenant_id, md5(query), made_at desc);
create index forecasts_due on forecasts (due_at) where judged_at is null;
alter table forecasts enable row level security;
alter table forecasts force row level security;
create policy scope on forecasts using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));
