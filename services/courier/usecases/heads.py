"""Signed heads of the audit log, as this service has kept them: what an export is held against."""

from __future__ import annotations

from datetime import date

from services.courier.store import heads as store
from services.courier.usecases.own import own
from shared.fields import View
from shared.paging import ListQuery, Page
from shared.service import Ctx


class AuditHead(View):
    """The log had `number` entries, the last with this hash. `signature` is Ed25519 by `key`, both base64url."""

    id: str
    org_id: str
    number: int
    digest: str
    signed_at: str
    signature: str
    key: str


class ListHeads(ListQuery):
    pass


async def list_audit_heads(ctx: Ctx, query: ListHeads) -> Page[AuditHead]:
    """The last signed head of each day, the newest first. They are kept apart from the log, so an export of it that fits them is whole and unchanged."""
    org_id, cursors = ctx.actor.org(), own(ctx).cursors
    position = cursors.read(query)
    before = date.fromisoformat(position[0]) if position else None
    async with ctx.read() as read:
        rows = await store.listed(read, org_id, before, query.limit + 1)
        total = await store.counted(read, org_id)
    found = [
        AuditHead(id=row["day"].isoformat(), **{name: row[name] for name in AuditHead.model_fields if name != "id"})
        for row in rows
    ]
    return cursors.page(found, query, lambda last: [last.id], total)
