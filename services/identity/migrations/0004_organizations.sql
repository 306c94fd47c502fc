-- What org says organizations are called: a word that passwords of their members may not hold.
create table organizations (
    org_id text primary key,
    name text not null
);
alter table organizations enable row level security;
alter table organizations force row level security;
create policy one_org on organizations using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
