-- Organizations that an operator made to try things out: their webhooks may be told what didn't happen.

create table test_organizations (
    org_id text not null primary key
);
alter table test_organizations enable row level security;
alter table test_organizations force row level security;
create policy one_org on test_organizations using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
