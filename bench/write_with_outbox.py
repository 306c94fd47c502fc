"""A write with its outbox row and idempotency record, over HTTP, beside bare rows."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson

from bench.suite.load import load, rate_of, request
from bench.suite.shape import Benchmark, Contender, Figures, Goal, Unmeasurable
from bench.suite.surroundings import folder, program
from bench.suite.worlds import admins
from shared.auth import Keyring
from shared.config import Secrets

BARE_TABLES = """
create table bare_notes (id text primary key, org_id text not null, text text not null);
create table bare_outbox (id text primary key, subject text not null, body text not null);
create table bare_requests (key text primary key, status integer not null, body text not null);
"""
BARE_ROWS = (
    "insert into bare_notes values ({id}, {id}, 'a note')",
    "insert into bare_outbox values ({id}, {id}, repeat('x', 500))",
    "insert into bare_requests values ({id}, 201, repeat('x', 100))",
)
CLIENTS = 16


@dataclass
class Place:
    url: str
    keyring: Keyring
    heard: tuple[str, Keyring]
    database_url: str
    pool: asyncpg.Pool
    script: Path


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with (
        program("bench.suite.worlds") as line,
        program("bench.suite.worlds", "heard") as other,
        folder() as place,
    ):
        facts, heard = orjson.loads(line), orjson.loads(other)
        script = place / "bare.sql"
        rows = ";\n".join(row.format(id="gen_random_uuid()::text") for row in BARE_ROWS)
        script.write_text(f"begin;\n{rows};\ncommit;\n")
        async with asyncpg.create_pool(facts["database_url"], min_size=CLIENTS, max_size=CLIENTS) as pool:
            await pool.execute(BARE_TABLES)
            yield Place(*door(facts), door(heard), facts["database_url"], pool, script)


def door(facts: dict[str, Any]) -> tuple[str, Keyring]:
    return facts["url"], Secrets.model_validate(facts["secrets"]).keyring("gateway")


async def by_pgbench(place: Place, seconds: float) -> Figures:
    if shutil.which("pgbench") is None:
        raise Unmeasurable("pgbench isn't installed")
    command = ["pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-T", str(max(round(seconds), 1))]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "-f", str(place.script), place.database_url],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"tps = ([\d.]+) \(without", done.stdout)
    assert found is not None, done.stdout
    return {"/s": float(found[1])}


async def by_asyncpg(place: Place, seconds: float) -> Figures:
    statements = [row.format(id="$1") for row in BARE_ROWS]
    end = time.perf_counter() + seconds

    async def one() -> int:
        done = 0
        while time.perf_counter() < end:
            async with place.pool.acquire() as connection, connection.transaction():
                for statement in statements:
                    await connection.execute(statement, uuid4().hex)
            done += 1
        return done

    began = time.perf_counter()
    return {"/s": sum(await asyncio.gather(*(one() for _ in range(CLIENTS)))) / (time.perf_counter() - began)}


async def by_the_kernel(place: Place, seconds: float) -> Figures:
    return await written(place.url, place.keyring, seconds)


async def heard_too(place: Place, seconds: float) -> Figures:
    return await written(*place.heard, seconds)


async def written(url: str, keyring: Keyring, seconds: float) -> Figures:
    tokens = [keyring.issue(actor, "org") for actor in ADMINS]

    def write(number: int) -> bytes:
        token = tokens[number % len(tokens)]
        return request(
            "POST", "/v1/notes", {"text": "a note"}, authorization=f"Bearer {token}", idempotency_key=uuid4().hex
        )

    measured = await load(url, write, seconds, connections=CLIENTS, expect=frozenset({201}))
    return rate_of(measured)


ADMINS = admins(100)
BENCHMARK = Benchmark(
    what=f"A write in one of 100 organizations over HTTP with an Idempotency-Key: token checked, body validated, row, outbox row with its gapless sequence and "
    f"the kept answer in one transaction, relayed meanwhile. {CLIENTS} clients. "
    "Beside it: three bare inserts in one transaction, by pgbench and by asyncpg, on the same server.",
    opens=scene,
    contenders=[
        Contender("bare rows, pgbench", by_pgbench),
        Contender("bare rows, asyncpg", by_asyncpg),
        Contender("write through the kernel", by_the_kernel),
        Contender("the same, heard and applied in the same process", heard_too),
    ],
    goals=[
        Goal("write through the kernel", "/s", "bare rows, pgbench", least=0.4),
        Goal("write through the kernel", "/s", "bare rows, asyncpg", least=0.4),
    ],
)
