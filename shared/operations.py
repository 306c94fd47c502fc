"""Long work: begun by a use case that answers 202, done piece by piece, each piece and its progress in one transaction.

A killed process loses at most the piece it was at, which is undone whole; any replica goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
import structlog
from pydantic import Field

from shared.auth import Actor
from shared.db import EVERY_ORG, Row, Tx
from shared.errors import Problem
from shared.fields import Message, View
from shared.ids import OperationId, OrgId, new_operation_id
from shared.service import Answer, Ctx, Environment, Route, get, service
from shared.tracing import recording

log = structlog.get_logger()

IDLE_SECONDS = 2.0
MOST_ATTEMPTS = 5
KEPT = timedelta(days=7)


@dataclass(frozen=True)
class Piece:
    """One step of an operation's work gets this. `memory` is what the step before it left."""

    operation_id: str
    org_id: str
    input: Mapping[str, Any]
    memory: Mapping[str, Any]
    done: int
    total: int | None


@dataclass(frozen=True)
class Progress:
    """What a step has brought. `done` counts everything so far; `content` is added to the file, if there is to be one.

    `result` ends the operation; until then the next step gets `memory`.
    """

    done: int
    total: int | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)
    content: bytes = b""
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Operation:
    """A kind of long work. `step(ctx, piece)` does a bounded piece inside `ctx.tx()`, on behalf of who asked.

    With `media` the operation makes a file of that type, called `file_name`.
    """

    kind: str
    step: Callable[[Ctx, Piece], Awaitable[Progress]]
    media: str | None = None
    file_name: str | None = None


class Failure(View):
    """Why an operation ended early: a problem's stable code, and words."""

    code: str
    detail: str
    meta: dict[str, Any] = Field(default_factory=dict)


class OperationProgress(View):
    """How far long work has come. `result_url` is there once a file can be fetched; everything is kept for seven days."""

    id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed"]
    done: int
    total: int | None
    started_at: datetime
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None
    problem: Failure | None = None
    result_url: str | None = None


class WhichOperation(Message):
    """`user_id` is given for who may see only what they began themselves, in the `role` that they have now."""

    operation_id: OperationId
    org_id: OrgId
    user_id: str | None = None
    role: str | None = None


async def begin(ctx: Ctx, tx: Tx, kind: Operation, given: Mapping[str, Any], total: int | None = None) -> Accepted:
    """Writes the work down; it starts when the transaction has committed. The answer is a 202 that says where to look."""
    row = await tx.row(
        "insert into operations (org_id, operation_id, kind, actor, input, total, media, file_name, started_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning *",
        ctx.actor.org(),
        new_operation_id(ctx.env.service.name),
        kind.kind,
        _json(asdict(ctx.actor)),
        _json(given),
        total,
        kind.media,
        kind.file_name,
        ctx.now,
    )
    assert row is not None
    tx.after_commit(ctx.env.work_waits.set)
    headers = {"Location": f"/v1/operations/{row['operation_id']}", "Retry-After": "1"}
    return Answer(_shown(row), headers, 202)


Accepted = Answer[OperationProgress]


async def keep_working(env: Environment) -> None:
    """Does what waits, for ever; every replica takes part."""
    while True:
        try:
            worked = await work_once(env)
        except Exception:
            log.exception("long work failed", service=env.service.name)
            worked = False
        if not worked:
            env.work_waits.clear()
            try:
                await asyncio.wait_for(env.work_waits.wait(), IDLE_SECONDS)
            except TimeoutError:
                continue


async def work_once(env: Environment) -> bool:
    """Does one piece of the operation that has waited longest; False when none waits."""
    picked: Row | None = None
    try:
        ctx = Ctx(env, Actor("system", service=env.service.name))
        async with ctx.finishing(), ctx.tx(EVERY_ORG) as tx:
            picked = await tx.row(NEXT)
            if picked is None:
                return False
            await _do_piece(env, tx, picked)
    except Exception as failed:
        if picked is None:
            raise
        await _note_failure(env, picked, failed)
    return True


NEXT = """
    select * from operations where state in ('waiting', 'running') and not_before <= now()
    order by not_before, operation_id limit 1 for update skip locked
"""


async def _do_piece(env: Environment, tx: Tx, row: Row) -> None:
    kind = next(one for one in env.service.operations if one.kind == row["kind"])
    actor = orjson.loads(row["actor"])
    ctx = Ctx(env, Actor(**actor | {"amr": tuple(actor["amr"])}), correlation_id=row["operation_id"])
    await tx.run("select set_config('tenantry.org_id', $1, true)", row["org_id"])
    tx.speaks_as(ctx.say)
    ctx.adopt(tx, row["org_id"])
    piece = Piece(
        operation_id=row["operation_id"],
        org_id=row["org_id"],
        input=orjson.loads(row["input"]),
        memory=orjson.loads(row["memory"]),
        done=row["done"],
        total=row["total"],
    )
    with recording(env.tracer, f"operation {kind.kind}", "internal"):
        progress = await kind.step(ctx, piece)
    if progress.content:
        await tx.run(
            "insert into operation_files (org_id, operation_id, part, content)"
            " select $1, $2, count(*), $3 from operation_files where org_id = $1 and operation_id = $2",
            row["org_id"],
            row["operation_id"],
            progress.content,
        )
    finished = progress.result is not None
    await tx.run(
        "update operations set state = $3, done = $4, total = coalesce($5, total), memory = $6, result = $7, attempts = 0,"
        " not_before = now(), finished_at = $8 where org_id = $1 and operation_id = $2",
        row["org_id"],
        row["operation_id"],
        "done" if finished else "running",
        progress.done,
        progress.total,
        _json(progress.memory),
        _json(progress.result) if progress.result is not None else None,
        ctx.now if finished else None,
    )


async def _note_failure(env: Environment, row: Row, failed: Exception) -> None:
    """A refusal ends the operation; anything else is tried again, a few times, with longer and longer pauses."""
    refused = isinstance(failed, Problem) and failed.status < 500
    over = refused or row["attempts"] + 1 >= MOST_ATTEMPTS
    if not refused:
        log.error("a piece of long work failed", operation_id=row["operation_id"], kind=row["kind"], exc_info=failed)
    problem = failed if isinstance(failed, Problem) else Problem("internal")
    told = Failure(code=problem.code, detail=problem.detail or problem.kind.title, meta=dict(problem.meta))
    ctx = Ctx(env, Actor("system", service=env.service.name))
    async with ctx.finishing(), ctx.tx(EVERY_ORG) as tx:
        await tx.run(
            "update operations set attempts = attempts + 1, not_before = now() + make_interval(secs => $3),"
            " state = case when $4 then 'failed' else state end, problem = case when $4 then $5::jsonb end,"
            " finished_at = case when $4 then $6::timestamptz end"
            " where org_id = $1 and operation_id = $2 and state in ('waiting', 'running')",
            row["org_id"],
            row["operation_id"],
            float(2 ** row["attempts"]),
            over,
            told.model_dump_json(),
            ctx.now,
        )


async def read_operation(ctx: Ctx, which: WhichOperation) -> OperationProgress:
    """How far one operation has come."""
    async with ctx.read(which.org_id) as read:
        row = await read.row(FIND, which.org_id, which.operation_id, which.user_id, which.role)
    if row is None:
        raise Problem("not_found")
    return _shown(row)


FIND = """
    select * from operations where org_id = $1 and operation_id = $2
    and ($3::text is null or actor ->> 'user_id' = $3 and actor ->> 'role' is not distinct from $4)
"""


async def read_operation_file(ctx: Ctx, which: WhichOperation) -> Answer[bytes]:
    """The file that an operation made; 409 while it isn't whole."""
    async with ctx.read(which.org_id) as read:
        row = await read.row(FIND, which.org_id, which.operation_id, which.user_id, which.role)
        if row is None or row["media"] is None:
            raise Problem("not_found")
        if row["state"] != "done":
            raise Problem("conflict", "The file isn't finished.", meta={"state": row["state"]})
        parts = await read.rows(
            "select content from operation_files where org_id = $1 and operation_id = $2 order by part",
            which.org_id,
            which.operation_id,
        )
    headers = {"Content-Type": row["media"], "Content-Disposition": f'attachment; filename="{row["file_name"]}"'}
    return Answer(b"".join(part["content"] for part in parts), headers)


async def forget_old_operations(ctx: Ctx) -> None:
    """Finished work and its files are kept for seven days."""
    async with ctx.tx() as tx:
        await tx.run("delete from operations where finished_at < $1", ctx.now - KEPT)


def _shown(row: Row) -> OperationProgress:
    has_file = row["state"] == "done" and row["media"] is not None
    return OperationProgress(
        id=row["operation_id"],
        kind=row["kind"],
        state=row["state"],
        done=row["done"],
        total=row["total"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        result=orjson.loads(row["result"]) if row["result"] else None,
        problem=Failure.model_validate_json(row["problem"]) if row["problem"] else None,
        result_url=f"/v1/operations/{row['operation_id']}/result" if has_file else None,
    )


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(value)).decode()


ROUTES: tuple[Route, ...] = (
    get("/internal/operations/{operation_id}", read_operation, service("operations.read")),
    get("/internal/operations/{operation_id}/result", read_operation_file, service("operations.read")),
)
