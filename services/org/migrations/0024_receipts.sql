-- Receipts as they were first given out: what somebody has kept stays genuine, whatever draws the next ones.
create table legal_receipts (
    org_id text not null,
    acceptance_id text not null,
    pdf bytea not null,
    primary key (org_id, acceptance_id)
);
alter table legal_receipts enable row level security;
alter table legal_receipts force row level security;
create policy one_org on legal_receipts using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
