"""What identity gives into an organization's export. Accounts are their people's own, so it is memberships alone."""

from __future__ import annotations

from shared.records import Records

RECORDS = (
    Records("memberships", "memberships", ("user_id", "status", "acts_as", "joined_at", "revoked_at"), ("user_id",)),
    Records("two_factor_requirements", "two_factor_requirements", ("due_at",), ("org_id",)),
)
