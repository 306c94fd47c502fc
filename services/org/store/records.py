"""What org gives into an organization's export."""

from __future__ import annotations

from shared.records import Records

ORGANIZATION = (
    "name", "location", "contact_email", "product_mails", "country", "time_zone", "week_start", "number_format",
    "date_format", "dpa", "created_by", "created_at", "closed_at", "erased_at",
)  # fmt: skip
MEMBER = (
    "user_id", "email", "name", "role", "status", "joined_at", "deactivated_at", "last_active_at", "changed_by",
    "changed_at",
)  # fmt: skip
DOMAIN = (
    "domain_id", "name", "status", "origin", "created_at", "expires_at", "verified_at", "checked_at", "next_check_at",
    "lapses_at",
)  # fmt: skip
LEGAL = (
    "acceptance_id", "document", "version", "sha256", "decision", "organization", "accepted_by", "name", "email",
    "source_ip", "signatory_name", "signatory_title", "reason", "accepted_at",
)  # fmt: skip
INVITATION = (
    "invitation_id", "email", "role", "group_ids", "status", "invited_by", "invited_at", "sent_at", "expires_at",
    "accepted_at", "renewal_requested_at",
)  # fmt: skip
RECORDS = (
    Records("organization", "organizations", ORGANIZATION, ("org_id",)),
    Records(
        "organization_changes",
        "organization_changes",
        ("changed_by", "changed_at", "fields"),
        ("version",),
        {"version": "int"},
    ),
    Records("legal_record", "legal_acceptances", LEGAL, ("acceptance_id",)),
    Records("domains", "domains", DOMAIN, ("domain_id",)),
    Records(
        "security_policy",
        "security_policies",
        ("two_factor_required", "two_factor_deadline", "changed_by", "changed_at"),
        ("org_id",),
    ),
    Records("members", "members", MEMBER, ("user_id",)),
    Records(
        "groups",
        "groups",
        ("group_id", "kind", "name", "description", "created_at", "changed_by", "changed_at"),
        ("group_id",),
    ),
    Records("group_members", "group_members", ("added_at", "added_by"), ("group_id", "user_id")),
    Records(
        "deleted_groups",
        "deleted_groups",
        ("group_id", "name", "description", "user_ids", "created_at", "deleted_at", "deleted_by"),
        ("group_id",),
    ),
    Records("invitations", "invitations", INVITATION, ("invitation_id",)),
    Records(
        "slots",
        "slot_entries",
        ("at", "kind", "holder", "holder_id", "email", "taken"),
        ("position",),
        {"position": "bigint"},
    ),
    Records(
        "provisioned_users",
        "scim_users",
        ("user_name", "external_id", "resource", "created_at", "changed_at"),
        ("user_id",),
    ),
    Records(
        "awaited_users",
        "scim_invitations",
        ("email", "name", "user_name", "external_id", "resource", "wanted", "group_ids", "created_at", "changed_at"),
        ("user_id",),
    ),
    Records("held_removals", "scim_removals", ("kind", "asked_at"), ("user_id",)),
    Records(
        "provisioning",
        "scim_settings",
        ("default_role", "removals_per_hour", "changed_by", "changed_at"),
        ("org_id",),
    ),
    Records(
        "provisioning_requests",
        "scim_requests",
        ("at", "token_id", "method", "path", "status", "detail"),
        ("request_id",),
    ),
    Records("digests", "digests", ("next_at",), ("org_id",)),
    Records(
        "approvals",
        "approvals",
        ("role", "group_ids", "connection_id", "reason", "requested_at", "declined_at"),
        ("user_id",),
    ),
    Records("legal_news", "legal_news", ("told_at",), ("document", "version")),
    Records("closure", "closures", ("closed_by", "email", "name"), ("org_id",)),
)
