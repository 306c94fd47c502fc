-- Who is invited and hasn't come is soon found among the many who have.

create index invitations_pending on invitations (org_id, invited_at, invitation_id) where status in ('open', 'expired');
