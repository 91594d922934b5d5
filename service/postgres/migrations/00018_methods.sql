-- +goose Up

-- How people want to be reached. What is not verified is not used for paging.
alter table users
    add column zone  text  not null default 'UTC',
    add column quiet jsonb not null default '[]';

create table contact_methods (
    tenant_id   text        not null,
    id          uuid        not null default gen_random_uuid(),
    user_id     uuid        not null,
    name        text        not null check (name <> ''),
    way         text        not null check (way in ('email', 'sms', 'voice', 'ntfy', 'slack')),
    channel     text        not null default '',
    address     text        not null check (address <> ''),
    verified_at timestamptz,
    code_hash   text        not null default '',
    code_until  timestamptz, -- until when the code counts
    code_tries  int         not null default 0,
    created_at  timestamptz not null default now(),
    constraint contact_methods_pkey primary key (tenant_id, id),
    constraint contact_methods_user foreign key (tenant_id, user_id) references users (tenant_id, id),
    constraint contact_methods_once unique (tenant_id, user_id, way, address)
);
-- Whoever is called by a number must be one person, or an acknowledgement from it would be anybody's.
create unique index contact_methods_address on contact_methods (way, address) where verified_at is not null;

create table notification_rules (
    tenant_id text   not null,
    user_id   uuid   not null,
    urgency   text   not null check (urgency in ('high', 'low')),
    delay     bigint not null check (delay >= 0), -- nanoseconds
    method_id uuid   not null,
    constraint notification_rules_pkey primary key (tenant_id, user_id, urgency, delay, method_id),
    constraint notification_rules_user foreign key (tenant_id, user_id) references users (tenant_id, id),
    constraint notification_rules_method foreign key (tenant_id, method_id) references contact_methods (tenant_id, id) on delete cascade
);
-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['contact_methods', 'notification_rules'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy scope on %I using (current_setting(''app.scope'', true) = ''operator''
            or tenant_id = nullif(current_setting(''app.tenant'', true), ''''))', name);
    end loop;
end $$;
-- +goose StatementEnd
