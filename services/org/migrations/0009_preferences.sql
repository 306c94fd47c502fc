-- How an organization's people read numbers and dates, and which change of the organization changed what.

alter table organizations
    drop constraint organizations_week_start_check,
    add constraint organizations_week_start_check check (week_start in ('monday', 'saturday', 'sunday')),
    add column country text check (country ~ '^[A-Z]{2}$'),
    add column number_format text not null default '1,234.56',
    add column date_format text not null default 'YYYY-MM-DD';

create table organization_changes (
    org_id text not null references organizations,
    version integer not null,
    changed_by text not null,
    changed_at timestamptz not null,
    fields text[] not null,
    primary key (org_id, version)
);
alter table organization_changes enable row level security;
alter table organization_changes force row level security;
create policy one_org on organization_changes using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
