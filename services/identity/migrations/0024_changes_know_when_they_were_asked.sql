-- When a change of an address was asked for: undoing it takes second factors away that were added since.
alter table email_changes add column asked_at timestamptz not null default now();
