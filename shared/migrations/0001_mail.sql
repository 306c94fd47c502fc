-- What every service has: the outbox, the inbox, and the record of idempotent requests.

create table outbox (
    position bigint generated always as identity primary key,
    id text not null unique,
    type text not null,
    subject text not null,
    sequence bigint not null,
    org_id text,
    body bytea not null,
    said_at timestamptz not null default now(),
    published_at timestamptz,
    unique (subject, sequence)
);
create index outbox_unpublished on outbox (position) where published_at is null;
create index outbox_by_org on outbox (org_id, position);

create table outbox_subjects (
    subject text primary key,
    sequence bigint not null,
    changed_at timestamptz not null default now()
);
create index outbox_subjects_changed on outbox_subjects (changed_at);

create table inbox (
    id text not null,
    handler text not null,
    source text not null,
    subject text not null,
    sequence bigint not null,
    type text not null,
    org_id text,
    body bytea,
    state text not null check (state in ('waiting', 'done', 'skipped', 'dead')),
    attempts integer not null default 0,
    not_before timestamptz not null default now(),
    received_at timestamptz not null default now(),
    applied_at timestamptz,
    error text,
    primary key (id, handler)
);
create index inbox_open on inbox (source, subject, sequence, handler) where state in ('waiting', 'dead');
create index inbox_due on inbox (not_before) where state = 'waiting';

create table inbox_cursors (
    source text not null,
    subject text not null,
    sequence bigint not null,
    primary key (source, subject)
);

create table inbox_parked (
    position bigint generated always as identity primary key,
    reason text not null,
    body bytea not null,
    parked_at timestamptz not null default now()
);

create table idempotent_requests (
    scope text not null,
    key text not null,
    fingerprint text not null,
    status integer not null,
    headers jsonb not null,
    body bytea not null,
    answered_at timestamptz not null default now(),
    primary key (scope, key)
);
create index idempotent_requests_age on idempotent_requests (answered_at);
