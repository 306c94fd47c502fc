-- What an organization asks of its members' accounts. No row: nothing.
create table security_policies (
    org_id text primary key,
    two_factor_required boolean not null,
    two_factor_deadline timestamptz,
    version integer not null,
    changed_by text not null,
    changed_at timestamptz not null,
    check (two_factor_required = (two_factor_deadline is not null))
);
alter table security_policies enable row level security;
alter table security_policies force row level security;
create policy one_org on security_policies using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
