-- Who has a slot by role, whether or not they act on it: a plan's preview asks, and shouldn't read everybody for it.
create index members_by_role on members (org_id, user_id) include (role, joined_at, effective_role) where status = 'active' and role <> 'viewer';
