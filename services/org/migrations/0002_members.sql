-- Members, groups and invitations. Names and addresses have a normalised twin that is compared and sorted byte by byte.

create table members (
    org_id text not null references organizations,
    user_id text not null,
    email text not null,
    email_key text collate "C" not null,
    name text not null,
    name_key text collate "C" not null,
    role text not null check (role in ('admin', 'analyst', 'viewer')),
    status text not null check (status in ('active', 'inactive', 'removed')),
    joined_at timestamptz not null,
    deactivated_at timestamptz,
    version integer not null default 1,
    changed_by text,
    changed_at timestamptz not null,
    primary key (org_id, user_id)
);
create unique index members_addresses on members (org_id, email_key) where status <> 'removed';
create index members_by_name on members (org_id, status, name_key, user_id);
create index members_by_email on members (org_id, status, email_key, user_id);
create index members_by_joining on members (org_id, status, joined_at, user_id);
create index members_by_deactivation on members (org_id, deactivated_at, user_id) where status = 'inactive';
create index members_authors on members (org_id, role, joined_at) where status = 'active' and role in ('admin', 'analyst');
create index members_of_person on members (user_id);
alter table members enable row level security;
alter table members force row level security;
create policy one_org on members using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- The use cases refuse this with words; this makes sure that no other path, present or future, can commit it.
create function keep_an_active_admin() returns trigger language plpgsql as $$
begin
    perform from organizations where org_id = old.org_id for update;
    if not exists (select from members where org_id = old.org_id and role = 'admin' and status = 'active') then
        raise exception 'organization % would have no active admin', old.org_id
            using errcode = 'check_violation', constraint = 'an_active_admin';
    end if;
    return null;
end $$;
create constraint trigger an_active_admin after update or delete on members deferrable initially deferred
    for each row when (old.role = 'admin' and old.status = 'active') execute function keep_an_active_admin();

create table groups (
    org_id text not null references organizations,
    group_id text not null,
    kind text not null check (kind in ('all_users', 'all_analysts', 'custom')),
    place smallint not null generated always as (case kind when 'all_users' then 0 when 'all_analysts' then 1 else 2 end) stored,
    name text not null,
    name_key text collate "C" not null,
    description text not null default '',
    created_at timestamptz not null,
    version integer not null default 1,
    changed_by text,
    changed_at timestamptz not null,
    primary key (org_id, group_id),
    constraint groups_names unique (org_id, name_key)
);
create index groups_in_order on groups (org_id, place, name_key);
alter table groups enable row level security;
alter table groups force row level security;
create policy one_org on groups using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table group_members (
    org_id text not null,
    group_id text not null,
    user_id text not null,
    added_at timestamptz not null,
    added_by text,
    primary key (org_id, group_id, user_id),
    foreign key (org_id, group_id) references groups on delete cascade,
    foreign key (org_id, user_id) references members
);
create index group_members_of_person on group_members (org_id, user_id);
alter table group_members enable row level security;
alter table group_members force row level security;
create policy one_org on group_members using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table invitations (
    org_id text not null references organizations,
    invitation_id text not null,
    email text not null,
    email_key text collate "C" not null,
    role text not null check (role in ('admin', 'analyst', 'viewer')),
    group_ids text[] not null,
    status text not null check (status in ('open', 'accepted', 'revoked', 'expired')),
    link_version integer not null default 1,
    invited_by text not null,
    invited_at timestamptz not null,
    sent_at timestamptz not null,
    expires_at timestamptz not null,
    accepted_at timestamptz,
    primary key (org_id, invitation_id)
);
create unique index invitations_open on invitations (org_id, email_key) where status = 'open';
create unique index invitations_by_id on invitations (invitation_id);
create index invitations_due on invitations (expires_at) where status = 'open';
create index invitations_in_order on invitations (org_id, invited_at, invitation_id);
alter table invitations enable row level security;
alter table invitations force row level security;
create policy one_org on invitations using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
