-- Who took a slot of which kind from when to when: rows that are only ever added, by triggers, so that no path goes unseen.

alter table invitations add column changed_at timestamptz;

create table slot_entries (
    org_id text not null references organizations,
    position bigint not null,
    at timestamptz not null,
    kind text not null check (kind in ('author', 'viewer')),
    holder text not null check (holder in ('member', 'invitation')),
    holder_id text not null,
    email text not null,
    taken boolean not null,
    primary key (org_id, position)
);
create index slot_entries_in_time on slot_entries (org_id, at, position);
create index slot_entries_of_holder on slot_entries (org_id, holder_id, position);
alter table slot_entries enable row level security;
alter table slot_entries force row level security;
create policy one_org on slot_entries using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

create function refuse_to_rewrite() returns trigger language plpgsql as $$
begin
    raise exception 'the slot ledger is only ever added to';
end $$;
create trigger only_added before update on slot_entries for each row execute function refuse_to_rewrite();

create function slot_kind(role text) returns text language sql immutable as $$
    select case when role = 'viewer' then 'viewer' else 'author' end
$$;

-- What a statement did to slots waits here until the entries have their places. Whoever writes holds the organization,
-- so no two count from the same place.
create type slot_change as (org_id text, at timestamptz, kind text, holder text, holder_id text, email text, taken boolean);

create function add_slot_entries(changes slot_change[]) returns void language sql as $$
    with lasts as materialized (
        select org_id, (select coalesce(max(position), 0) from slot_entries held where held.org_id = those.org_id) as last
        from (select distinct org_id from unnest(changes)) as those
    )
    insert into slot_entries (org_id, position, at, kind, holder, holder_id, email, taken)
    select org_id, last + row_number() over (partition by org_id order by at, taken, holder_id), at, kind, holder, holder_id, email, taken
    from unnest(changes) join lasts using (org_id)
$$;

create function note_slots_of_members() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform add_slot_entries(array(
            select (org_id, changed_at, slot_kind(role), 'member', user_id, email, true)::slot_change from are where status = 'active'
        ));
    else
        perform add_slot_entries(array(
            select (now.org_id, now.changed_at, kind, 'member', user_id, now.email, taken)::slot_change
            from were was join are now using (user_id)
            cross join lateral (
                select case when was.status = 'active' then slot_kind(was.role) end as had,
                    case when now.status = 'active' then slot_kind(now.role) end as has
            ) as slots
            cross join lateral (values (had, false), (has, true)) as entries (kind, taken)
            where was.org_id = now.org_id and had is distinct from has and kind is not null
        ));
    end if;
    return null;
end $$;
create trigger slots_noted_at_insert after insert on members
    referencing new table as are for each statement execute function note_slots_of_members();
create trigger slots_noted_at_update after update on members
    referencing old table as were new table as are for each statement execute function note_slots_of_members();

-- An invitation gives its slot back when it expires, even if nobody notices until later.
create function note_slots_of_invitations() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform add_slot_entries(array(
            select (org_id, sent_at, slot_kind(role), 'invitation', invitation_id, email, true)::slot_change from are where status = 'open'
        ));
    else
        perform add_slot_entries(array(
            select (now.org_id, entries.at, slot_kind(now.role), 'invitation', invitation_id, now.email, taken)::slot_change
            from were was join are now using (invitation_id)
            cross join lateral (select was.status = 'open' and was.expires_at <= now.changed_at as lapsed) as looked
            cross join lateral (values
                (was.status = 'open' and (lapsed or now.status <> 'open'), case when lapsed then was.expires_at else now.changed_at end, false),
                (now.status = 'open' and (lapsed or was.status <> 'open'), now.sent_at, true)
            ) as entries (happened, at, taken)
            where was.org_id = now.org_id and happened
        ));
    end if;
    return null;
end $$;
create trigger slots_noted_at_insert after insert on invitations
    referencing new table as are for each statement execute function note_slots_of_invitations();
create trigger slots_noted_at_update after update on invitations
    referencing old table as were new table as are for each statement execute function note_slots_of_invitations();

insert into slot_entries (org_id, position, at, kind, holder, holder_id, email, taken)
select org_id, row_number() over (partition by org_id order by at, holder_id), at, case when role = 'viewer' then 'viewer' else 'author' end, holder, holder_id, email, true from (
    select org_id, joined_at as at, role, 'member' as holder, user_id as holder_id, email from members where status = 'active'
    union all
    select org_id, sent_at, role, 'invitation', invitation_id, email from invitations where status = 'open'
) as holding;
