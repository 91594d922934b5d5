-- +goose Up

-- What sources told and nobody has looked at yet: one row for each posting, removed in the transaction that opens, joins
-- or ends incidents by it. The body is compressed by us.
create table inbox (
    tenant_id   text        not null, -- of who posted
    id          bigint      generated always as identity,
    actor       text        not null,
    name        text        not null,
    role        text        not null,
    received_at timestamptz not null default clock_timestamp(),
    urgent      boolean     not null, -- goes before what is not
    alerts      int         not null check (alerts > 0),
    body        bytea       not null,
    trace       text        not null,
    parked_at   timestamptz, -- could not be worked off; kept for somebody to look at
    why         text        not null default '',
    constraint inbox_pkey primary key (tenant_id, id)
);
alter table inbox alter column body set storage external;
create index inbox_next on inbox (urgent desc, id) where parked_at is null;
alter table inbox enable row level security;
alter table inbox force row level security;
create policy scope on inbox using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));
