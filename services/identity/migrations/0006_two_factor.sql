-- An authenticator app, from the moment it is begun; it counts once a code was shown. The secret is sealed, and its key is not in the database.
-- `last_step` is the time step of the newest code that was accepted: no code of that step or of an earlier one is accepted again.
create table totp (
    user_id text primary key references accounts,
    sealed bytea not null,
    last_step bigint not null default 0,
    wrong_in_a_row integer not null default 0,
    begun_at timestamptz not null,
    active_since timestamptz
);

-- Keyed digests; a used code has no row.
create table recovery_codes (
    user_id text not null references accounts,
    digest text not null,
    made_at timestamptz not null,
    primary key (user_id, digest)
);

-- Sign-ins whose password was right, and which wait for a second factor.
create table challenges (
    challenge_id text primary key,
    user_id text not null references accounts,
    kind text not null check (kind in ('bearer', 'cookie')),
    amr text[] not null,
    expires_at timestamptz not null
);
create index challenges_of_person on challenges (user_id);
create index challenges_expiry on challenges (expires_at);
