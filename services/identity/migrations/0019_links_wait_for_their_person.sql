-- A sign-in at a provider is carried by its challenge until all of it is proven: by which connection, and as whom the provider knows
-- the person. Only then is the subject linked (`may_link`: whose account it is was shown) and the organization told.
alter table challenges add column connection_id text;
alter table challenges add column subject text;
alter table challenges add column may_link boolean not null default false;
-- When the mailed link of a challenge was followed.
alter table challenges add column confirmed_at timestamptz;
alter table challenges drop constraint challenges_purpose_check;
alter table challenges add constraint challenges_purpose_check check (purpose in ('second_factor', 'passkey', 'registration', 'enrolment', 'linking'));
