-- What sharing heard of organizations, members, groups and plans; its own dashboards and embed secrets.
-- A fact that an explanation names keeps the event that caused it, and when.

create table organizations (
    org_id text primary key,
    name text not null
);

-- One row per organization: a change of plan touches nothing else.
create table entitlements (
    org_id text primary key,
    version integer not null,
    plan text not null,
    plan_name text not null,
    author_slots integer,
    custom_groups boolean not null,
    custom_groups_event text not null,
    custom_groups_at timestamptz not null,
    share_all_analysts boolean not null,
    share_all_analysts_event text not null,
    share_all_analysts_at timestamptz not null,
    whole jsonb not null
);

create table members (
    org_id text not null,
    user_id text not null,
    name text not null,
    name_key text collate "C" not null,
    email text not null,
    role text not null,
    effective_role text not null,
    effective_role_event text not null,
    effective_role_at timestamptz not null,
    status text not null,
    status_event text not null,
    status_at timestamptz not null,
    joined_at timestamptz not null,
    primary key (org_id, user_id)
);
create index members_active on members (org_id, name_key, user_id) where status = 'active';
create index members_authors on members (org_id, name_key, user_id) where status = 'active' and effective_role <> 'viewer';

create table groups (
    org_id text not null,
    group_id text not null,
    kind text not null,
    name text not null,
    deleted_event text,
    deleted_at timestamptz,
    primary key (org_id, group_id)
);

-- Who left a group stays as a row that isn't `present`, so that "why not" can name the event.
create table group_members (
    org_id text not null,
    group_id text not null,
    user_id text not null,
    present boolean not null,
    event_id text not null,
    at timestamptz not null,
    primary key (org_id, group_id, user_id)
);
create index group_members_of_person on group_members (org_id, user_id, group_id) where present;

-- `all_users` and `all_analysts` say whom the dashboard reaches, by mode or by a selected built-in group.
create table dashboards (
    org_id text not null,
    dashboard_id text not null,
    title text not null,
    title_key text collate "C" not null,
    parameters text[] not null,
    thumbnail_url text,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    owner_id text not null,
    owner_event text not null,
    owner_at timestamptz not null,
    mode text not null default 'nobody',
    all_users boolean not null default false,
    all_analysts boolean not null default false,
    sharing_version integer not null default 1,
    shared_event text not null,
    shared_at timestamptz not null,
    shared_by text,
    primary key (org_id, dashboard_id)
);
create index dashboards_of_owner on dashboards (org_id, owner_id, title_key, dashboard_id);
create index dashboards_for_all_users on dashboards (org_id, title_key, dashboard_id) where all_users;
create index dashboards_for_all_analysts on dashboards (org_id, title_key, dashboard_id) where all_analysts;

create table dashboard_groups (
    org_id text not null,
    dashboard_id text not null,
    group_id text not null,
    event_id text not null,
    at timestamptz not null,
    primary key (org_id, dashboard_id, group_id),
    foreign key (org_id, dashboard_id) references dashboards on delete cascade
);
create index dashboard_groups_of_group on dashboard_groups (org_id, group_id, dashboard_id);

create table embed_secrets (
    org_id text not null,
    secret_id text not null,
    sealed bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    primary key (org_id, secret_id)
);

do $$
declare
    name text;
begin
    foreach name in array array[
        'organizations', 'entitlements', 'members', 'groups', 'group_members', 'dashboards', 'dashboard_groups', 'embed_secrets'
    ] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy one_org on %I using (org_id = current_setting(''tenantry.org_id'', true) or current_setting(''tenantry.org_id'', true) = ''*'')',
            name
        );
    end loop;
end $$;
