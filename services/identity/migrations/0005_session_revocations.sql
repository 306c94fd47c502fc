-- When an Admin last ended the member's sessions in the organization: a session that was proven before enters it only after a new proof.
alter table memberships add column revoked_at timestamptz;
