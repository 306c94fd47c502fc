-- Deleted groups, as they were, for those who want them back within thirty days; and who asked for a new invitation.

create table deleted_groups (
    org_id text not null references organizations,
    group_id text not null,
    name text not null,
    description text not null,
    created_at timestamptz not null,
    version integer not null,
    user_ids text[] not null,
    deleted_at timestamptz not null,
    deleted_by text,
    primary key (org_id, group_id)
);
create index deleted_groups_in_order on deleted_groups (org_id, deleted_at, group_id);
create index deleted_groups_due on deleted_groups (deleted_at);
alter table deleted_groups enable row level security;
alter table deleted_groups force row level security;
create policy one_org on deleted_groups using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

alter table invitations add column renewal_requested_at timestamptz;
