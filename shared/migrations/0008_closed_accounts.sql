-- What was heard of a person by themselves, so that it can be emptied when they close their account.
create index inbox_of_people on inbox (subject) where body is not null and subject like 'usr\_%';
