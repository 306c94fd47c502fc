-- While an organization is closed, time alone renews and ends nothing; when it is erased, its invoices stay, under no organization.
alter table organizations add column closed boolean not null default false;
create table kept_invoices (
    seller text not null,
    number bigint not null,
    name text not null unique,
    corrects text,
    issued_at timestamptz not null,
    due_at timestamptz not null,
    currency text not null,
    net bigint not null,
    tax bigint not null,
    content jsonb not null,
    paid_at timestamptz,
    kept_until timestamptz not null,
    primary key (seller, number)
);
create index kept_invoices_over on kept_invoices (kept_until);
create function keep_invoices() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.kept_until < now() then
        return old;
    end if;
    raise exception 'an invoice is kept as it is for as long as the law demands';
end
$$;
create trigger immutable before update or delete on kept_invoices for each row execute function keep_invoices();
create trigger immutable_as_a_whole before truncate on kept_invoices execute function keep_invoices();
create or replace function invoices_are_immutable() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and is_being_erased(old.org_id) then
        return old;
    end if;
    raise exception 'an issued invoice is never changed: issue a credit note';
end
$$;
