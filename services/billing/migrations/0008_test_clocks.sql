-- Test organizations: their time in billing can be moved ahead, and never back.

create table test_clocks (
    org_id text primary key,
    ahead interval not null default '0' check (ahead >= '0'),
    started_by text not null,
    started_at timestamptz not null
);
alter table test_clocks enable row level security;
alter table test_clocks force row level security;
create policy one_org on test_clocks using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
