-- Tokens by which an organization's identity provider provisions users and groups; two at most, so that one can follow the other.
create table scim_tokens (
    org_id text not null,
    token_id text not null unique,
    name text not null,
    digest bytea not null,
    hint text not null,
    created_at timestamptz not null,
    created_by text not null,
    last_used_at timestamptz,
    last_used_ip text,
    primary key (org_id, token_id)
);
alter table scim_tokens enable row level security;
alter table scim_tokens force row level security;
create policy one_org on scim_tokens using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
