-- The titles of what was shared with groups before. A dashboard that is being changed tells its title itself.
select set_config('tenantry.org_id', '*', true);
with few as materialized (
    select dg.org_id, dg.dashboard_id, dg.group_id, d.title_key
    from (select org_id, dashboard_id, group_id from dashboard_groups where title_key is null limit 2000) dg
    join dashboards d on d.org_id = dg.org_id and d.dashboard_id = dg.dashboard_id
    for share of d
)
update dashboard_groups dg set title_key = few.title_key
from few where dg.org_id = few.org_id and dg.dashboard_id = few.dashboard_id and dg.group_id = few.group_id;
