-- When each member was last heard of here: by signing in, or by coming to this organization.

alter table members add column last_active_at timestamptz not null default now();
update members set last_active_at = joined_at;
create index members_by_activity on members (org_id, status, last_active_at, user_id);
