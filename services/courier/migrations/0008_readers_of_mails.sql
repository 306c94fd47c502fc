-- Whose mail it is, where it is a person's with an account: when they close it their mails go.

select set_config('tenantry.org_id', '*', true);
alter table mails add column reader text;
update mails set reader = inbox.subject from inbox where inbox.id = mails.event_id and inbox.subject like 'usr\_%';
create index mails_by_reader on mails (reader) where reader is not null;
