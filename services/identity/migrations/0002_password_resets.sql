-- The language that a person is written to in.
alter table accounts add column language text not null default 'en' check (language in ('en', 'de'));
alter table signups add column language text not null default 'en' check (language in ('en', 'de'));

-- One row per address that a reset was asked for, whether it has an account or not: asking again replaces it, and with it the link
-- that was mailed before.
create table password_resets (
    canonical_email text primary key,
    reset_id text not null unique,
    user_id text references accounts,
    expires_at timestamptz not null
);
create index password_resets_of_person on password_resets (user_id);
create index password_resets_expiry on password_resets (expires_at);
