-- Which organization a sign-in is for that waits for a second factor: a break-glass link and a provider lead into one.
alter table challenges add column org_id text;
