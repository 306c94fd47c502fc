"""Since when the plan includes or lacks something, and by which event."""

from __future__ import annotations

from services.sharing.rules.explanation import Cause
from shared.db import Read

FEATURES = ("custom_groups", "share_all_analysts", "sharing_links")


async def causes(read: Read, org_id: str) -> dict[str, Cause]:
    """By feature; empty while no plan is known."""
    row = await read.row(
        "select custom_groups_event, custom_groups_at, share_all_analysts_event, share_all_analysts_at,"
        " sharing_links_event, sharing_links_at from entitlements where org_id = $1",
        org_id,
    )
    if row is None:
        return {}
    return {name: Cause(row[f"{name}_event"], row[f"{name}_at"]) for name in FEATURES}
