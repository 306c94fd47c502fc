"""Long work that a service does: how far it is, and the file that it made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from services.gateway.own import Ctx
from services.gateway.streams import MEDIA, Stream, frame
from shared.errors import Problem
from shared.fields import Message
from shared.ids import OperationId, may_come_from
from shared.operations import OperationProgress
from shared.service import Answer

FILE_SECONDS = 10.0
POLL_SECONDS = 0.5


class WhichOperation(Message):
    operation_id: OperationId


async def read_operation(ctx: Ctx, which: WhichOperation) -> Answer[OperationProgress] | Answer[Stream]:
    """How far long work has come. Admins see all of their organization's, others what they began themselves in the role that they have.

    With `Accept: text/event-stream`, each step as an event `progress`, until it has finished.
    """
    if MEDIA in ctx.request.headers.get("Accept", ""):
        await _asked(ctx, which.operation_id, "")
        return Answer(Stream(_following(ctx, which.operation_id)))
    answer = await _asked(ctx, which.operation_id, "")
    progress = OperationProgress.model_validate_json(answer)
    return Answer(progress, {"Retry-After": "1"} if progress.finished_at is None else {})


async def _following(ctx: Ctx, operation_id: str) -> AsyncIterator[bytes]:
    known = b""
    while True:
        answer = await _asked(ctx, operation_id, "")
        if answer != known:
            known = answer
            yield frame(event="progress", data=answer)
        if OperationProgress.model_validate_json(answer).finished_at is not None:
            return
        await asyncio.sleep(POLL_SECONDS)
        await ctx.check_still_proven()


async def read_operation_result(ctx: Ctx, which: WhichOperation) -> Answer[bytes]:
    """The file that long work made, as a download; 409 while it isn't whole."""
    progress = OperationProgress.model_validate_json(await _asked(ctx, which.operation_id, ""))
    if progress.result_url is None:
        raise Problem(
            "conflict", "There is no finished file.", meta={"because": "not_finished", "state": progress.state}
        )
    headers: dict[str, str] = {}
    content = await _asked(ctx, which.operation_id, "/result", headers)
    return Answer(content, headers)


async def _asked(ctx: Ctx, operation_id: str, rest: str, headers: dict[str, str] | None = None) -> bytes:
    """The bytes that the service answers who may have begun it; 404 unless it is the caller's to see."""
    house, actor = ctx.house, ctx.actor
    if actor.org_id is None:
        raise Problem("not_found")
    query = f"?org_id={actor.org_id}" + (
        "" if actor.role == "admin" else f"&user_id={actor.person()}&role={actor.role}"
    )
    for name in house.settings.urls:
        if name != "gateway" and may_come_from(operation_id, name, "op"):
            answer = await house.internal.ask(name, f"/internal/operations/{operation_id}{rest}{query}", FILE_SECONDS)
            if answer is not None:
                if headers is not None:
                    headers |= _of_file(answer.headers)
                return answer.body
    raise Problem("not_found")


def _of_file(headers: Any) -> dict[str, str]:
    wanted = {b"content-type": "Content-Type", b"content-disposition": "Content-Disposition"}
    return {wanted[name.lower()]: value.decode() for name, value in headers if name.lower() in wanted}
