"""What `tenantry up` takes: seconds to start, and memory when idle, PostgreSQL included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.suite.product import start, stop
from bench.suite.shape import Benchmark, Contender, Figures, Goal, Unmeasurable
from bench.suite.surroundings import descendants, folder
from tests.ports import free_port

IDLE_SECONDS = 3.0


@dataclass
class Place:
    folder: Path
    number: int = 0


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with folder() as place:
        yield Place(place)


async def cold(place: Place, _: float) -> Figures:
    place.number += 1
    process, seconds = await asyncio.to_thread(start, data_of(place), free_port())
    await asyncio.to_thread(stop, process)
    return {"s": seconds}


async def warm(place: Place, _: float) -> Figures:
    process, seconds = await asyncio.to_thread(start, data_of(place), free_port())
    await asyncio.to_thread(stop, process)
    return {"s": seconds}


async def idle(place: Place, _: float) -> Figures:
    process, _seconds = await asyncio.to_thread(start, data_of(place), free_port())
    try:
        await asyncio.sleep(IDLE_SECONDS)
        tenantry = proportional_megabytes(process.pid)
        everything = sum(proportional_megabytes(pid) for pid in (process.pid, *descendants(process.pid)))
        return {"MB": everything, "MB of Tenantry itself": tenantry}
    finally:
        await asyncio.to_thread(stop, process)


def data_of(place: Place) -> Path:
    return place.folder / f"data-{place.number}"


def proportional_megabytes(pid: int) -> float:
    """What shared pages cost is divided among those who share them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        raise Unmeasurable("this system doesn't tell a process's share of memory") from None
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


BENCHMARK = Benchmark(
    what="`tenantry up` until it says that it is up: with an empty data folder (PostgreSQL is made and migrated), and again. Then the proportional set size of its process "
    "and of PostgreSQL's, three seconds later.",
    opens=scene,
    contenders=[Contender("first start", cold), Contender("start", warm), Contender("idle", idle)],
    goals=[Goal("start", "s", most=2), Goal("idle", "MB", most=250)],
)
