-- +goose Up

-- Tokens of calls whose signature covers the token and not what was told: each counts for one content.
create table hook_calls (
    tenant_id   text        not null default '' check (tenant_id = ''),
    integration text        not null,
    token       text        not null,
    digest      text        not null,
    at          timestamptz not null default clock_timestamp(),
    constraint hook_calls_pkey primary key (tenant_id, integration, token)
);
create index hook_calls_old on hook_calls (at);
create index contact_tests_old on contact_tests (at);
alter table hook_calls enable row level security;
alter table hook_calls force row level security;
create policy scope on hook_calls using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));

-- How many alerts joined an incident that stands for a storm; and the open alerts of an incident, those that may page
-- apart, because a storm has too many to count.
alter table incidents add column gathered int not null default 0;
create index alerts_voices on alerts (tenant_id, incident_id, (verdict is null)) where open;
