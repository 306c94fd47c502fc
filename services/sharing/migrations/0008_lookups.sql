-- Where a person is and was in groups is found without walking through every group: the past asks for both.

drop index group_members_of_person;
create index group_members_of_person on group_members (org_id, user_id, group_id) include (present);

-- Only for who asks by owner, and says so: looking up one dashboard by its id, a planner that knows nothing of the organization took this index and walked through it.
drop index dashboards_of_owner;
create index dashboards_of_owner on dashboards (org_id, owner_id, title_key, dashboard_id) where owner_id <> '';
