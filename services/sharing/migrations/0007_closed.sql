-- A closed organization's links open nothing.
alter table organizations add column closed boolean not null default false;
