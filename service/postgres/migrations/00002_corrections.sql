-- +goose Up

-- Entries beside the ledger that say how a span of it counts. A row belongs to the tenant that its labels name, '' where
-- they name none. Rows are never removed, and nothing of one changes but its revocation, once.
create table corrections (
    tenant_id      text        not null,
    id             uuid        not null default gen_random_uuid(),
    slo            text        not null,
    service        text        not null,
    labels         jsonb       not null,
    begins         timestamptz not null,
    ends           timestamptz not null,
    mode           text        not null check (mode in ('exclude', 'good')),
    kind           text        not null check (kind in ('maintenance', 'correction')),
    reason         text        not null check (reason <> ''),
    note           text        not null,
    author         text        not null,
    created_at     timestamptz not null default clock_timestamp(),
    revoked_at     timestamptz,
    revoked_by     text        not null default '',
    revoked_reason text        not null default '',
    constraint corrections_pkey primary key (tenant_id, id),
    constraint corrections_span check (begins < ends),
    constraint corrections_target check (slo = '' or service = ''), -- neither is every SLO
    constraint corrections_tenant check (tenant_id = coalesce(labels ->> 'tenant', '')),
    constraint corrections_revoked check ((revoked_at is null) = (revoked_by = '' and revoked_reason = ''))
);
create index corrections_span on corrections (ends, begins) where revoked_at is null;
create index corrections_newest on corrections (created_at desc);

-- +goose StatementBegin
create function corrections_stand() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.revoked_at is null and new.revoked_at is not null
        and to_jsonb(new) - array['revoked_at', 'revoked_by', 'revoked_reason'] = to_jsonb(old) - array['revoked_at', 'revoked_by', 'revoked_reason'] then
        return new;
    end if;
    raise exception 'a correction stands as it was made: it can be revoked once, and neither changed nor removed'
        using errcode = 'check_violation', constraint = 'corrections_stand';
end $$;
-- +goose StatementEnd
create trigger corrections_stand before update or delete on corrections for each row execute function corrections_stand();
create trigger corrections_stand_whole before truncate on corrections for each statement execute function corrections_stand();

alter table corrections enable row level security;
alter table corrections force row level security;
create policy scope on corrections using (current_setting('app.scope', true) = 'operator'
            or tenant_id = nullif(current_setting('app.tenant', true), ''));
