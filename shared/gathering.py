"""Questions of one moment, answered together: what arrives while an answer is on its way is asked in one go right after it.

No timer: a question that comes alone is asked at once, and a batch is whatever waited. It is always asked after it arrived, so its answer is never older.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Reply = TypeVar("Reply")


class Gathering(Generic[Question, Reply]):
    """`answer(org_id, questions)` answers each in its place; questions of different organizations are never put together."""

    def __init__(self, answer: Callable[[str, Sequence[Question]], Awaitable[Sequence[Reply]]], most: int) -> None:
        self._answer = answer
        self._most = most
        self._waiting: defaultdict[str, list[tuple[Question, asyncio.Future[Reply]]]] = defaultdict(list)
        self._asking: dict[
            str, asyncio.Task[None] | None
        ] = {}  # the task that asks for others; None while somebody asks alone

    async def ask(self, org_id: str, question: Question) -> Reply:
        """Raises what answering raised: for all who were asked about together."""
        if org_id in self._asking:
            reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            self._waiting[org_id].append((question, reply))
            return await reply
        self._asking[org_id] = None
        try:
            (alone,) = await self._answer(org_id, [question])
            return alone
        finally:
            if org_id in self._waiting:
                self._asking[org_id] = asyncio.create_task(self._ask_all(org_id), name="gathered questions")
            else:
                del self._asking[org_id]

    async def _ask_all(self, org_id: str) -> None:
        try:
            while waiting := self._waiting[org_id]:
                asked, self._waiting[org_id] = waiting[: self._most], waiting[self._most :]
                await self._ask_together(org_id, [one for one in asked if not one[1].done()])
        finally:
            del self._asking[org_id]
            for _, reply in self._waiting.pop(org_id):
                reply.cancel()

    async def _ask_together(self, org_id: str, asked: Sequence[tuple[Question, asyncio.Future[Reply]]]) -> None:
        if not asked:
            return
        try:
            replies = await self._answer(org_id, [question for question, _ in asked])
        except BaseException as failed:
            for _, reply in asked:
                if not reply.done():
                    reply.set_exception(failed) if isinstance(failed, Exception) else reply.cancel()
            if not isinstance(failed, Exception):
                raise
            return
        for (_, reply), found in zip(asked, replies, strict=True):
            if not reply.done():
                reply.set_result(found)
