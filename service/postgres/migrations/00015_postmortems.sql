-- +goose Up

-- Reviews of incidents. A tenant sees one of its own only after it was published; what belongs to one (versions, comments,
-- action items, duties) is the operator's own always.
create table postmortems (
    tenant_id    text        not null, -- of all its incidents; '' where they are of several, or the operator's own
    id           uuid        not null default gen_random_uuid(),
    number       bigint      generated always as identity,
    title        text        not null check (title <> ''),
    state        text        not null check (state in ('draft', 'in_review', 'reviewed', 'closed')),
    template     text        not null,
    sections     jsonb       not null,
    none_needed  text        not null default '',
    author       text        not null,
    owner        text        not null,
    version      int         not null check (version > 0),
    reviewed_by  text        not null default '',
    reviewed_at  timestamptz,
    published_at timestamptz,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    words        text        not null, -- all that is said in it, for search
    search       tsvector    generated always as (setweight(to_tsvector('english', title), 'A') || to_tsvector('english', words)) stored,
    constraint postmortems_pkey primary key (tenant_id, id),
    constraint postmortems_number unique (number),
    constraint postmortems_reviewed check ((reviewed_at is not null) = (state in ('reviewed', 'closed')))
);
create index postmortems_search on postmortems using gin (search);
create index postmortems_newest on postmortems (number desc) where state <> 'closed';

-- Which incidents a postmortem is about; an incident has one at most.
create table postmortem_incidents (
    tenant_id       text not null,
    postmortem_id   uuid not null,
    incident_tenant text not null,
    incident_id     uuid not null,
    constraint postmortem_incidents_pkey primary key (tenant_id, postmortem_id, incident_id),
    constraint postmortem_incidents_once unique (incident_tenant, incident_id),
    constraint postmortem_incidents_postmortem foreign key (tenant_id, postmortem_id) references postmortems (tenant_id, id),
    constraint postmortem_incidents_incident foreign key (incident_tenant, incident_id) references incidents (tenant_id, id)
);

-- Every save, as it was. Rows are neither changed nor removed.
create table postmortem_versions (
    tenant_id     text        not null,
    postmortem_id uuid        not null,
    version       int         not null,
    at            timestamptz not null,
    actor         text        not null,
    name          text        not null,
    what          text        not null, -- what the save was: drafted, edited, refreshed
    title         text        not null,
    owner         text        not null,
    none_needed   text        not null,
    sections      jsonb       not null,
    constraint postmortem_versions_pkey primary key (tenant_id, postmortem_id, version),
    constraint postmortem_versions_postmortem foreign key (tenant_id, postmortem_id) references postmortems (tenant_id, id)
);

-- What people say about it, moves from state to state among them.
create table postmortem_comments (
    tenant_id     text        not null,
    id            bigint      generated always as identity,
    postmortem_id uuid        not null,
    at            timestamptz not null default clock_timestamp(),
    actor         text        not null,
    name          text        not null,
    section       text        not null, -- key of the section it is about, '' for all of it
    step          text        not null, -- the move it tells of, '' for a comment
    text          text        not null,
    constraint postmortem_comments_pkey primary key (tenant_id, id),
    constraint postmortem_comments_postmortem foreign key (tenant_id, postmortem_id) references postmortems (tenant_id, id)
);
create index postmortem_comments_of on postmortem_comments (postmortem_id, id);

-- Incidents that have to be reviewed, and until when. A duty is met when the incident's postmortem is reviewed.
create table postmortem_duties (
    tenant_id   text        not null,
    incident_id uuid        not null,
    policy      text        not null,
    reason      text        not null,
    owner       text        not null,
    template    text        not null,
    every       interval    not null, -- between reminders after it was due
    required_at timestamptz not null,
    due_at      timestamptz not null,
    reminded    int         not null default 0, -- the last reminder's step
    remind_at   timestamptz not null,
    constraint postmortem_duties_pkey primary key (tenant_id, incident_id),
    constraint postmortem_duties_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
create index postmortem_duties_due on postmortem_duties (due_at);

-- What is looked through for reviews that are required, each half a minute.
create index incidents_resolved_lately on incidents (resolved_at) where state = 'resolved';
create index incidents_to_review on incidents (resolved_at) where postmortem_required is not null;

create table action_items (
    tenant_id     text        not null,
    id            uuid        not null default gen_random_uuid(),
    number        bigint      generated always as identity,
    postmortem_id uuid        not null,
    title         text        not null check (title <> ''),
    kind          text        not null check (kind in ('prevent', 'detect', 'mitigate', 'process')),
    owner         text        not null,
    due_at        timestamptz,
    state         text        not null check (state in ('open', 'done', 'dropped')),
    reason        text        not null default '',
    tracker       text        not null default '',
    tracker_key   text        not null default '',
    tracker_url   text        not null default '',
    synced_at     timestamptz,
    sync_error    text        not null default '',
    sync_at       timestamptz, -- when it is to be told to its tracker next; null where it has none
    sync_tries    int         not null default 0, -- that failed since one went well
    sync_lease    timestamptz, -- until when somebody is at it
    revision      int         not null default 1, -- raised by each change of ours, so that a sync knows what it told
    created_by    text        not null,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    closed_at     timestamptz,
    reminded      int         not null default 0,
    remind_at     timestamptz, -- null where nobody is reminded
    constraint action_items_pkey primary key (tenant_id, id),
    constraint action_items_number unique (number),
    constraint action_items_closed check ((closed_at is null) = (state = 'open')),
    constraint action_items_dropped check ((reason <> '') = (state = 'dropped')),
    constraint action_items_postmortem foreign key (tenant_id, postmortem_id) references postmortems (tenant_id, id)
);
create index action_items_of on action_items (postmortem_id, number);
create index action_items_open on action_items (owner, due_at) where state = 'open';
create index action_items_remind on action_items (remind_at) where state = 'open' and remind_at is not null;
create index action_items_sync on action_items (sync_at) where sync_at is not null;

-- E-mails that remind people, each once: the key takes what is planned a second time.
create table reminders (
    tenant_id   text        not null,
    id          bigint      generated always as identity,
    kind        text        not null check (kind in ('postmortem', 'action')),
    subject_id  uuid        not null, -- the incident, or the action item
    due_at      timestamptz not null, -- another day is another series of reminders
    step        int         not null check (step > 0),
    recipient   text        not null,
    subject     text        not null,
    text        text        not null,
    state       text        not null default 'pending' check (state in ('pending', 'sent', 'failed')),
    attempts    int         not null default 0,
    next_at     timestamptz not null default clock_timestamp(),
    error       text        not null default '',
    sent_at     timestamptz,
    constraint reminders_pkey primary key (tenant_id, id),
    constraint reminders_once unique (tenant_id, kind, subject_id, due_at, recipient, step)
);
create index reminders_due on reminders (next_at) where state = 'pending';

-- +goose StatementBegin
create function postmortem_versions_stand() returns trigger language plpgsql as $$
begin
    raise exception 'a version of a postmortem stands as it was saved' using errcode = 'check_violation', constraint = 'append_only';
end $$;
-- +goose StatementEnd
create trigger postmortem_versions_stand before update or delete on postmortem_versions
    for each row execute function postmortem_versions_stand();
create trigger postmortem_versions_stand_whole before truncate on postmortem_versions
    for each statement execute function postmortem_versions_stand();

alter table postmortems enable row level security;
alter table postmortems force row level security;
create policy scope on postmortems using (current_setting('app.scope', true) = 'operator'
    or (tenant_id = nullif(current_setting('app.tenant', true), '') and published_at is not null));

alter table postmortem_incidents enable row level security;
alter table postmortem_incidents force row level security;
create policy scope on postmortem_incidents using (current_setting('app.scope', true) = 'operator'
    or (tenant_id = nullif(current_setting('app.tenant', true), '') and exists (
        select from postmortems p where (p.tenant_id, p.id) = (postmortem_incidents.tenant_id, postmortem_id))));

-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['postmortem_versions', 'postmortem_comments', 'postmortem_duties', 'action_items', 'reminders'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy scope on %I using (current_setting(''app.scope'', true) = ''operator'')', name);
    end loop;
end $$;
-- +goose StatementEnd
