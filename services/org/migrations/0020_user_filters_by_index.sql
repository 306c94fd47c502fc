-- The new index of activity is made beside the old one: only the exchange at the end keeps readers waiting.

create index members_by_two_factor on members (org_id, status, two_factor, name_key, user_id);
create index members_never_seen on members (org_id, status, name_key, user_id) where not seen;
create index members_by_activity_and_filters on members (org_id, status, last_active_at, user_id) include (two_factor, seen);

alter table members alter column seen set default false, alter column seen set not null;
drop index members_not_looked_up;
drop index members_by_activity;
alter index members_by_activity_and_filters rename to members_by_activity;
