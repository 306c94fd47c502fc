-- Organizations that require a second factor of their members, and from when on.
create table two_factor_requirements (
    org_id text primary key,
    due_at timestamptz not null
);
alter table two_factor_requirements enable row level security;
alter table two_factor_requirements force row level security;
create policy one_org on two_factor_requirements using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Who was reminded of which deadline how.
create table two_factor_reminders (
    org_id text not null,
    user_id text not null,
    due_at timestamptz not null,
    stage text not null check (stage in ('announced', 'week', 'day', 'due')),
    primary key (org_id, user_id, due_at, stage)
);
alter table two_factor_reminders enable row level security;
alter table two_factor_reminders force row level security;
create policy one_org on two_factor_reminders using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- A sign-in that is asked to set up an authenticator app first.
alter table challenges drop constraint challenges_purpose_check;
alter table challenges add constraint challenges_purpose_check check (purpose in ('second_factor', 'passkey', 'registration', 'enrolment'));
