create table heard (place bigint generated always as identity, org_id text not null, event_id text not null, text text not null);
alter table heard enable row level security;
alter table heard force row level security;
create policy one_org on heard using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
