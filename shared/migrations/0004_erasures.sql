-- Organizations that are being erased here, or were: of an erased one this row is all that stays, besides events without content.
-- `begun_in` is the transaction that began it: once none is open that is as old, nobody adds anything any more.
create table erasures (
    subject text primary key,
    begun_at timestamptz not null,
    begun_in xid8 not null default pg_current_xact_id(),
    heard_until text not null default '',
    erased bigint not null default 0,
    finished_at timestamptz
);
create index erasures_open on erasures (begun_at) where finished_at is null;
-- The one way by which rows are deleted that are only ever added otherwise.
create function is_being_erased(organization text) returns boolean language sql stable as $$
    select organization = current_setting('tenantry.erasing', true)
$$;
