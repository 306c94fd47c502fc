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

-- Whoever writes holds the organization, so no two count from the same place.
create function last_slot_entry(its_org text) returns bigint language sql as $$
    select coalesce(max(position), 0) from slot_entries where org_id = its_org
$$;

create function note_slot_of_member() returns trigger language plpgsql as $$
declare
    had text := case when tg_op = 'UPDATE' then case when old.status <> 'active' then null when old.role = 'viewer' then 'viewer' else 'author' end end;
    has text := case when new.status <> 'active' then null when new.role = 'viewer' then 'viewer' else 'author' end;
begin
    if had is distinct from has then
        insert into slot_entries (org_id, position, at, kind, holder, holder_id, email, taken)
        select new.org_id, last_slot_entry(new.org_id) + step, new.changed_at, kind, 'member', new.user_id, new.email, taken
        from (values (1, had, false), (2, has, true)) as entries (step, kind, taken) where kind is not null;
    end if;
    return null;
end $$;
create trigger slot_noted after insert or update of role, status on members for each row execute function note_slot_of_member();

-- An invitation gives its slot back when it expires, even if nobody notices until later.
create function note_slot_of_invitation() returns trigger language plpgsql as $$
declare
    its_kind text := case when new.role = 'viewer' then 'viewer' else 'author' end;
    had boolean := tg_op = 'UPDATE' and old.status = 'open';
    lapsed boolean := had and old.expires_at <= coalesce(new.changed_at, new.sent_at);
    has boolean := new.status = 'open';
begin
    if had and (lapsed or not has) then
        insert into slot_entries (org_id, position, at, kind, holder, holder_id, email, taken)
        values (new.org_id, last_slot_entry(new.org_id) + 1, case when lapsed then old.expires_at else new.changed_at end, its_kind, 'invitation', new.invitation_id, new.email, false);
    end if;
    if has and (lapsed or not had) then
        insert into slot_entries (org_id, position, at, kind, holder, holder_id, email, taken)
        values (new.org_id, last_slot_entry(new.org_id) + 1, new.sent_at, its_kind, 'invitation', new.invitation_id, new.email, true);
    end if;
    return null;
end $$;
create trigger slot_noted after insert or update of status, expires_at on invitations for each row execute function note_slot_of_invitation();

insert into slot_entries (org_id, position, at, kind, holder, holder_id, email, taken)
select org_id, row_number() over (partition by org_id order by at, holder_id), at, case when role = 'viewer' then 'viewer' else 'author' end, holder, holder_id, email, true from (
    select org_id, joined_at as at, role, 'member' as holder, user_id as holder_id, email from members where status = 'active'
    union all
    select org_id, sent_at, role, 'invitation', invitation_id, email from invitations where status = 'open'
) as holding;
