-- Who was refused what because of their role, and how often within an hour, until that is told.

create table refusals (
    org_id text not null,
    actor_id text not null,
    action text not null,
    role text not null,
    since timestamptz not null,
    times integer not null,
    amr text[] not null,
    source_ip text,
    request_id text,
    primary key (org_id, actor_id, action, role)
);
create index refusals_by_age on refusals (since);
alter table refusals enable row level security;
alter table refusals force row level security;
create policy one_org on refusals using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
