-- +goose Up

-- Words of incidents are looked for in any language: no word is stemmed or left out.
alter table incidents add column words tsvector generated always as (
    setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', summary), 'B')
        || setweight(jsonb_to_tsvector('simple', labels, '["string"]'), 'C')) stored;

-- What is looked up by words. Under row security PostgreSQL uses an index only for conditions that cannot leak, and matching
-- words is not among them. So the match is a part of this table's policy: a row is seen by who may see it and asks for it.
create table incident_words (
    tenant_id   text     not null,
    incident_id uuid     not null,
    number      bigint   not null,
    noted       boolean  not null, -- by people, in the timeline
    words       tsvector not null,
    constraint incident_words_incident foreign key (tenant_id, incident_id) references incidents (tenant_id, id)
);
create index incident_words_words on incident_words using gin (words);
insert into incident_words select tenant_id, id, number, false, words from incidents;
insert into incident_words select t.tenant_id, t.incident_id, i.number, true, to_tsvector('simple', t.text)
    from timeline t join incidents i on (i.tenant_id, i.id) = (t.tenant_id, t.incident_id) where t.kind in ('note', 'resolved');
alter table incident_words enable row level security;
alter table incident_words force row level security;
create policy scope on incident_words using (current_setting('app.scope', true) = 'operator'
    or tenant_id = nullif(current_setting('app.tenant', true), ''));
create policy asked on incident_words as restrictive for select using (words @@ nullif(current_setting('app.words', true), '')::tsquery);

-- Words are added and never taken away: what an incident was once called finds it too. The title of a storm counts its alerts,
-- which nobody looks for.
-- +goose StatementBegin
create function keep_incident_words() returns trigger language plpgsql as $$
begin
    insert into incident_words values (new.tenant_id, new.id, new.number, false, new.words);
    return null;
end $$;
create function keep_note_words() returns trigger language plpgsql as $$
begin
    insert into incident_words select new.tenant_id, new.incident_id, i.number, true, to_tsvector('simple', new.text)
    from incidents i where (i.tenant_id, i.id) = (new.tenant_id, new.incident_id);
    return null;
end $$;
-- +goose StatementEnd
create trigger keep_words after insert on incidents for each row execute function keep_incident_words();
create trigger keep_new_words after update on incidents for each row when (old.words <> new.words and new.group_key not like 'storm/%') execute function keep_incident_words();
create trigger keep_words after insert on timeline for each row when (new.kind in ('note', 'resolved')) execute function keep_note_words();

-- Pages of a search: the newest first, of one service or severity.
create index incidents_service_newest on incidents (service, number desc);
create index incidents_open_newest on incidents (number desc) where state <> 'resolved';
