"""One kept client connection: writes a request, parses its answer, knows whether it may be used again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

Headers = Sequence[tuple[bytes, bytes]]

_HEAD_BYTES = 64 * 1024
_BUFFERED_BYTES = 256 * 1024


class NoAnswer(Exception):
    """The other side gave none. `code` is the problem that a gateway may answer with."""

    code = "unavailable"


class Unreachable(NoAnswer):
    """It can't be connected to, closed the connection, or answered something that isn't HTTP/1.1. It may have acted."""


class DeadlineExceeded(NoAnswer):
    """It didn't answer in time. It may have acted, and may still act."""

    code = "deadline_exceeded"


class Overloaded(NoAnswer):
    """Too many requests wait for a connection already; nothing was sent."""

    code = "overloaded"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are spelt as they came."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The first header of that lower-case name."""
        return first(self.headers, name)


def first(headers: Headers, name: bytes) -> bytes | None:
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


class Exchange(asyncio.Protocol):
    """A connection, and the one request that is on it.

    What httptools calls back sets the state; whoever waits is woken when the answer's head, a piece of its body,
    its end or its failure has come. `unused` tells that no byte of an answer came, `written` that the request went out.
    """

    __slots__ = (
        "_aborted",
        "_bodiless",
        "_closed",
        "_dirty",
        "_eof_ends",
        "_feed",
        "_head_bytes",
        "_limit",
        "_parser",
        "_paused",
        "_received",
        "_streaming",
        "_waiter",
        "_writable",
        "busy",
        "chunks",
        "complete",
        "failure",
        "head_complete",
        "headers",
        "idle_since",
        "reused",
        "status",
        "transport",
        "unused",
        "written",
    )

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.idle_since = 0.0
        self.reused = False
        self.busy = False
        self._closed = False
        self._aborted = False
        self._waiter: asyncio.Future[None] | None = None
        self._new_parser()
        self._begin(False, 0, False)

    def _new_parser(self) -> None:
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data

    def _begin(self, bodiless: bool, limit: int, streaming: bool) -> None:
        self._bodiless = bodiless
        self._limit = limit
        self._streaming = streaming
        self._head_bytes = 0
        self._received = 0
        self._dirty = False
        self._eof_ends = True
        self._paused = False
        self.written = False
        self.unused = True
        self.head_complete = False
        self.complete = False
        self.failure: str | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []

    # What the pool does

    def request(self, data: bytes, *, bodiless: bool, limit: int, streaming: bool = False) -> None:
        """Writes a request; `bodiless` when its answer has no body whatever its headers say (HEAD)."""
        self._begin(bodiless, limit, streaming)
        self.busy = True
        if self.transport is None or not self.usable:
            self._fail("it closed the connection")
            return
        self.written = True
        self.transport.write(data)

    async def progress(self) -> None:
        """Waits until something more has come."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def take(self) -> bytes:
        """What of the body has come since; reading goes on when it had been stopped."""
        data = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        self.chunks = []
        if self._streaming:
            self._received = 0
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        return data

    def finish(self) -> bool:
        """Ends the request; True when the connection may carry another."""
        self.busy = False
        self.reused = True
        return self.complete and not self._dirty and self.usable

    @property
    def usable(self) -> bool:
        return not self._closed and self.transport is not None and not self.transport.is_closing()

    def abort(self) -> None:
        self._aborted = True
        if self.transport is not None:
            self.transport.abort()

    # What the event loop does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self.busy or self.complete:
            self._dirty = True
            self.abort()
            return
        self.unused = False
        try:
            self._feed(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.complete:
                self._fail(f"its answer is malformed ({type(error).__name__})")
            self._dirty = True
        if not self.head_complete:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._fail("the head of its answer is too large")
        if self._waiter is not None and not self._waiter.done() and self._worth_waking():
            self._waiter.set_result(None)

    def _worth_waking(self) -> bool:
        return self.complete or self.failure is not None or (self._streaming and self.head_complete)

    def eof_received(self) -> None:
        self._end(whole=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(whole=exc is None and not self._aborted)

    def _end(self, *, whole: bool) -> None:
        self._closed = True
        if not self.busy or self.complete:
            return
        if whole and self.head_complete and self._eof_ends:
            self.complete = True
        else:
            self._fail("it closed the connection before its answer was complete")
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, reason: str) -> None:
        if self.failure is None:
            self.failure = reason

    # What the parser does

    def on_message_begin(self) -> None:
        if self.complete:
            self._dirty = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.complete:
            return
        if not self.head_complete:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            return
        self.status = status
        self.head_complete = True
        length = first(self.headers, b"content-length")
        chunked = first(self.headers, b"transfer-encoding") is not None
        self._eof_ends = length is None and not chunked
        if self._bodiless or status in (204, 304):
            self.complete = True
            # llhttp may wait for the body that the headers speak of: a new parser doesn't
            self._dirty = not self._parser.should_keep_alive()
        elif length is not None and self._limit and int(length) > self._limit:
            self._fail("its answer is larger than allowed")

    def on_body(self, data: bytes) -> None:
        if self.complete:
            self._dirty = True
            return
        self.chunks.append(data)
        self._received += len(data)
        if self._streaming:
            if self._received > _BUFFERED_BYTES and not self._paused and self.transport is not None:
                self._paused = True
                self.transport.pause_reading()
        elif self._limit and self._received > self._limit:
            self._fail("its answer is larger than allowed")

    def on_message_complete(self) -> None:
        if not self.head_complete:
            self.headers = []  # it was a 1xx, the answer follows
            return
        if not self.complete:
            self.complete = True
            self._dirty = not self._parser.should_keep_alive()

    def renew(self) -> None:
        """Forgets what the parser expects, after an answer whose body was left out."""
        self._new_parser()

    @property
    def left_out_body(self) -> bool:
        return self._bodiless or self.status in (204, 304)
