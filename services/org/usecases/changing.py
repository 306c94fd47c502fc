"""The one way to change an organization's details: by the version that was read, and telling who else changed what meanwhile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from services.org.store import organizations
from services.org.store.organizations import Organization
from services.org.usecases.holding import Held
from shared.errors import Problem, invalid
from shared.events.org import OrganizationChanged
from shared.service import Ctx

VERSION = re.compile(r'"(\d{1,9})[-"]')


async def change(ctx: Ctx, held: Held, asked: Mapping[str, Any]) -> Organization:
    """Makes the details what was asked for. What is so already is no change."""
    await _check_version(ctx, held)
    facts = held.facts
    different = {name: value for name, value in asked.items() if getattr(facts, name) != value}
    if "time_zone" in different and not await organizations.is_time_zone(held.tx, different["time_zone"]):
        raise invalid("/time_zone", "unknown_time_zone", "This isn't a time zone of the IANA database.")
    if different:
        previous = {name: getattr(facts, name) for name in different}
        facts = await organizations.change(held.tx, held.id, different, held.by_person, ctx.now)
        await held.tx.emit(OrganizationChanged(org_id=held.id, organization=facts.state(), previous=previous))
    return facts


async def _check_version(ctx: Ctx, held: Held) -> None:
    """As everywhere, but a refusal lists the changes since the version that was read."""
    facts = held.facts
    try:
        ctx.check_version(facts.version, facts.changed_by, facts.changed_at)
    except Problem as late:
        read = VERSION.match(ctx.request.if_match or "")
        changes = await organizations.changes(held.tx, held.id, int(read[1])) if read else []
        told = [
            {
                "version": one["version"],
                "changed_by": one["changed_by"],
                "changed_at": one["changed_at"].isoformat(),
                "fields": one["fields"],
            }
            for one in changes
        ]
        raise Problem(late.code, meta={**late.meta, "changes": told}, headers=late.headers) from None
