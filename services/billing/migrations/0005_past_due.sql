-- A subscription whose invoice is overdue has a time of grace, counted from when its organization was told.

alter table subscriptions add column past_due_since timestamptz check ((past_due_since is null) = (status <> 'past_due'));
alter table subscriptions add column past_due_reminded boolean not null default false;
create index subscriptions_past_due on subscriptions (past_due_since) where past_due_since is not null;
create index invoices_due on invoices (due_at) where corrects is null;
