"""What identity gives into an organization's export. Accounts are their people's own, so it is memberships alone."""

from __future__ import annotations

from shared.records import Records

KEY = (
    "key_id", "name", "access", "areas", "api_version", "created_at", "created_by", "expires_at", "last_used_at",
    "last_used_ip", "changed_by", "changed_at",
)  # fmt: skip
CONNECTION = (
    "connection_id", "name", "protocol", "provider", "status", "domains", "new_users", "default_role", "group_ids",
    "metadata_url", "created_at", "created_by", "changed_at", "changed_by", "verified_at", "verified_by", "activated_at",
    "last_success_at",
)  # fmt: skip
RECORDS = (
    Records("api_keys", "api_keys", KEY, ("key_id",)),
    Records(
        "provisioning_tokens",
        "scim_tokens",
        ("name", "created_at", "created_by", "last_used_at", "last_used_ip"),
        ("token_id",),
    ),
    Records("sso_connections", "sso_connections", CONNECTION, ("connection_id",)),
    Records("sso_identities", "sso_identities", ("user_id", "linked_at", "last_used_at"), ("connection_id", "subject")),
    Records("memberships", "memberships", ("user_id", "status", "acts_as", "joined_at", "revoked_at"), ("user_id",)),
    Records("two_factor_requirements", "two_factor_requirements", ("due_at",), ("org_id",)),
)
