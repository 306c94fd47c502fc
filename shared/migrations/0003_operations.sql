-- Long work: what was asked, how far it is, and what it brought, piece by piece.

create table operations (
    org_id text not null,
    operation_id text not null,
    kind text not null,
    actor jsonb not null,
    input jsonb not null,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed')),
    memory jsonb not null default '{}',
    done integer not null default 0,
    total integer,
    result jsonb,
    problem jsonb,
    media text,
    file_name text,
    attempts integer not null default 0,
    not_before timestamptz not null default now(),
    started_at timestamptz not null,
    finished_at timestamptz,
    primary key (org_id, operation_id)
);
create index operations_open on operations (not_before) where state in ('waiting', 'running');
create index operations_finished on operations (finished_at) where finished_at is not null;
alter table operations enable row level security;
alter table operations force row level security;
create policy one_org on operations using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table operation_files (
    org_id text not null,
    operation_id text not null,
    part integer not null,
    content bytea not null,
    primary key (org_id, operation_id, part),
    foreign key (org_id, operation_id) references operations on delete cascade
);
alter table operation_files enable row level security;
alter table operation_files force row level security;
create policy one_org on operation_files using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
