-- A person's session at their provider, from the moment that a browser brings word of it until ours ends: what ends ours with it, and it with ours.
-- `digest` is a keyed digest of what the provider calls it; `sealed` is what the provider wants to be shown. `session_id` is ours, once it began.
create table sso_sessions (
    org_id text not null,
    connection_id text not null,
    flow_id text not null,
    subject text not null,
    digest bytea,
    sealed bytea not null,
    session_id text references sessions on delete cascade,
    waits_until timestamptz not null,
    primary key (org_id, connection_id, flow_id),
    foreign key (org_id, connection_id) references sso_connections on delete cascade
);
create index sso_sessions_of_session on sso_sessions (session_id);
create index sso_sessions_of_subject on sso_sessions (org_id, connection_id, subject);
create index sso_sessions_by_digest on sso_sessions (org_id, connection_id, digest);
create index sso_sessions_waiting on sso_sessions (waits_until) where session_id is null;
alter table sso_sessions enable row level security;
alter table sso_sessions force row level security;
create policy one_org on sso_sessions using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- A provider's words that somebody signed out there, until they wouldn't be accepted any more: each counts once.
create table sso_sign_outs (
    org_id text not null,
    connection_id text not null,
    message_id text not null,
    expires_at timestamptz not null,
    primary key (org_id, connection_id, message_id),
    foreign key (org_id, connection_id) references sso_connections on delete cascade
);
create index sso_sign_outs_expiry on sso_sign_outs (expires_at);
alter table sso_sign_outs enable row level security;
alter table sso_sign_outs force row level security;
create policy one_org on sso_sign_outs using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- By which sign-in at a provider somebody came who is still to show a second factor, or whose account it is.
alter table challenges add column flow_id text;
