-- The last writes and refusals of an organization's identity provider.
create table scim_requests (
    org_id text not null,
    request_id text not null,
    at timestamptz not null,
    token_id text not null,
    method text not null,
    path text not null,
    status integer not null,
    detail text,
    primary key (org_id, request_id)
);
create index scim_requests_newest on scim_requests (org_id, at desc);
alter table scim_requests enable row level security;
alter table scim_requests force row level security;
create policy one_org on scim_requests using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
