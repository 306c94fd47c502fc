-- What was so before, so that access can be explained as of a past moment: each row knows since when it is as it is, and what it was until then is kept.
-- The trigger decides by the columns that are facts: names and addresses aren't kept here.

create table past (
    org_id text not null,
    kind text not null,
    one text not null,
    other text not null,
    since timestamptz not null,
    until timestamptz not null,
    was jsonb not null,
    primary key (org_id, kind, one, other, until)
);
alter table past enable row level security;
alter table past force row level security;
create policy one_org on past
    using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

alter table members add column since timestamptz not null default '-infinity';
alter table groups add column since timestamptz not null default '-infinity';
alter table group_members add column since timestamptz not null default '-infinity';
alter table dashboards add column since timestamptz not null default '-infinity';
alter table dashboard_groups add column since timestamptz not null default '-infinity';
alter table entitlements add column since timestamptz not null default '-infinity';

select set_config('tenantry.org_id', '*', true);
update members set since = greatest(status_at, effective_role_at);
update groups set since = deleted_at where deleted_at is not null;
update group_members set since = at;
update dashboards set since = greatest(owner_at, shared_at, updated_at);
update dashboard_groups set since = at;
update entitlements set since = greatest(custom_groups_at, share_all_analysts_at);

create function keep_past() returns trigger language plpgsql as $$
declare
    no_facts text[] := array['since'] || tg_argv[2]::text[];
    was jsonb := to_jsonb(old) - no_facts;
begin
    if to_jsonb(new) - no_facts = was then
        new.since := old.since;
    elsif new.since > old.since then
        insert into past (org_id, kind, one, other, since, until, was)
        values (old.org_id, tg_table_name, coalesce(was ->> tg_argv[0], ''), coalesce(was ->> tg_argv[1], ''), old.since, new.since, was);
    end if;
    return new;
end $$;

create trigger keep_past before update on members for each row
    execute function keep_past('user_id', '', '{name,name_key,email,joined_at}');
create trigger keep_past before update on groups for each row execute function keep_past('group_id', '', '{}');
create trigger keep_past before update on group_members for each row execute function keep_past('group_id', 'user_id', '{}');
create trigger keep_past before update on dashboards for each row execute function keep_past(
    'dashboard_id', '', '{title_key,parameters,thumbnail_url,version,created_at,updated_at,sharing_version,shared_by}'
);
create trigger keep_past before update on entitlements for each row
    execute function keep_past('', '', '{version,author_slots,whole}');
