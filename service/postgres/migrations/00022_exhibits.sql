-- +goose Up

-- Evidence that is kept with an incident: how its promises went, log lines and traces, as they were at its opening and its
-- resolution. Rows are neither changed nor removed. What may tell of others than the tenant is private to the operator.
create table exhibits (
    tenant_id   text        not null,
    id          bigint      generated always as identity,
    incident_id uuid        not null,
    moment      text        not null check (moment in ('opened', 'resolved')),
    kind        text        not null check (kind in ('slo', 'logs', 'exemplars', 'traces')),
    subject     text        not null, -- the SLO's ID, '' for what is about the whole incident
    from_at     timestamptz not null,
    to_at       timestamptz not null,
    outcome     text        not null check (outcome in ('kept', 'empty', 'unreachable', 'refused', 'not configured')),
    missing     text        not null,
    asked       text        not null,
    seen        int         not null check (seen >= 0),
    more        boolean     not null,
    private     boolean     not null,
    content     jsonb       not null,
    kept_at     timestamptz not null,
    constraint exhibits_pkey primary key (tenant_id, id),
    constraint exhibits_once unique (tenant_id, incident_id, moment, kind, subject),
    constraint exhibits_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
alter table exhibits enable row level security;
alter table exhibits force row level security;
create policy scope on exhibits using (current_setting('app.scope', true) = 'operator'
    or (tenant_id = nullif(current_setting('app.tenant', true), '') and not private));

-- +goose StatementBegin
create function refuse_exhibit_change() returns trigger language plpgsql as $$
begin
    raise exception 'what was kept with an incident is never changed' using errcode = 'restrict_violation';
end $$;
-- +goose StatementEnd
create trigger never_changed before update or delete on exhibits for each row execute function refuse_exhibit_change();
create trigger never_emptied before truncate on exhibits for each statement execute function refuse_exhibit_change();

-- What is still to be gathered, one row a source, so that one that does not answer holds no other.
create table exhibit_jobs (
    tenant_id   text        not null,
    incident_id uuid        not null,
    moment      text        not null check (moment in ('opened', 'resolved')),
    kind        text        not null check (kind in ('slo', 'logs', 'exemplars', 'traces')),
    tries       int         not null default 0 check (tries >= 0),
    next_at     timestamptz not null,
    constraint exhibit_jobs_pkey primary key (tenant_id, incident_id, moment, kind),
    constraint exhibit_jobs_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
create index exhibit_jobs_due on exhibit_jobs (kind, next_at);
alter table exhibit_jobs enable row level security;
alter table exhibit_jobs force row level security;
create policy scope on exhibit_jobs using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));

-- Whoever opens or resolves an incident queues the work in the same statement, so that none can be forgotten. What was
-- taken over from another tool is over when it comes, and has nothing to gather.
-- +goose StatementBegin
create function queue_exhibits() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into exhibit_jobs (tenant_id, incident_id, moment, kind, next_at)
        select new.tenant_id, new.id, 'opened', k, clock_timestamp() from unnest(array['slo', 'logs', 'exemplars', 'traces']) k;
    else
        insert into exhibit_jobs (tenant_id, incident_id, moment, kind, next_at)
        values (new.tenant_id, new.id, 'resolved', 'slo', clock_timestamp()) on conflict do nothing;
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger queue_opened after insert on incidents for each row when (new.state <> 'resolved') execute function queue_exhibits();
create trigger queue_resolved after update of state on incidents for each row
    when (old.state <> 'resolved' and new.state = 'resolved') execute function queue_exhibits();

-- What incidents that are over can be found by as similar ones, newest first a term: words of the title, and the labels that
-- tell of the kind of trouble as name=value. Equality and order cannot leak, so row security leaves the index its use.
create table incident_terms (
    tenant_id text   not null,
    term      text   collate "C" not null,
    number    bigint not null,
    constraint incident_terms_pkey primary key (tenant_id, term, number)
);
alter table incident_terms enable row level security;
alter table incident_terms force row level security;
create policy scope on incident_terms using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));

-- +goose StatementBegin
create function terms_of(title text, labels jsonb) returns setof text language sql immutable as $$
    (select left(w, 100) from unnest(tsvector_to_array(to_tsvector('simple', title))) w limit 40)
    union
    (select left(l.key || '=' || l.value, 200) from jsonb_each_text(labels) l where l.key in ('alertname', 'slo', 'job'))
$$;
create function keep_incident_terms() returns trigger language plpgsql as $$
begin
    insert into incident_terms select new.tenant_id, t, new.number from terms_of(new.title, new.labels) t on conflict do nothing;
    return null;
end $$;
-- +goose StatementEnd
insert into incident_terms select i.tenant_id, t, i.number from incidents i, terms_of(i.title, i.labels) t where i.state = 'resolved';
create trigger keep_past_terms after insert on incidents for each row when (new.state = 'resolved') execute function keep_incident_terms();
create trigger keep_terms after update of state on incidents for each row
    when (old.state <> 'resolved' and new.state = 'resolved') execute function keep_incident_terms();
create index incidents_resolved_of on incidents (tenant_id, service, number desc) where state = 'resolved';

-- The same rows as before, in a form of which the planner expects half and not one in a hundred: with that it believed that
-- it might as well sort a service's incidents as read the newest from the index.
alter policy scope on incidents using (case when current_setting('app.scope', true) = 'operator' then true
    else tenant_id = nullif(current_setting('app.tenant', true), '') end);
