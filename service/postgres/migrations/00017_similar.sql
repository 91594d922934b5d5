-- +goose Up

-- Past incidents that share a frequent word are found newest first without reading all that have it.
create index incident_words_newest on incident_words (number desc);
