-- +goose Up

-- What people make of an incident: how much it matters, who has which role, and how it hangs together with others.
alter table incidents
    add column level       smallint not null default 0 check (level between 0 and 5), -- SEV1 to SEV5; 0 is not rated
    add column impact      text     not null default '',
    add column rated_by    text     not null default '',
    add column roles       jsonb    not null default '{}',
    add column declared_by text     not null default '',
    add column merged_into uuid,
    add column follows     uuid,
    add column split_from  uuid,
    add column phase       text     not null default '',
    add column update_due  timestamptz,
    add constraint incidents_merged check (merged_into is null or state = 'resolved'),
    add constraint incidents_merged_into foreign key (tenant_id, merged_into) references incidents (tenant_id, id),
    add constraint incidents_follows foreign key (tenant_id, follows) references incidents (tenant_id, id),
    add constraint incidents_split_from foreign key (tenant_id, split_from) references incidents (tenant_id, id);
create index incidents_merged_into on incidents (tenant_id, merged_into) where merged_into is not null;
create index incidents_follows on incidents (tenant_id, follows) where follows is not null;
create index incidents_split_from on incidents (tenant_id, split_from) where split_from is not null;
create index incidents_update_due on incidents (update_due) where update_due is not null and state <> 'resolved';
create index incidents_untold on incidents (resolved_at) where state = 'resolved' and phase not in ('', 'resolved');
update incidents set level = case severity when 'critical' then 2 when 'error' then 3 when 'warning' then 4 else 5 end where state <> 'resolved';

-- Alerts of a group whose incident was merged into another go to that one while it is open.
create table incident_aliases (
    tenant_id   text not null,
    group_key   text not null,
    incident_id uuid not null,
    constraint incident_aliases_pkey primary key (tenant_id, group_key),
    constraint incident_aliases_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
create index incident_aliases_of on incident_aliases (tenant_id, incident_id);

create table incident_tasks (
    tenant_id   text        not null,
    incident_id uuid        not null,
    number      int         not null check (number > 0),
    text        text        not null check (text <> ''),
    owner       text        not null,
    due_at      timestamptz,
    state       text        not null check (state in ('open', 'done', 'dropped')),
    created_by  text        not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    closed_by   text        not null,
    closed_at   timestamptz,
    revision    int         not null,
    constraint incident_tasks_pkey primary key (tenant_id, incident_id, number),
    constraint incident_tasks_closed check ((closed_at is null) = (state = 'open')),
    constraint incident_tasks_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
create index incident_tasks_due on incident_tasks (due_at) where state = 'open' and due_at is not null;

-- What those who are not in the room were told. Rows are neither changed nor removed.
create table incident_updates (
    tenant_id   text        not null,
    incident_id uuid        not null,
    number      int         not null check (number > 0),
    at          timestamptz not null,
    phase       text        not null check (phase in ('investigating', 'identified', 'monitoring', 'resolved')),
    text        text        not null check (text <> ''),
    public      boolean     not null,
    next_at     timestamptz,
    actor       text        not null,
    name        text        not null,
    constraint incident_updates_pkey primary key (tenant_id, incident_id, number),
    constraint incident_updates_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
-- +goose StatementBegin
create function incident_updates_stand() returns trigger language plpgsql as $$
begin
    raise exception 'a status update stands as it was told' using errcode = 'check_violation', constraint = 'append_only';
end $$;
-- +goose StatementEnd
create trigger incident_updates_stand before update or delete on incident_updates for each row execute function incident_updates_stand();
create trigger incident_updates_stand_whole before truncate on incident_updates for each statement execute function incident_updates_stand();

-- Who is told of status updates by e-mail: of one incident, or of all of a service or level.
create table subscribers (
    tenant_id       text        not null, -- whose person it is; '' is the operator's
    id              uuid        not null default gen_random_uuid(),
    address         text        not null,
    incident_tenant text,
    incident_id     uuid,
    service         text        not null default '',
    level           smallint    not null default 0 check (level between 0 and 5),
    public_only     boolean     not null default false,
    created_by      text        not null,
    created_at      timestamptz not null,
    constraint subscribers_pkey primary key (tenant_id, id),
    constraint subscribers_once unique nulls not distinct (tenant_id, address, incident_id, service),
    constraint subscribers_whose check (incident_tenant is null or tenant_id in ('', incident_tenant)),
    constraint subscribers_which check ((incident_id is null) = (incident_tenant is null) and (incident_id is null or service = '' and level = 0)),
    constraint subscribers_incident foreign key (incident_tenant, incident_id) references incidents (tenant_id, id)
);
create unique index subscribers_id on subscribers (id);
create index subscribers_incident on subscribers (incident_id) where incident_id is not null;
create index subscribers_standing on subscribers (service) where incident_id is null;

-- Channels are told of status updates as others are of news.
alter table pages drop constraint pages_action_check;
alter table pages add constraint pages_action_check check (action in ('trigger', 'acknowledge', 'resolve', 'update', 'status'));

-- Letters to people of an incident go the way of reminders.
alter table reminders drop constraint reminders_kind_check;
alter table reminders add constraint reminders_kind_check check (kind in ('postmortem', 'action', 'update', 'update_due', 'role', 'task', 'task_due'));

-- Status updates are looked for by their words, too.
drop trigger keep_words on timeline;
create trigger keep_words after insert on timeline for each row when (new.kind in ('note', 'resolved', 'status_update'))
    execute function keep_note_words();

alter table incident_aliases enable row level security;
alter table incident_aliases force row level security;
create policy scope on incident_aliases using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));

alter table incident_tasks enable row level security;
alter table incident_tasks force row level security;
create policy scope on incident_tasks using (current_setting('app.scope', true) = 'operator');

alter table incident_updates enable row level security;
alter table incident_updates force row level security;
create policy scope on incident_updates using (current_setting('app.scope', true) = 'operator'
    or (tenant_id = nullif(current_setting('app.tenant', true), '') and public is true));

alter table subscribers enable row level security;
alter table subscribers force row level security;
create policy scope on subscribers using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));
