-- Mails that were asked for: whose they are and where they go, so that what they say can be emptied when their person closes the account, and by age.

create function reader_of(body bytea) returns text language sql immutable strict as $$
    select substring(encode(body, 'escape') from '"reader":"(usr_[0-9a-z]+)"')
$$;
create function recipient_of(body bytea) returns text language sql immutable strict as $$
    select lower(substring(encode(body, 'escape') from '"to":"([^"]+)"'))
$$;
create index outbox_mails_by_reader on outbox (reader_of(body)) where type = 'courier.mail.requested.v1';
create index outbox_mails_by_recipient on outbox (recipient_of(body)) where type = 'courier.mail.requested.v1';
create index outbox_mails_by_age on outbox (said_at) where type = 'courier.mail.requested.v1';
create index inbox_mails_by_reader on inbox (reader_of(body)) where type = 'courier.mail.requested.v1' and body is not null;
create index inbox_mails_by_recipient on inbox (recipient_of(body)) where type = 'courier.mail.requested.v1' and body is not null;
create index inbox_mails_by_age on inbox (received_at) where type = 'courier.mail.requested.v1' and body is not null;
