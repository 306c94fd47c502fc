-- The life of a domain: claimed, proven by DNS, at risk, lapsed. A proven one belongs to one organization alone.

alter table domains
    drop constraint domains_status_check,
    add constraint domains_status_check check (status in ('claimed', 'verified', 'at_risk', 'lapsed', 'removed')),
    add column origin text not null default 'sign_up' check (origin in ('sign_up', 'claimed', 'affirmed')),
    add column nonce text not null default replace(gen_random_uuid()::text, '-', ''),
    add column expires_at timestamptz,
    add column verified_at timestamptz,
    add column checked_at timestamptz,
    add column next_check_at timestamptz,
    add column lapses_at timestamptz;
alter table domains alter column origin drop default, alter column nonce drop default;

create unique index domains_proven on domains (name) where status in ('verified', 'at_risk');
create index domains_by_name on domains (name) where status <> 'removed';
create index domains_to_check on domains (next_check_at) where status in ('verified', 'at_risk');
create index domains_unproven on domains (expires_at) where status = 'claimed';

alter table entitlements add column proven_lost_at timestamptz, add column affirmed_lost_at timestamptz;
