-- When an organization's next monthly digest is due.
create table digests (
    org_id text primary key,
    next_at timestamptz not null
);
create index digests_due on digests (next_at);
alter table digests enable row level security;
alter table digests force row level security;
create policy one_org on digests using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
-- Row-level security is forced, so all organizations are seen by the one who sees all of them.
select set_config('tenantry.org_id', '*', true);
insert into digests (org_id, next_at)
select org_id, date_trunc('month', now(), 'UTC') + interval '1 month 8 hours' from organizations;
-- Which new version of which legal text an organization was told of, and which versions all were told of that had to be.
create table legal_news (
    org_id text not null,
    document text not null,
    version text not null,
    told_at timestamptz not null,
    primary key (org_id, document, version)
);
alter table legal_news enable row level security;
alter table legal_news force row level security;
create policy one_org on legal_news using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
create table legal_versions_told (
    document text not null,
    version text not null,
    told_at timestamptz not null,
    primary key (document, version)
);
