-- What a payment provider collects: what organizations pay by, every attempt, what it told, and where its books and ours differ.

create table payers (
    org_id text primary key,
    customer_id text not null unique,
    method_id text,
    brand text,
    last4 text,
    expires text,
    looked_at timestamptz not null
);
alter table payers enable row level security;
alter table payers force row level security;
create policy one_org on payers using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Invoices to be collected. Without a time they wait for another payment method.
create table collections (
    org_id text not null,
    invoice_id text not null,
    try_at timestamptz,
    tries integer not null default 0,
    primary key (org_id, invoice_id),
    foreign key (org_id, invoice_id) references invoices (org_id, id)
);
create index collections_due on collections (try_at) where try_at is not null;
alter table collections enable row level security;
alter table collections force row level security;
create policy one_org on collections using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create table attempts (
    org_id text not null,
    id text not null unique,
    invoice_id text not null,
    kind text not null check (kind in ('stored', 'hosted')),
    customer_id text not null,
    method_id text,
    amount bigint not null check (amount > 0),
    currency text not null,
    state text not null check (state in ('started', 'waiting', 'succeeded', 'failed', 'abandoned')),
    payment_id text,
    reason text,
    page_url text,
    page_until timestamptz,
    started_at timestamptz not null,
    look_at timestamptz check ((look_at is null) = (state not in ('started', 'waiting'))),
    looks integer not null default 0,
    ended_at timestamptz,
    seen_at timestamptz,
    primary key (org_id, id),
    foreign key (org_id, invoice_id) references invoices (org_id, id)
);
create unique index one_attempt_at_a_time on attempts (org_id, invoice_id) where state in ('started', 'waiting');
create index attempts_unclear on attempts (look_at) where look_at is not null;
create index attempts_by_start on attempts (started_at);
alter table attempts enable row level security;
alter table attempts force row level security;
create policy one_org on attempts using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- A message of the provider has its effect once, however old its repetition is.
create table provider_messages (
    id text primary key,
    type text not null,
    received_at timestamptz not null
);

-- Each night's comparison, a page at a time.
create table reconciliations (
    day date primary key,
    since timestamptz not null,
    began_at timestamptz not null,
    next_page text,
    compared bigint not null default 0,
    ended_at timestamptz
);

-- Where the provider's books and ours differ. `subject` is a payment there, or an attempt here.
create table drift (
    subject text not null,
    kind text not null,
    detail text not null,
    found_at timestamptz not null,
    accepted_by text,
    accepted_because text,
    primary key (subject, kind)
);
