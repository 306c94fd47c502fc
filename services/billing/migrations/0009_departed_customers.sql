-- Customers at the payment provider whose organization is erased here: what the provider knows of them is to go, too. By nothing but their id there.

create table departed_customers (
    customer_id text primary key,
    try_at timestamptz not null,
    tries integer not null default 0
);
create index departed_customers_due on departed_customers (try_at);
