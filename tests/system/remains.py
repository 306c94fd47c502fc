"""What is left of an organization in any table of any service, and how far its erasure has come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

# What may still name an erased organization, by its id alone, and why: docs/decisions/0024.
NAMING_AN_ERASED_ORGANIZATION = {
    "erasures": "that it was erased",
    "outbox": "events without content, orders and confirmations",
    "outbox_subjects": "how far its events have come",
    "inbox": "which events were heard",
    "inbox_cursors": "how far they were heard",
    "mails": "the receipt, which is the closer's",
    "idempotent_requests": "answers, for seven days",
}


async def everywhere(urls: Mapping[str, str], org_id: str) -> set[tuple[str, str]]:
    """Every table of every service with a row that names the organization anywhere, the catalogue of tables asked for them."""
    found = set()
    for service, url in urls.items():
        async with connected(url) as database:
            found |= {(service, table) for table in await texts(database, org_id)}
    return found


async def texts(database: asyncpg.Connection[Any], text: str) -> dict[str, int]:
    """Tables with rows that hold a text, as text or inside bytes."""
    tables = await database.fetch(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    found = {}
    await database.execute("set tenantry.org_id = '*'")
    for table in tables:
        count = await database.fetchval(
            f'select count(*) from "{table["relname"]}" as one where one::text like $1'
            " or position(encode(convert_to($2, 'UTF8'), 'hex') in one::text) > 0",
            f"%{text}%",
            text,
        )
        if count:
            found[table["relname"]] = count
    return found


async def erasures(urls: Mapping[str, str]) -> Mapping[str, list[str]]:
    """The organizations that each service has erased."""
    found = {}
    for service, url in urls.items():
        async with connected(url) as database:
            rows = await database.fetch("select subject from erasures where finished_at is not null")
            if rows:
                found[service] = [row["subject"] for row in rows]
    return found


async def all_have_erased(urls: Mapping[str, str], org_id: str) -> bool:
    erased = await erasures(urls)
    return all(org_id in erased.get(service, ()) for service in urls)


async def until_so(enough: Any, seconds: float = 120) -> None:
    """Asks until it is so."""
    deadline = time.monotonic() + seconds
    while not await enough():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
