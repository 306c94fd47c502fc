-- What an organization allows of its links. No row: everything.
create table link_policies (
    org_id text primary key,
    links_allowed boolean not null,
    password_required boolean not null,
    longest_days integer check (longest_days > 0),
    version integer not null,
    changed_by text not null,
    changed_at timestamptz not null
);
alter table link_policies enable row level security;
alter table link_policies force row level security;
create policy one_org on link_policies using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
