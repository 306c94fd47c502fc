-- Why a sign-in at a provider ended, as a code with its facts beside the words.
alter table sso_attempts add column cause_code text;
alter table sso_attempts add column cause_meta jsonb not null default '{}';
