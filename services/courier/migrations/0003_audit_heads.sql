-- Signed heads of each organization's audit log, the furthest of each day, kept here because whoever can change that log can't change this.

create table audit_heads (
    org_id text not null,
    day date not null,
    number bigint not null,
    digest text not null,
    signed_at text not null,
    signature text not null,
    key text not null,
    primary key (org_id, day)
);
alter table audit_heads enable row level security;
alter table audit_heads force row level security;
create policy one_org on audit_heads using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
