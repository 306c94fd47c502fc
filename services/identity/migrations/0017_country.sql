-- Where an organization says at sign-up that it is: what is usual there is filled in for it.
alter table signups add column country text check (country ~ '^[A-Z]{2}$');
