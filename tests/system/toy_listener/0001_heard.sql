-- Nothing here is unique, so that an effect that happens twice is seen twice.
create table heard (place bigint generated always as identity, source text not null, subject text not null, sequence bigint not null, event_id text not null);
