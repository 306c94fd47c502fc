"""Answers that go on: server-sent events (WHATWG HTML, "Server-sent events"), until the client goes, may no longer see them, or this process stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from shared.errors import Problem
from shared.web.server import Request

MEDIA = "text/event-stream"
MOST_PER_PERSON = 10
LOOK_SECONDS = 0.5
COMMENT = b": still here\n\n"


@dataclass(frozen=True)
class Stream:
    """Frames, ready to be written. A `Problem` that they raise is told as an event `end`, and ends them."""

    frames: AsyncIterator[bytes]


def frame(*, id: str | None = None, event: str | None = None, data: bytes | None = None) -> bytes:
    """One server-sent event. `data` is JSON on one line."""
    lines = [f"id: {id}".encode()] if id is not None else []
    if event is not None:
        lines.append(f"event: {event}".encode())
    if data is not None:
        lines.append(b"data: " + data)
    return b"\n".join(lines) + b"\n\n"


@dataclass
class Streams:
    """The streams of one gateway process; a person may have a few at a time."""

    open: Counter[str] = field(default_factory=Counter)

    async def send(
        self, stream: Stream, request: Request, whose: str, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Writes until it ends; `too many` is answered as a refusal, before anything is written."""
        if self.open[whose] >= MOST_PER_PERSON:
            raise Problem(
                "rate_limited",
                f"At most {MOST_PER_PERSON} streams at a time.",
                retry_after=5,
                meta={"because": "streams", "limit": MOST_PER_PERSON},
            )
        self.open[whose] += 1
        try:
            response = web.StreamResponse(headers={**headers, "Content-Type": MEDIA, "X-Accel-Buffering": "no"})
            await response.prepare(request)
            if request.method != "HEAD":
                await _write(stream, request, response)
            return response
        finally:
            self.open[whose] -= 1
            if not self.open[whose]:
                del self.open[whose]


async def _write(stream: Stream, request: Request, response: web.StreamResponse) -> None:
    writing = asyncio.create_task(_write_all(stream, response))
    try:
        while not writing.done() and not request.gate.draining and request.transport is not None:
            await asyncio.wait([writing], timeout=LOOK_SECONDS)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        if request.gate.draining:
            response.force_close()  # it was begun when a next request was still welcome; waiting for one would hold up the end


async def _write_all(stream: Stream, response: web.StreamResponse) -> None:
    async with aclosing(stream.frames) as frames:  # type: ignore[type-var]
        try:
            async for one in frames:
                await response.write(one)
        except Problem as ended:
            await response.write(frame(event="end", data=orjson.dumps({"code": ended.code})))
