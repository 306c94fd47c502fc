"""The operator's port: `/livez` (the loop turns), `/readyz` (it can serve), `/metrics` (Prometheus)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.bus import Bus
from shared.errors import Problem
from shared.hearing import Running
from shared.metrics import LOOP_LAG
from shared.migrate import pending
from shared.web.address import Address
from shared.web.server import Limits, Listening, Request, serve

SILENT_SECONDS = 30.0
SILENCES = """
select source, extract(epoch from clock_timestamp() - heard_at)::float as seconds from inbox_probes
right join unnest($1::text[]) as source using (source)
"""

Check = Callable[[], Awaitable[str | None]]


class Readiness:
    """Whether this process can serve: each check answers None, or one sentence about what is wrong.

    A fault takes this process out of service; what is only worth knowing doesn't. While RabbitMQ is away commands
    still succeed and a neighbour that is silent concerns its own process, so neither may take everybody out at once.
    But a service whose own queue brings nothing although RabbitMQ is there has lost its ears, and says so.
    """

    def __init__(self, *buses: Bus) -> None:
        self._buses = buses
        self._started: Mapping[str, Running] = {}
        self._faulty: Mapping[str, Check] = {}
        self._remarkable: Mapping[str, Check] = {}
        self._migrated: set[str] = set()
        self._serving = False
        self._bus_well_since: float | None = None
        self._was_connected = False

    def serves(
        self, started: Mapping[str, Running], faulty: Mapping[str, Check], remarkable: Mapping[str, Check]
    ) -> None:
        """From now on the process is as ready as its parts."""
        self._started, self._faulty, self._remarkable, self._serving = started, faulty, remarkable, True

    async def findings(self) -> tuple[dict[str, str], dict[str, str]]:
        """Every fault by the name of its check, none when ready; and what is worth knowing besides."""
        if not self._serving:
            return {"process": "it is starting"}, {}
        faults: dict[str, str] = {}
        remarks: dict[str, str] = {}
        if (broken := self._bus_fault()) is not None:
            (remarks if self._was_connected else faults)["bus"] = broken
        for checks, found in ((self._faulty, faults), (self._remarkable, remarks)):
            found |= {name: said for name, check in checks.items() if (said := await check()) is not None}
        for one in self._started.values():
            await self._look_at(one, faults, remarks)
        return faults, remarks

    def _bus_fault(self) -> str | None:
        broken = next(filter(None, (bus.healthy() for bus in self._buses)), None)
        if broken is not None:
            self._bus_well_since = None
        elif self._bus_well_since is None:
            self._bus_well_since = asyncio.get_running_loop().time()
            self._was_connected = True
        return broken

    async def _look_at(self, one: Running, faults: dict[str, str], remarks: dict[str, str]) -> None:
        if one.draining:
            faults[f"{one.name} draining"] = "this process is stopping"
        try:
            async with asyncio.timeout(2):
                if one.name not in self._migrated:
                    if waiting := await pending(one.env.database.dsn, one.env.service.migrations):
                        faults[f"{one.name} migrations"] = f"{len(waiting)} not applied: run `tenantry migrate up`"
                        return
                    self._migrated.add(one.name)
                async with one.env.database.read("") as read:
                    rows = await read.rows(SILENCES, [one.name, *one.env.service.sources])
        except (Problem, TimeoutError, OSError, asyncpg.PostgresError) as away:
            faults[f"{one.name} database"] = str(away) or "no answer within 2 s"
            return
        if self._bus_well_since is None:
            return
        patient = asyncio.get_running_loop().time() - self._bus_well_since
        for row in rows:
            silent = patient if row["seconds"] is None else min(row["seconds"], patient)
            if silent > SILENT_SECONDS and row["source"] == one.name:
                faults[f"{one.name} queue"] = f"nothing has come through it for {silent:.0f} s"
            elif silent > SILENT_SECONDS:
                remarks[f"{one.name} events of {row['source']}"] = f"no sign of life for {silent:.0f} s"


async def serve_admin(address: str, readiness: Readiness, *, reuse_port: bool = False) -> Listening:
    """Listens for the operator. Never expose this port to the internet."""

    async def answer(request: Request) -> web.StreamResponse:
        if request.safe_path == "/livez":
            return web.Response(text="alive\n")
        if request.safe_path == "/readyz":
            faults, remarks = await readiness.findings()
            body: dict[str, Any] = {"ready": not faults, "faults": faults, "remarks": remarks}
            return web.Response(body=orjson.dumps(body), status=503 if faults else 200, content_type="application/json")
        if request.safe_path == "/metrics":
            return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
        raise Problem("not_found")

    return await serve(answer, Address.parse(address), Limits(), reuse_port=reuse_port)


async def watch_loop() -> None:
    """Measures how late the event loop runs."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.5
        await asyncio.sleep(0.5)
        LOOP_LAG.set(max(loop.time() - due, 0))
