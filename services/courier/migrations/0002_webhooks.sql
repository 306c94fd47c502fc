-- Addresses that organizations named to be told what happens, what they are told, and every attempt at it.

create table webhooks (
    org_id text not null,
    webhook_id text not null unique,
    url text not null,
    description text not null,
    types text[] not null, -- empty: everything
    disabled_because text check (disabled_because in ('admin', 'failing', 'gone')), -- null while it is enabled
    disabled_at timestamptz,
    secret bytea not null,
    previous_secret bytea,
    previous_until timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null,
    created_by text,
    changed_by text,
    changed_at timestamptz not null,
    attempts integer not null default 0, -- that failed, of the delivery that is first in line
    failing_since timestamptz,
    due_at timestamptz not null,
    leased_until timestamptz,
    primary key (org_id, webhook_id)
);
create index webhooks_due on webhooks (due_at) where disabled_because is null;
alter table webhooks enable row level security;
alter table webhooks force row level security;
create policy one_org on webhooks using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- `position` is the line in which a webhook's deliveries leave: the first that waits goes, and the others wait for it.
create table webhook_deliveries (
    org_id text not null,
    webhook_id text not null,
    position bigint generated always as identity,
    delivery_id text not null,
    event_id text not null,
    type text not null,
    body text not null,
    at timestamptz not null,
    state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
    attempts integer not null default 0,
    delivered_at timestamptz,
    primary key (org_id, webhook_id, position),
    unique (org_id, delivery_id),
    unique (org_id, webhook_id, event_id),
    foreign key (org_id, webhook_id) references webhooks on delete cascade
);
create index webhook_deliveries_waiting on webhook_deliveries (org_id, webhook_id, position) where state = 'waiting';
create index webhook_deliveries_by_time on webhook_deliveries (at);
alter table webhook_deliveries enable row level security;
alter table webhook_deliveries force row level security;
create policy one_org on webhook_deliveries using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table webhook_attempts (
    org_id text not null,
    delivery_id text not null,
    number integer not null,
    at timestamptz not null,
    status integer,
    error text,
    answer text not null,
    milliseconds integer not null,
    primary key (org_id, delivery_id, number),
    foreign key (org_id, delivery_id) references webhook_deliveries (org_id, delivery_id) on delete cascade
);
alter table webhook_attempts enable row level security;
alter table webhook_attempts force row level security;
create policy one_org on webhook_attempts using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Who is told when a webhook is switched off.
create table members (
    org_id text not null,
    user_id text not null,
    name text not null,
    email text not null,
    role text not null,
    status text not null,
    primary key (org_id, user_id)
);
alter table members enable row level security;
alter table members force row level security;
create policy one_org on members using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- What the plan includes; the highest version wins.
create table entitlements (
    org_id text primary key,
    version bigint not null,
    plan text not null,
    plan_name text not null,
    webhooks boolean not null,
    webhooks_since timestamptz not null
);
alter table entitlements enable row level security;
alter table entitlements force row level security;
create policy one_org on entitlements using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
