-- How many members of each status and role there are, and how many active members each group has, kept where it changes: so no list counts a crowd.
-- A search by name or address reads one index and no rows.

create table member_counts (
    org_id text not null,
    status text not null,
    role text not null,
    how_many integer not null,
    primary key (org_id, status, role)
);
alter table member_counts enable row level security;
alter table member_counts force row level security;
create policy one_org on member_counts using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
alter table groups add column active_members integer not null default 0;

select set_config('tenantry.org_id', '*', true);
insert into member_counts select org_id, status, role, count(*) from members group by org_id, status, role;
update groups set active_members = counted.active from (
    select org_id, group_id, count(*) as active from group_members join members using (org_id, user_id) where status = 'active' group by org_id, group_id
) counted where groups.org_id = counted.org_id and groups.group_id = counted.group_id;

create function count_new_members() returns trigger language plpgsql as $$
begin
    insert into member_counts as known select org_id, status, role, count(*) from new_members group by org_id, status, role order by org_id, status, role
        on conflict (org_id, status, role) do update set how_many = known.how_many + excluded.how_many;
    return null;
end $$;
create trigger count_new_members after insert on members referencing new table as new_members
    for each statement execute function count_new_members();

create function discount_old_members() returns trigger language plpgsql as $$
begin
    update member_counts known set how_many = known.how_many - gone.how_many
        from (select org_id, status, role, count(*) as how_many from old_members group by org_id, status, role) gone
        where known.org_id = gone.org_id and known.status = gone.status and known.role = gone.role;
    return null;
end $$;
create trigger discount_old_members after delete on members referencing old table as old_members
    for each statement execute function discount_old_members();

create function recount_changed_member() returns trigger language plpgsql as $$
begin
    update member_counts set how_many = how_many - 1 where org_id = old.org_id and status = old.status and role = old.role;
    insert into member_counts as known values (new.org_id, new.status, new.role, 1)
        on conflict (org_id, status, role) do update set how_many = known.how_many + 1;
    if (old.status = 'active') <> (new.status = 'active') then
        update groups set active_members = active_members + case new.status when 'active' then 1 else -1 end
            where org_id = new.org_id and group_id in (select group_id from group_members where org_id = new.org_id and user_id = new.user_id);
    end if;
    return null;
end $$;
create trigger recount_changed_member after update of status, role on members
    for each row when (old.status <> new.status or old.role <> new.role) execute function recount_changed_member();

create function count_group_members() returns trigger language plpgsql as $$
begin
    update groups set active_members = active_members + case tg_op when 'INSERT' then 1 else -1 end * counted.active from (
        select org_id, group_id, count(*) as active from changed join members using (org_id, user_id) where status = 'active' group by org_id, group_id
    ) counted where groups.org_id = counted.org_id and groups.group_id = counted.group_id;
    return null;
end $$;
create trigger count_new_group_members after insert on group_members referencing new table as changed
    for each statement execute function count_group_members();
create trigger discount_old_group_members after delete on group_members referencing old table as changed
    for each statement execute function count_group_members();

drop index members_by_name;
create index members_by_name on members (org_id, status, name_key, user_id) include (email_key);
-- The organization's id is read once a statement instead of once a row.
alter policy one_org on members
    using (org_id = (select current_setting('tenantry.org_id', true)) or (select current_setting('tenantry.org_id', true)) = '*');
