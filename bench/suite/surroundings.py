"""What benchmarks stand on: other processes, a private PostgreSQL, a RabbitMQ, a folder of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.bus import Queue
from shared.postgres import PrivatePostgres
from tests.broker import given_url, private_broker
from tests.broker_programs import BrokerMissing

ROOT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


@asynccontextmanager
async def postgres() -> AsyncIterator[PrivatePostgres]:
    """A server that keeps what it was told (fsync on), as in production."""
    async with folder() as place:
        server = PrivatePostgres(place / "postgres", place / "postgres.log")
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def broker() -> AsyncIterator[str | None]:
    """The URL of a RabbitMQ, or None where none can be had."""
    if given := given_url():
        yield given
        return
    async with folder() as place:
        try:
            found = await private_broker(place)
            await found.start()
        except BrokerMissing:
            yield None
            return
        try:
            yield found.url
        finally:
            await found.stop()


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[str]:
    """`python -m …` as a process of its own; yields the first line that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    try:
        line = await asyncio.to_thread(process.stdout.readline)
        if not line:
            raise RuntimeError(f"{' '.join(arguments)} ended with code {process.wait()}")
        yield line.strip()
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 20)
        except subprocess.TimeoutExpired:
            process.kill()


async def ready(bus: object) -> None:
    """Waits until a bus is connected and receiving."""
    async with asyncio.timeout(30):
        while bus.healthy() is not None:  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)


QUEUE = Queue("bench.events", ("bench.#",))


def descendants(pid: int) -> list[int]:
    """A process's children, and theirs."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    children = [int(child) for child in listed]
    return [*children, *(below for child in children for below in descendants(child))]


def cpu_seconds(pid: int) -> float:
    """What a process and those below it have computed so far, PostgreSQL included when it is one of them."""
    ticks = 0
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(fields[at]) for at in (11, 12, 13, 14))
    return ticks / os.sysconf("SC_CLK_TCK")
