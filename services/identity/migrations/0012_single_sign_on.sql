-- An organization's way to an identity provider. `settings` is what its metadata said; `sealed` is the OIDC client secret, whose key is
-- not in the database.
create table sso_connections (
    org_id text not null,
    connection_id text not null,
    name text not null,
    protocol text not null check (protocol in ('oidc', 'saml')),
    provider text not null check (provider in ('google', 'okta', 'entra', 'generic')),
    status text not null check (status in ('draft', 'verified', 'active', 'off')),
    domains text[] not null,
    new_users text not null check (new_users in ('at_once', 'approval', 'refused')),
    default_role text not null check (default_role in ('viewer', 'analyst')),
    group_ids text[] not null,
    metadata_url text,
    settings jsonb not null,
    sealed bytea,
    version integer not null default 1,
    created_at timestamptz not null,
    created_by text not null,
    changed_at timestamptz not null,
    changed_by text not null,
    verified_at timestamptz,
    verified_by text,
    activated_at timestamptz,
    last_success_at timestamptz,
    warned_days integer,
    primary key (org_id, connection_id)
);
create unique index sso_connections_by_id on sso_connections (connection_id);
-- Whose a domain is, asked by its name alone with every sign-in.
create index domains_proven_by_name on domains (name) where proven;
create index sso_connections_domains on sso_connections using gin (domains) where status = 'active';
alter table sso_connections enable row level security;
alter table sso_connections force row level security;
create policy one_org on sso_connections using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Organizations that let people of bound domains use a password all the same; without a row they don't.
create table sso_exemptions (
    org_id text primary key,
    version integer not null,
    enforced boolean not null,
    changed_at timestamptz not null
);
alter table sso_exemptions enable row level security;
alter table sso_exemptions force row level security;
create policy one_org on sso_exemptions using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Whom a provider's subject stands for.
create table sso_identities (
    org_id text not null,
    connection_id text not null,
    subject text not null,
    user_id text not null references accounts,
    linked_at timestamptz not null,
    last_used_at timestamptz not null,
    primary key (org_id, connection_id, subject),
    unique (org_id, connection_id, user_id)
);
create index sso_identities_of_person on sso_identities (user_id);
alter table sso_identities enable row level security;
alter table sso_identities force row level security;
create policy one_org on sso_identities using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- The last sign-ins at a provider, for who repairs them. The address is masked, and claims are those that name nobody.
create table sso_attempts (
    org_id text not null,
    connection_id text not null,
    attempt_id text not null,
    at timestamptz not null,
    purpose text not null,
    step text not null,
    cause text,
    email text,
    claims jsonb not null,
    request_id text,
    primary key (org_id, connection_id, attempt_id)
);
alter table sso_attempts enable row level security;
alter table sso_attempts force row level security;
create policy one_org on sso_attempts using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- What a browser came back with, until it asks for what it went for: minutes. A row also says that the flow was answered, so no answer
-- counts twice. It belongs to a browser, not to an organization.
create table sso_results (
    flow_id text primary key,
    connection_id text not null,
    subject text,
    email text,
    name text,
    user_id text,
    session_id text,
    taken_at timestamptz,
    expires_at timestamptz not null
);
create index sso_results_expiry on sso_results (expires_at);

-- When the person of a session last proved themselves at their provider.
create table sso_proofs (
    session_id text primary key references sessions on delete cascade,
    user_id text not null references accounts,
    proven_at timestamptz not null
);
