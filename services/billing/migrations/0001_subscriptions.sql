-- Who subscribes to what, what follows from it, and what was used up.

create table organizations (
    org_id text primary key,
    name text not null,
    contact_email text not null
);
alter table organizations enable row level security;
alter table organizations force row level security;
create policy one_org on organizations using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table subscriptions (
    org_id text not null,
    id text not null unique,
    plan text not null,
    interval text not null check (interval in ('month', 'year')),
    status text not null check (status in ('active', 'trialing', 'past_due', 'cancelled')),
    price bigint check (price >= 0),
    currency text not null,
    anchor_at timestamptz not null,
    period_start timestamptz not null,
    period_end timestamptz check (period_end > period_start),
    trial_ends_at timestamptz check ((trial_ends_at is null) = (status <> 'trialing')),
    trial_notice_given boolean not null default false,
    credit bigint not null default 0 check (credit >= 0),
    next_plan text check (next_plan is null or period_end is not null),
    next_interval text check ((next_interval is null) = (next_plan is null)),
    next_step_at timestamptz,
    version integer not null default 1,
    changed_by text,
    changed_at timestamptz not null,
    primary key (org_id, id)
);
create unique index one_active_subscription on subscriptions (org_id) where status <> 'cancelled';
create index subscriptions_due on subscriptions (next_step_at) where next_step_at is not null;
alter table subscriptions enable row level security;
alter table subscriptions force row level security;
create policy one_org on subscriptions using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- What was last said; the version only grows, whatever happens to subscriptions.
create table entitlements (
    org_id text primary key,
    version bigint not null,
    granted jsonb not null,
    catalogue_version integer not null
);
create index entitlements_by_catalogue on entitlements (catalogue_version);
alter table entitlements enable row level security;
alter table entitlements force row level security;
create policy one_org on entitlements using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Once per organization, ever: the key decides.
create table trials (
    org_id text primary key,
    subscription_id text not null,
    started_at timestamptz not null
);
alter table trials enable row level security;
alter table trials force row level security;
create policy one_org on trials using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Which content each version of the catalogue file had.
create table catalogues (
    version integer primary key,
    digest text not null,
    seen_at timestamptz not null default now()
);
