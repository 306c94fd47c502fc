-- When a provider's metadata was last read at its address by itself, and why it couldn't be used, if so.
alter table sso_connections add column metadata_read_at timestamptz;
alter table sso_connections add column metadata_problem text;
create index sso_connections_metadata on sso_connections (metadata_read_at nulls first) where metadata_url is not null and status = 'active';
