"""Whether an organization is closed."""

from __future__ import annotations

from shared.db import Read, Tx


async def set_closed(tx: Tx, org_id: str, *, closed: bool) -> None:
    await tx.run("update organizations set closed = $2 where org_id = $1", org_id, closed)


async def is_closed(read: Read, org_id: str) -> bool:
    return bool(await read.value("select closed from organizations where org_id = $1", org_id))
