-- Who changed last whether passwords are refused beside single sign-on: it is told to whoever comes too late.
alter table sso_exemptions add column changed_by text;
