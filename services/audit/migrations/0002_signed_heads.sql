-- Up to which number the end of each chain was signed and told to others.

alter table chains add column signed bigint not null default 0;
create index chains_unsigned on chains (org_id) where number > signed;
