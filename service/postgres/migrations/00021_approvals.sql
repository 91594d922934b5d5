-- +goose Up

-- A step that changes something waits until somebody else approves it, and not for long.
alter table runs
    add column approved_by   text not null default '',
    add column approved_name text not null default '',
    add column expires_at    timestamptz,
    drop constraint runs_outcome_check,
    add constraint runs_outcome_check check (outcome in ('waiting', 'running', 'ok', 'failed', 'denied', 'expired')),
    add constraint runs_waiting check (outcome <> 'waiting' or expires_at is not null);
create index runs_waiting on runs (tenant_id, expires_at) where outcome = 'waiting';
