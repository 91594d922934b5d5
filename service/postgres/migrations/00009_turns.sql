-- +goose Up

-- Posters take turns when the inbox is worked off.
create index inbox_turns on inbox (tenant_id, urgent desc, id) where parked_at is null;
