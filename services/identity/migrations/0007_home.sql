-- Whether an organization may help a person who lost their second factor: an Admin there, for an account that is the organization's own.
-- `acts_as` is null until org speaks of the member again; nobody is an Admin before that.
alter table memberships add column acts_as text check (acts_as in ('admin', 'analyst', 'viewer'));
create index memberships_admins on memberships (org_id) where status = 'active' and acts_as = 'admin';

alter table accounts add column invited_by_org text;

create table domains (
    org_id text not null,
    domain_id text not null,
    name text not null,
    proven boolean not null,
    primary key (org_id, domain_id)
);
create index domains_proven on domains (org_id, name) where proven;
alter table domains enable row level security;
alter table domains force row level security;
create policy one_org on domains using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
