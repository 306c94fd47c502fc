"""The SQL of what an identity provider asked for last."""

from __future__ import annotations

from datetime import datetime

from shared.db import Read, Row, Tx

ADD = """
insert into scim_requests (org_id, request_id, at, token_id, method, path, status, detail, refusal)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing
"""
FORGET = """
delete from scim_requests where org_id = $1 and request_id in (
    select request_id from scim_requests where org_id = $1 order by at desc, request_id offset $2 for update skip locked
)
"""


async def add(
    tx: Tx,
    org_id: str,
    request_id: str,
    at: datetime,
    token_id: str,
    method: str,
    path: str,
    status: int,
    detail: str | None,
    refusal: str | None,
    kept: int,
) -> None:
    """Keeps no more than the newest `kept`."""
    await tx.run(ADD, org_id, request_id, at, token_id, method, path, status, detail, refusal)
    await tx.run(FORGET, org_id, kept)


async def newest(read: Read, org_id: str) -> list[Row]:
    return await read.rows(
        "select request_id, at, token_id, method, path, status, detail, refusal from scim_requests"
        " where org_id = $1 order by at desc, request_id",
        org_id,
    )
