"""Where identity keeps sealed secrets, and what each is bound to."""

from __future__ import annotations

from shared.sealed_columns import SealedColumn

CONNECTION = ("org_id", "connection_id")

SEALED = (
    SealedColumn("totp", "sealed", ("user_id",), lambda row: ("totp", row["user_id"])),
    SealedColumn("sso_connections", "sealed", CONNECTION, lambda row: ("sso", row["org_id"], row["connection_id"])),
    SealedColumn(
        "sso_sessions",
        "sealed",
        (*CONNECTION, "flow_id"),
        lambda row: ("sso session", row["org_id"], row["connection_id"], row["flow_id"]),
    ),
    SealedColumn("saml_keys", "sealed", CONNECTION, lambda row: ("saml key", row["org_id"], row["connection_id"])),
)
