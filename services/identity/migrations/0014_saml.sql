-- The key with which we sign what we ask a SAML provider for. `sealed` is the private key, whose own key is not in the database;
-- the certificate is published.
create table saml_keys (
    org_id text not null,
    connection_id text not null,
    sealed bytea not null,
    certificate text not null,
    primary key (org_id, connection_id),
    foreign key (org_id, connection_id) references sso_connections on delete cascade
);
alter table saml_keys enable row level security;
alter table saml_keys force row level security;
create policy one_org on saml_keys using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Assertions that signed somebody in, until they wouldn't be accepted any more: each counts once.
create table saml_assertions (
    org_id text not null,
    connection_id text not null,
    assertion_id text not null,
    expires_at timestamptz not null,
    primary key (org_id, connection_id, assertion_id),
    foreign key (org_id, connection_id) references sso_connections on delete cascade
);
create index saml_assertions_expiry on saml_assertions (expires_at);
alter table saml_assertions enable row level security;
alter table saml_assertions force row level security;
create policy one_org on saml_assertions using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
