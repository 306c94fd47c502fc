-- A closed organization's API keys prove nothing until it is open again.
alter table organizations add column closed boolean not null default false;
