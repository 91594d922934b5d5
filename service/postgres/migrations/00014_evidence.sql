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
