-- +goose Up

-- What an action item and its ticket last agreed on, so that it can be told which side has changed since.
alter table action_items add column agreed jsonb;
