-- Why a request of the identity provider was refused, by codes beside the words.
alter table scim_requests add column refusal jsonb;
