-- How often each link was opened day by day (UTC), for three months.
create table link_days (
    org_id text not null,
    link_id text not null,
    day date not null,
    opens bigint not null,
    primary key (org_id, link_id, day),
    foreign key (org_id, link_id) references links on delete cascade
);
create index link_days_old on link_days (day);
alter table link_days enable row level security;
alter table link_days force row level security;
create policy one_org on link_days using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
