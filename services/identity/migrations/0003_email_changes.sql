-- Changes of an account's address: waiting for the new one to confirm, then kept for as long as the old one may undo it.
create table email_changes (
    change_id text primary key,
    user_id text not null references accounts,
    old_email text not null,
    email text not null,
    canonical_email text not null,
    confirmed_at timestamptz,
    ends_at timestamptz not null
);
create unique index email_changes_waiting on email_changes (user_id) where confirmed_at is null;
create index email_changes_of_person on email_changes (user_id, change_id);
create index email_changes_end on email_changes (ends_at);
