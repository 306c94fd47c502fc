-- Where an organization says at sign-up that it is: what is usual there is filled in for it.
alter table signups add column country text check (country ~ '^[A-Z]{2}$');

-- Found when an organization is erased.
create index sessions_in_organization on sessions (org_id) where org_id is not null;
create index accounts_last_in on accounts (last_org_id) where last_org_id is not null;
create index accounts_invited_by on accounts (invited_by_org) where invited_by_org is not null;
