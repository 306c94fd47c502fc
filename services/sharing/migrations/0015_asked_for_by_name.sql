-- Only for who asks by person, and by name, and says so: of tables that were vacuumed, a planner that knows nothing of the organization took these indices, which hold
-- all that is asked of a group or of ids, and walked through everybody's. Built before the old ones go, so that readers wait for no build.
create index group_members_by_person on group_members (org_id, user_id, group_id) include (present) where user_id <> '';
drop index group_members_of_person;
alter index group_members_by_person rename to group_members_of_person;

create index members_by_name on members (org_id, name_key, user_id) where status = 'active' and name_key >= '';
drop index members_active;
alter index members_by_name rename to members_active;
