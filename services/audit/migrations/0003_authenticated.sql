-- How a person who acted had signed in (RFC 8176). Entries from before say nothing about it, and hash as they did.

alter table audit_entries add column actor_amr text[];
