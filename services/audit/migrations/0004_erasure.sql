-- The log of an organization goes with the organization, and in no other way.
create or replace function refuse_to_change_the_past() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and is_being_erased(old.org_id) then
        return old;
    end if;
    raise exception 'audit entries are only ever added' using errcode = 'insufficient_privilege';
end
$$;
