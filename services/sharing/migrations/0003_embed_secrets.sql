-- Embed secrets grow old: superseded, warned of, expired, revoked. `sealing` counts how often a secret was sealed anew; the ciphertext is bound to it.

alter table embed_secrets
    add column created_by text,
    add column superseded_at timestamptz,
    add column revoked_at timestamptz,
    add column revoked_by text,
    add column warned_at timestamptz,
    add column expiry_told boolean not null default false,
    add column sealing integer not null default 0;
create index embed_secrets_ending on embed_secrets (expires_at) where expires_at is not null and revoked_at is null and not expiry_told;

-- Who still uses which secret: one row per link.
create table embed_secret_uses (
    org_id text not null,
    secret_id text not null,
    link_id text not null,
    dashboard_id text not null,
    uses bigint not null,
    last_at timestamptz not null,
    primary key (org_id, secret_id, link_id),
    foreign key (org_id, secret_id) references embed_secrets on delete cascade
);

alter table embed_secret_uses enable row level security;
alter table embed_secret_uses force row level security;
create policy one_org on embed_secret_uses
    using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
