-- +goose Up

-- Words of incidents are looked for in any language: no word is stemmed or left out.
alter table incidents add column words tsvector generated always as (
    setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', summary), 'B')
        || setweight(jsonb_to_tsvector('simple', labels, '["string"]'), 'C')) stored;
create index incidents_words on incidents using gin (words);
create index timeline_words on timeline using gin (to_tsvector('simple', text)) where kind in ('note', 'resolved');

-- Pages of a search: the newest first, of one service or severity.
create index incidents_service_newest on incidents (service, number desc);
create index incidents_open_newest on incidents (number desc) where state <> 'resolved';

-- What was gathered about an incident when it opened; missing says in words what could not be had.
create table evidence (
    tenant_id   text        not null,
    incident_id uuid        not null,
    source      text        not null check (source in ('metrics', 'logs', 'traces')),
    gathered_at timestamptz not null,
    missing     text        not null default '',
    content     jsonb       not null,
    constraint evidence_pkey primary key (tenant_id, incident_id, source),
    constraint evidence_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
alter table evidence enable row level security;
alter table evidence force row level security;
create policy scope on evidence using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));
