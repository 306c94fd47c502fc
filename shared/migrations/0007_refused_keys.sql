-- API keys are refused as well, for other reasons than a role: why is part of what is counted. A key has no role: ''.

alter table refusals add column because text not null default 'role';
alter table refusals alter column because drop default;
alter table refusals drop constraint refusals_pkey;
alter table refusals add primary key (org_id, actor_id, action, role, because);
