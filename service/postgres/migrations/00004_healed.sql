-- +goose Up
-- Base intervals of a bucket that no rule recorded and that were recounted from the raw series.
alter table ledger add column healed int not null default 0 check (healed >= 0 and healed <= seen);
