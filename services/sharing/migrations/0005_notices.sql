-- Who was told by mail that a dashboard is shared with them: one row per person and dashboard, for ever. `told_at` is empty while the mail waits to be asked for.

create table share_notices (
    org_id text not null,
    dashboard_id text not null,
    user_id text not null,
    shared_by text,
    with_thumbnail boolean not null,
    asked_at timestamptz not null,
    told_at timestamptz,
    picture_id text,
    primary key (org_id, dashboard_id, user_id)
);
create index share_notices_waiting on share_notices (asked_at, org_id, dashboard_id, user_id) where told_at is null;
create unique index share_notices_by_picture on share_notices (picture_id) where picture_id is not null;

alter table share_notices enable row level security;
alter table share_notices force row level security;
create policy one_org on share_notices
    using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
