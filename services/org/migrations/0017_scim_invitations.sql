-- Whom an identity provider wants in, and who has an account of their own: they are asked first. Kept as the provider says it until they
-- are a member. `wanted`: the provider's last word on `active`; `group_ids`: its groups that they join with.
create table scim_invitations (
    org_id text not null,
    user_id text not null,
    invitation_id text,
    email text not null,
    email_key text collate "C" not null,
    name text not null,
    user_name text not null,
    user_name_key text collate "C" not null,
    external_id text,
    resource jsonb not null,
    wanted boolean not null,
    group_ids text[] not null default '{}',
    created_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (org_id, user_id),
    foreign key (org_id, invitation_id) references invitations,
    constraint scim_invitations_names unique (org_id, user_name_key)
);
create index scim_invitations_external on scim_invitations (org_id, external_id);
alter table scim_invitations enable row level security;
alter table scim_invitations force row level security;
create policy one_org on scim_invitations using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
