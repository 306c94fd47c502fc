-- By what a revoked API key is known again, so that its use afterwards is in the log of its organization. It proves nothing any more.

create table revoked_api_keys (
    org_id text not null,
    key_id text not null,
    digest bytea not null,
    primary key (org_id, key_id)
);
create unique index revoked_api_keys_by_id on revoked_api_keys (key_id);
alter table revoked_api_keys enable row level security;
alter table revoked_api_keys force row level security;
create policy one_org on revoked_api_keys using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
