-- What billing says an organization may set up, as far as it concerns identity.
create table entitlements (
    org_id text primary key,
    version integer not null,
    plan text not null,
    api_keys boolean not null,
    api_keys_since timestamptz not null,
    scim boolean not null,
    single_sign_on boolean not null
);
alter table entitlements enable row level security;
alter table entitlements force row level security;
create policy one_org on entitlements using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Keys by which an organization's own programs use the API. Of a token only its digest is kept.
create table api_keys (
    org_id text not null,
    key_id text not null unique,
    name text not null,
    access text not null check (access in ('view', 'manage')),
    areas text[] not null,
    api_version text not null,
    digest bytea not null,
    hint text not null,
    previous_digest bytea,
    previous_until timestamptz,
    created_at timestamptz not null,
    created_by text not null,
    expires_at timestamptz,
    warned_at timestamptz,
    expired_at timestamptz, -- when that was told
    last_used_at timestamptz,
    last_used_ip text,
    version bigint not null default 1,
    changed_by text not null,
    changed_at timestamptz not null,
    primary key (org_id, key_id)
);
create index api_keys_by_end on api_keys (expires_at) where expired_at is null;
alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy one_org on api_keys using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
