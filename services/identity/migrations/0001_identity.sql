-- Accounts, sign-ups, sessions and throttles belong to persons and to no organization, so they have no row-level
-- security: a person may be in several organizations, and is looked up before any organization is known.

create table accounts (
    user_id text primary key,
    email text not null,
    canonical_email text not null unique,
    name text not null,
    password_hash text not null,
    last_org_id text,
    version integer not null default 1,
    created_at timestamptz not null,
    closed_at timestamptz
);

-- One row per address: signing up again replaces it, and with it the link that was mailed before.
create table signups (
    canonical_email text primary key,
    signup_id text not null unique,
    user_id text not null,
    email text not null,
    name text not null,
    company text not null,
    location text not null check (location in ('eu', 'us')),
    product_mails boolean not null,
    password_hash text not null,
    source_ip text,
    expires_at timestamptz not null
);
create index signups_expiry on signups (expires_at);

-- A live session; an ended one has no row. `root` alone makes no token: that also takes a key which is not in the database.
create table sessions (
    session_id text primary key,
    user_id text not null references accounts,
    org_id text,
    kind text not null check (kind in ('bearer', 'cookie')),
    root bytea not null,
    generation integer not null default 0,
    rotated_at timestamptz not null,
    amr text[] not null,
    authenticated_at timestamptz not null,
    started_at timestamptz not null,
    last_used_at timestamptz not null,
    expires_at timestamptz not null,
    ends_at timestamptz not null,
    source_ip text,
    user_agent text
);
create index sessions_of_person on sessions (user_id, session_id);
create index sessions_end on sessions (ends_at);

-- Attempts by account and by source; `bucket` is a keyed digest, for people type all sorts of things where an address is asked.
create table throttles (
    bucket text primary key,
    spent integer not null,
    blocked_until timestamptz,
    forgotten_at timestamptz not null
);
create index throttles_age on throttles (forgotten_at);

-- What org says of memberships and invitations.
create table memberships (
    org_id text not null,
    user_id text not null,
    status text not null check (status in ('active', 'inactive', 'removed')),
    joined_at timestamptz not null,
    primary key (org_id, user_id)
);
create index memberships_of_person on memberships (user_id, org_id);
alter table memberships enable row level security;
alter table memberships force row level security;
create policy one_org on memberships using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table invitations (
    org_id text not null,
    invitation_id text not null,
    email text not null,
    status text not null check (status in ('open', 'accepted', 'revoked', 'expired')),
    link_version integer not null,
    expires_at timestamptz not null,
    primary key (org_id, invitation_id)
);
create unique index invitations_by_id on invitations (invitation_id);
alter table invitations enable row level security;
alter table invitations force row level security;
create policy one_org on invitations using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
