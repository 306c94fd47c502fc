-- Devices that a person has shown their password on; `device` is a keyed digest of person, network and browser.
create table known_devices (
    user_id text not null references accounts,
    device text not null,
    seen_at timestamptz not null,
    primary key (user_id, device)
);
create index known_devices_age on known_devices (seen_at);
