-- Invoices and credit notes, which nobody changes once they are issued; who they are addressed to; and what was paid.

alter table organizations add column location text not null default 'eu';

create table billing_details (
    org_id text primary key,
    company text not null,
    address text[] not null,
    country text not null,
    vat_id text,
    email text not null,
    reference text,
    version integer not null,
    changed_by text,
    changed_at timestamptz not null
);
alter table billing_details enable row level security;
alter table billing_details force row level security;
create policy one_org on billing_details using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Of a legal entity, whose invoices belong to many organizations: counted in the transaction that issues, so without gaps.
create table invoice_counters (
    seller text primary key,
    last bigint not null
);

create table invoices (
    org_id text not null,
    id text not null,
    seller text not null,
    number bigint not null,
    name text not null unique,
    corrects text,
    issued_at timestamptz not null,
    due_at timestamptz not null,
    currency text not null,
    net bigint not null check (net >= 0),
    tax bigint not null check (tax >= 0),
    content jsonb not null,
    primary key (org_id, id),
    unique (seller, number),
    foreign key (org_id, corrects) references invoices (org_id, id)
);
create index invoices_corrected on invoices (org_id, corrects) where corrects is not null;
alter table invoices enable row level security;
alter table invoices force row level security;
create policy one_org on invoices using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create function invoices_are_immutable() returns trigger language plpgsql as $$
begin
    raise exception 'an issued invoice is never changed: issue a credit note';
end
$$;
create trigger immutable before update or delete on invoices for each row execute function invoices_are_immutable();
create trigger immutable_as_a_whole before truncate on invoices execute function invoices_are_immutable();

create table payments (
    org_id text not null,
    invoice_id text not null,
    paid_at timestamptz not null,
    reference text not null,
    recorded_by text not null,
    primary key (org_id, invoice_id),
    foreign key (org_id, invoice_id) references invoices (org_id, id)
);
alter table payments enable row level security;
alter table payments force row level security;
create policy one_org on payments using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
