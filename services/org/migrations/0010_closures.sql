-- Organizations that an Admin closed: when, until when it can be taken back, and who has confirmed that nothing is left.
alter table organizations add column closed_at timestamptz, add column erased_at timestamptz,
    add constraint organizations_closed check ((closed_at is null) = (erased_at is null));
create table closures (
    org_id text primary key,
    closed_by text not null,
    email text not null,
    name text not null,
    reminders smallint not null default 0,
    asked_at timestamptz,
    next_at timestamptz not null
);
create index closures_due on closures (next_at);
create table erasure_confirmations (
    org_id text not null,
    service text not null,
    rows bigint not null,
    confirmed_at timestamptz not null,
    primary key (org_id, service)
);
do $$
declare
    name text;
begin
    foreach name in array array['closures', 'erasure_confirmations'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy one_org on %I using (org_id = current_setting(''tenantry.org_id'', true) or current_setting(''tenantry.org_id'', true) = ''*'')',
            name
        );
    end loop;
end $$;
-- What is only ever added to goes with its organization, and in no other way.
create or replace function keep_the_record() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and is_being_erased(old.org_id) then
        return old;
    end if;
    raise exception 'the legal record is only ever added to';
end $$;
create or replace function refuse_to_rewrite() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and is_being_erased(old.org_id) then
        return old;
    end if;
    raise exception 'the slot ledger is only ever added to';
end $$;
create trigger never_deleted before delete on slot_entries for each row execute function refuse_to_rewrite();
create or replace function keep_an_active_admin() returns trigger language plpgsql as $$
begin
    if is_being_erased(old.org_id) then
        return null;
    end if;
    perform from organizations where org_id = old.org_id for update;
    if not exists (select from members where org_id = old.org_id and role = 'admin' and status = 'active') then
        raise exception 'organization % would have no active admin', old.org_id
            using errcode = 'check_violation', constraint = 'an_active_admin';
    end if;
    return null;
end $$;
