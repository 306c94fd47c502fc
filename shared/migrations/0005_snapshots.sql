-- Up to which number a subject came as a snapshot, in which not every event is, and up to which number it is being heard again.

alter table inbox_cursors add column snapshot bigint not null default 0, add column replayed bigint not null default 0;
