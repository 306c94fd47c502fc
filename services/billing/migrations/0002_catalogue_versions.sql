-- Catalogues are kept whole: an organization stays on the version that it bought until an operator moves it.

alter table catalogues add column content jsonb;
alter table catalogues add column applied_by text;
alter table catalogues rename column seen_at to applied_at;

alter table subscriptions add column catalogue_version integer not null default 1;
alter table subscriptions alter column catalogue_version drop default;
alter table subscriptions add column next_catalogue_version integer;
update subscriptions set catalogue_version = coalesce((select max(version) from catalogues), 1);
create index subscriptions_by_catalogue on subscriptions (catalogue_version);
drop index entitlements_by_catalogue;

-- What one organization may set up besides its plan, or instead of it, until a day.
create table overrides (
    org_id text not null,
    entitlement text not null,
    value jsonb not null,
    until timestamptz not null,
    reason text not null,
    granted_by text not null,
    granted_at timestamptz not null,
    primary key (org_id, entitlement)
);
create index overrides_ending on overrides (until);
alter table overrides enable row level security;
alter table overrides force row level security;
create policy one_org on overrides using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
