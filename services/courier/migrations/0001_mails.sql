-- Every mail that was asked for: one per event that asked, whatever happens. Nothing here opens a link.

create table mails (
    id text primary key,
    org_id text not null, -- empty for a person without organization
    event_id text not null unique,
    recipient text not null,
    template text not null,
    language text not null,
    content json not null,
    link json,
    requested_at timestamptz not null,
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'failed')),
    attempts integer not null default 0,
    due_at timestamptz not null,
    leased_until timestamptz,
    sent_at timestamptz,
    error text
);
create index mails_due on mails (due_at) where state = 'waiting';
alter table mails enable row level security;
alter table mails force row level security;
create policy one_org on mails using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
