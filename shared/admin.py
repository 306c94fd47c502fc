"""The operator's port: `/livez` (the loop turns), `/readyz` (it can serve), `/metrics` (Prometheus)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.bus import Bus
from shared.errors import Problem
from shared.host import Running
from shared.metrics import LOOP_LAG
from shared.migrate import pending
from shared.web.address import Address
from shared.web.server import Limits, Listening, Request, serve

PROBE_SECONDS = 30.0

Check = Callable[[], Awaitable[str | None]]


class Readiness:
    """Whether this process can serve: each check answers None, or one sentence about what is wrong."""

    def __init__(self, started: Mapping[str, Running], bus: Bus, *, more: Mapping[str, Check] | None = None) -> None:
        self._started = started
        self._bus = bus
        self._more = dict(more or {})
        self._migrated: set[str] = set()
        self._since = asyncio.get_running_loop().time()

    async def faults(self) -> dict[str, str]:
        """Every fault by the name of its check; empty when ready."""
        found: dict[str, str] = {}
        if (broken := self._bus.healthy()) is not None:
            found["bus"] = broken
        for name, check in self._more.items():
            if (broken := await check()) is not None:
                found[name] = broken
        for one in self._started.values():
            found |= {f"{one.name} {check}": why for check, why in (await self._of_service(one)).items()}
        return found

    async def _of_service(self, one: Running) -> dict[str, str]:
        found: dict[str, str] = {}
        if one.draining:
            found["draining"] = "this process is stopping"
        try:
            async with asyncio.timeout(2):
                async with one.env.database.read("") as read:
                    await read.value("select 1")
                if one.name not in self._migrated:
                    if waiting := await pending(one.env.database.dsn, one.env.service.migrations):
                        found["migrations"] = f"{len(waiting)} not applied: run `tenantry migrate up`"
                    else:
                        self._migrated.add(one.name)
        except (Problem, TimeoutError, OSError) as away:
            found["database"] = str(away) or "no answer within 2 s"
        now = asyncio.get_running_loop().time()
        for source in one.env.service.sources:
            if now - one.inbox.probed_at.get(source, self._since) > PROBE_SECONDS:
                found[f"events of {source}"] = f"no sign of life for {PROBE_SECONDS:.0f} s"
        return found


async def serve_admin(address: str, readiness: Readiness) -> Listening:
    """Listens for the operator. Never expose this port to the internet."""

    async def answer(request: Request) -> web.StreamResponse:
        if request.safe_path == "/livez":
            return web.Response(text="alive\n")
        if request.safe_path == "/readyz":
            faults = await readiness.faults()
            body: dict[str, Any] = {"ready": not faults}
            if "verbose" in request.query or faults:
                body["faults"] = faults
            return web.Response(body=orjson.dumps(body), status=503 if faults else 200, content_type="application/json")
        if request.safe_path == "/metrics":
            return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
        raise Problem("not_found")

    return await serve(answer, Address.parse(address), Limits())


async def watch_loop() -> None:
    """Measures how late the event loop runs."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.5
        await asyncio.sleep(0.5)
        LOOP_LAG.set(max(loop.time() - due, 0))
