"""What sharing gives into an organization's export: dashboards, with whom they are shared, links and secrets without what opens them."""

from __future__ import annotations

from shared.records import Records

LINK = (
    "link_id", "dashboard_id", "report_id", "name", "description", "expires_at", "networks", "origins", "requires_secret",
    "allow_parameters", "tv_mode", "dark_mode", "toolbar", "csv", "excel", "frozen_filters", "paused", "opens",
    "last_opened_at", "created_by", "created_at", "updated_by", "updated_at",
)  # fmt: skip
DASHBOARD = (
    "dashboard_id", "title", "owner_id", "parameters", "thumbnail_url", "mode", "all_users", "all_analysts", "shared_by",
    "shared_at", "created_at", "updated_at",
)  # fmt: skip
RECORDS = (
    Records("dashboards", "dashboards", DASHBOARD, ("dashboard_id",)),
    Records("dashboard_groups", "dashboard_groups", ("at",), ("dashboard_id", "group_id")),
    Records("links", "links", LINK, ("link_id",)),
    Records("link_days", "link_days", ("opens",), ("link_id", "day"), {"day": "date"}),
    Records(
        "link_policies",
        "link_policies",
        ("links_allowed", "password_required", "longest_days", "changed_by", "changed_at"),
        ("org_id",),
    ),
    Records("link_switches", "link_switches", ("switched_off", "on_since", "on_by"), ("org_id",)),
    Records(
        "embed_secrets",
        "embed_secrets",
        ("secret_id", "created_at", "created_by", "superseded_at", "expires_at", "revoked_at", "revoked_by"),
        ("secret_id",),
    ),
    Records("embed_secret_uses", "embed_secret_uses", ("dashboard_id", "uses", "last_at"), ("secret_id", "link_id")),
    Records(
        "embed_refusals",
        "embed_refusals",
        (
            "refusal_id",
            "link_id",
            "dashboard_id",
            "reason",
            "detail",
            "secret_id",
            "source_ip",
            "count",
            "first_at",
            "last_at",
        ),
        ("refusal_id",),
    ),
)
