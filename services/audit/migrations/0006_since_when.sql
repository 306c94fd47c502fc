-- From when to when somebody is a member: news of a person and of their membership may come in any order. Null: since before this was kept.
alter table people add column joined_at timestamptz, add column left_at timestamptz;
