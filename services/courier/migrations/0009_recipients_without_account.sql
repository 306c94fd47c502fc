-- Mails that went to an address before anybody knew whose it is: found when its person closes their account.
create index mails_by_recipient on mails (lower(recipient))
    where reader is null or template in ('no_account', 'confirm_signup');
