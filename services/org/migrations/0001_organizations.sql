-- Organizations, what is on their record, the plan facts that billing told, and the persons that identity told.

create table organizations (
    org_id text primary key,
    name text not null,
    location text not null check (location in ('eu', 'us')),
    contact_email text not null,
    product_mails boolean not null,
    time_zone text not null default 'UTC',
    week_start text not null default 'monday' check (week_start in ('monday', 'sunday')),
    dpa text not null default 'undecided' check (dpa in ('undecided', 'accepted', 'not_applicable')),
    created_by text not null,
    created_at timestamptz not null,
    version integer not null default 1,
    changed_by text,
    changed_at timestamptz not null
);
alter table organizations enable row level security;
alter table organizations force row level security;
create policy one_org on organizations using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table legal_acceptances (
    org_id text not null,
    acceptance_id text not null,
    document text not null check (document in ('terms', 'privacy')),
    version text not null,
    accepted_by text not null,
    name text not null,
    email text not null,
    source_ip text,
    accepted_at timestamptz not null,
    primary key (org_id, acceptance_id)
);
alter table legal_acceptances enable row level security;
alter table legal_acceptances force row level security;
create policy one_org on legal_acceptances using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Claims don't exclude each other: a domain belongs to nobody until somebody has proven it.
create table domains (
    org_id text not null,
    domain_id text not null,
    name text not null,
    status text not null check (status in ('claimed', 'verified', 'removed')),
    created_at timestamptz not null,
    primary key (org_id, domain_id)
);
create unique index domains_registered on domains (org_id, name) where status <> 'removed';
alter table domains enable row level security;
alter table domains force row level security;
create policy one_org on domains using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table entitlements (
    org_id text primary key,
    version integer not null,
    body jsonb not null,
    groups_lost_at timestamptz
);
alter table entitlements enable row level security;
alter table entitlements force row level security;
create policy one_org on entitlements using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Persons belong to no organization, so no policy: only consumers and the acceptance of an invitation look here.
create table persons (
    user_id text primary key,
    email text not null,
    name text not null
);
