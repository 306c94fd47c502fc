"""Watches requests for commits that change something and say nothing about it: what isn't said is in no log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.db import Tx
from shared.endpoint import Endpoints
from shared.events import Envelope, Event
from shared.service import Ctx, Route

CHANGED = "select relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_xact_user_tables"
KERNEL = {"outbox", "outbox_subjects", "idempotent_requests", "inbox", "inbox_cursors", "operation_files"}


@dataclass
class Watched:
    """`routes`: whatever committed a change. `silent`: those that said nothing, with the tables that they changed.

    `done`: what was asked for and done, with what each request said.
    """

    routes: set[str] = field(default_factory=set)
    silent: set[tuple[str, str]] = field(default_factory=set)
    done: dict[str, list[list[Envelope]]] = field(default_factory=dict)


@contextmanager
def watching(watched: Watched) -> Iterator[None]:
    """Looks at each request's transaction just before it is committed."""
    run, tx, finishing, say = Endpoints._run, Ctx.tx, Ctx.finishing, Ctx.say

    def say_noted(self: Ctx, event: Event) -> Envelope:
        envelope = say(self, event)
        self.__dict__.setdefault("said", []).append(envelope)
        return envelope

    async def run_named(self: Endpoints, ctx: Ctx, route: Route, *rest: Any) -> Any:
        ctx.__dict__["route"] = f"{route.method} {route.path}"
        kept = await run(self, ctx, route, *rest)
        if kept.status < 400:
            watched.done.setdefault(f"{route.method} {route.path}", []).append(ctx.__dict__.get("said", []))
        return kept

    @asynccontextmanager
    async def tx_counted(self: Ctx, org_id: str | None = None) -> AsyncIterator[Tx]:
        async with tx(self, org_id) as begun:
            if "route" in self.__dict__ and "before" not in self.__dict__:
                self.__dict__["before"] = dict(await _counts(begun))
            yield begun

    @asynccontextmanager
    async def finishing_watched(self: Ctx) -> AsyncIterator[None]:
        async with finishing(self):
            yield
            if self._tx is not None and "before" in self.__dict__:
                before = self.__dict__["before"]
                changed = {name for name, count in await _counts(self._tx) if count > before.get(name, 0)} - KERNEL
                if changed:
                    watched.routes.add(self.__dict__["route"])
                if not self._tx.said:
                    watched.silent |= {(self.__dict__["route"], table) for table in changed}

    patched: Any = Endpoints
    context: Any = Ctx
    patched._run, context.tx, context.finishing, context.say = run_named, tx_counted, finishing_watched, say_noted
    try:
        yield
    finally:
        patched._run, context.tx, context.finishing, context.say = run, tx, finishing, say


async def _counts(tx: Tx) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in await tx.rows(CHANGED)]
