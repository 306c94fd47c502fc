-- Who held a slot from when to when, and by which events. A span is closed, never changed otherwise.

create table slot_spans (
    org_id text not null,
    holder_id text not null,
    taken_at timestamptz not null,
    taken_by text not null,
    kind text not null check (kind in ('author', 'viewer')),
    freed_at timestamptz check (freed_at >= taken_at),
    freed_by text check ((freed_by is null) = (freed_at is null)),
    primary key (org_id, holder_id, taken_by)
);
create unique index one_slot_each on slot_spans (org_id, holder_id) where freed_at is null;
create index slot_spans_by_time on slot_spans (org_id, taken_at, freed_at);
alter table slot_spans enable row level security;
alter table slot_spans force row level security;
create policy one_org on slot_spans using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
