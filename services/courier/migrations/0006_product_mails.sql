-- A product mail, whose token ends all of them.
alter table mails add column unsubscribe json;
-- Organizations that want no product mails: those that didn't ask for them, or had enough of them.
create table without_product_mails (
    org_id text primary key
);
alter table without_product_mails enable row level security;
alter table without_product_mails force row level security;
create policy one_org on without_product_mails using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');
