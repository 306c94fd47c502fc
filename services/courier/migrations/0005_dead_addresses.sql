-- Addresses at which nobody receives mail, as the mails of each organization have found out; for a while nothing is sent there.

create table dead_addresses (
    org_id text not null, -- empty for mails without organization
    address text not null,
    status text not null,
    reason text not null,
    found_at timestamptz not null,
    until timestamptz not null,
    primary key (org_id, address)
);
create index dead_addresses_by_address on dead_addresses (address, until);
create index dead_addresses_by_end on dead_addresses (until);
alter table dead_addresses enable row level security;
alter table dead_addresses force row level security;
create policy one_org on dead_addresses using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
