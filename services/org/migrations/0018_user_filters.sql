-- Who has a second factor, as identity says, and who was ever here themselves: for the filters of the list of users and what is counted above it.
-- Nothing is rewritten here: `seen` is looked up afterwards, in pieces.

alter table persons add column two_factor boolean not null default false;
alter table members add column two_factor boolean not null default false, add column seen boolean;
create index members_not_looked_up on members (org_id, user_id) where seen is null;
