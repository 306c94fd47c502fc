-- What identity providers provision: users as they describe them, groups that are theirs, removals that wait for an Admin, and settings.
alter table groups add column origin text not null default 'hand' check (origin in ('hand', 'scim'));
alter table groups add column external_id text;
create index groups_of_provider on groups (org_id, created_at, group_id) where origin = 'scim';

create table scim_users (
    org_id text not null,
    user_id text not null,
    user_name text not null,
    user_name_key text collate "C" not null,
    external_id text,
    resource jsonb not null,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (org_id, user_id),
    foreign key (org_id, user_id) references members,
    constraint scim_users_names unique (org_id, user_name_key)
);
create index scim_users_external on scim_users (org_id, external_id);
alter table scim_users enable row level security;
alter table scim_users force row level security;
create policy one_org on scim_users using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
create index members_in_order on members (org_id, joined_at, user_id) where status <> 'removed';
create index members_by_provider on members (org_id, changed_at) where status <> 'active' and changed_by like 'sct%';

create table scim_removals (
    org_id text not null,
    user_id text not null,
    kind text not null check (kind in ('deactivation', 'deletion')),
    asked_at timestamptz not null,
    primary key (org_id, user_id),
    foreign key (org_id, user_id) references members
);
alter table scim_removals enable row level security;
alter table scim_removals force row level security;
create policy one_org on scim_removals using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table scim_settings (
    org_id text primary key references organizations,
    default_role text not null check (default_role in ('analyst', 'viewer')),
    removals_per_hour integer not null check (removals_per_hour >= 0),
    version bigint not null,
    changed_by text not null,
    changed_at timestamptz not null
);
alter table scim_settings enable row level security;
alter table scim_settings force row level security;
create policy one_org on scim_settings using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
