-- Only for who asks by person, and says so: of a table that was vacuumed, a planner that knows nothing of the organization took this index, which holds all that
-- is asked of a group, and walked through everybody's memberships. Built before the old one goes, so that readers wait for no build.
create index group_members_by_person on group_members (org_id, user_id, group_id) include (present) where user_id <> '';
drop index group_members_of_person;
alter index group_members_by_person rename to group_members_of_person;
