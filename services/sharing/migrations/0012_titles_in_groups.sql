-- A group's dashboards by title, found without looking at each of them: a list walks no further than a page.
-- Filled by triggers, so that it is right whoever writes, a replica from before this included; what was there before is filled in pieces.
alter table dashboard_groups add column title_key text collate "C";

-- Only for who asks by title, and says so: looking up one dashboard in a group, a planner that knows nothing of the organization took it.
create index dashboard_groups_by_title on dashboard_groups (org_id, group_id, title_key, dashboard_id) where title_key <> '';

create function know_title() returns trigger language plpgsql as $$
begin
    new.title_key := (select title_key from dashboards where org_id = new.org_id and dashboard_id = new.dashboard_id);
    return new;
end $$;

create function tell_title() returns trigger language plpgsql as $$
begin
    update dashboard_groups set title_key = new.title_key where org_id = new.org_id and dashboard_id = new.dashboard_id;
    return null;
end $$;

create trigger know_title before insert on dashboard_groups for each row execute function know_title();
create trigger tell_title after update of title_key on dashboards for each row
    when (new.title_key <> old.title_key) execute function tell_title();
