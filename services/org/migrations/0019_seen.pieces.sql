-- Who was ever here themselves. What is said at commit otherwise is said at once: when this is part of a restore, the table is changed next.
select set_config('tenantry.org_id', '*', true);
set constraints all immediate;
with few as materialized (select org_id, user_id from members where seen is null limit 2000)
update members set seen = last_active_at > joined_at
    or exists (select from organizations o where o.org_id = members.org_id and o.created_by = members.user_id)
    or exists (select from invitations i where i.org_id = members.org_id and i.email_key = members.email_key and i.status = 'accepted')
from few where members.org_id = few.org_id and members.user_id = few.user_id;
