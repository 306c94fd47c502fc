"""Who wants no product mails."""

from __future__ import annotations

from shared.db import Read, Tx


async def keep(tx: Tx, org_id: str, *, wanted: bool) -> None:
    if wanted:
        await tx.run("delete from without_product_mails where org_id = $1", org_id)
    else:
        await tx.run("insert into without_product_mails (org_id) values ($1) on conflict do nothing", org_id)


async def are_unwanted(read: Read, org_id: str) -> bool:
    return bool(await read.value("select true from without_product_mails where org_id = $1", org_id))
