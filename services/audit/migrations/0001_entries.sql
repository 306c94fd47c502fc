-- One row per event and organization, each hashed over the one before it. Nothing here is ever changed or deleted.

create table audit_entries (
    org_id text not null,
    number bigint not null,
    id text not null unique,
    at timestamptz not null,
    actor_id text,
    action text not null,
    subject text not null,
    target_id text,
    target_name text,
    source_ip text,
    event_id text not null,
    source text not null,
    sequence bigint not null,
    correlation_id text,
    causation_id text,
    data json not null, -- as text: jsonb would write numbers in another way, and the hash would not match
    previous_hash text not null,
    hash text not null,
    primary key (org_id, number),
    unique (org_id, event_id)
);
create index audit_entries_by_action on audit_entries (org_id, action text_pattern_ops, number);
create index audit_entries_by_actor on audit_entries (org_id, actor_id, number);
create index audit_entries_by_target on audit_entries (org_id, target_id, number);
create index audit_entries_by_time on audit_entries (org_id, at);
alter table audit_entries enable row level security;
alter table audit_entries force row level security;
create policy one_org on audit_entries using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create function refuse_to_change_the_past() returns trigger language plpgsql as $$
begin
    raise exception 'audit entries are only ever added' using errcode = 'insufficient_privilege';
end
$$;
create trigger only_added before update or delete on audit_entries for each row execute function refuse_to_change_the_past();
create trigger never_emptied before truncate on audit_entries for each statement execute function refuse_to_change_the_past();

-- The end of each chain; its lock puts an organization's entries in a line.
create table chains (
    org_id text primary key,
    number bigint not null,
    hash text not null
);
alter table chains enable row level security;
alter table chains force row level security;
create policy one_org on chains using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Who was ever a member, so that entries have names, and so that a person's own events find their organizations.
create table people (
    org_id text not null,
    user_id text not null,
    name text not null,
    email text not null,
    status text not null,
    primary key (org_id, user_id)
);
create index people_by_user on people (user_id);
alter table people enable row level security;
alter table people force row level security;
create policy one_org on people using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- For how long the plan shows entries; the highest version wins.
create table retention (
    org_id text primary key,
    version bigint not null,
    days integer not null
);
alter table retention enable row level security;
alter table retention force row level security;
create policy one_org on retention using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
