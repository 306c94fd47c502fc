-- Passkeys (WebAuthn): public keys, so nothing here is secret.
create table passkeys (
    passkey_id text primary key,
    user_id text not null references accounts,
    credential_id bytea not null unique,
    public_key bytea not null,
    sign_count bigint not null,
    name text not null,
    added_at timestamptz not null,
    last_used_at timestamptz
);
create index passkeys_of_person on passkeys (user_id, passkey_id);

-- Besides the second factor after a password, a challenge may be for a passkey alone, whose person is known only by the answer, or for
-- a new passkey, which signs nobody in.
alter table challenges alter column user_id drop not null;
alter table challenges add column purpose text not null default 'second_factor' check (purpose in ('second_factor', 'passkey', 'registration'));
