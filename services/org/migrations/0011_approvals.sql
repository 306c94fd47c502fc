-- People who signed in at the organization's identity provider and wait for an Admin, or were declined. Who they are stands in persons.
create table approvals (
    org_id text not null,
    user_id text not null,
    role text not null check (role in ('viewer', 'analyst')),
    group_ids text[] not null,
    connection_id text not null,
    reason text not null check (reason in ('approval', 'slots', 'plan', 'removed')),
    requested_at timestamptz not null,
    declined_at timestamptz,
    primary key (org_id, user_id)
);
create index approvals_of_person on approvals (user_id);
alter table approvals enable row level security;
alter table approvals force row level security;
create policy one_org on approvals using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
