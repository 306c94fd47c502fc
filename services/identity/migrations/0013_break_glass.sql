-- Mailed sign-ins for Admins whose single sign-on is broken. Asking again replaces the one before.
create table break_glass (
    user_id text primary key references accounts,
    link_id text not null unique,
    org_id text not null,
    expires_at timestamptz not null
);
create index break_glass_expiry on break_glass (expires_at);
alter table break_glass enable row level security;
alter table break_glass force row level security;
create policy one_org on break_glass using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
