"""One hardened HTTP connection: deadlines for headers, bodies and readers, a limit for headers, refusals as problems.

It subclasses aiohttp's `RequestHandler` and uses some of its private fields; `tests/web` pins what it relies on.
A request that arrives whole, as nearly all do, costs a comparison or two and no timer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from shared.errors import Problem
from shared.web.problems import close_after, problem_of_parsing, problem_response

if TYPE_CHECKING:
    from shared.web.server import Gate

log = structlog.get_logger(__name__)


class Connection(RequestHandler):
    """What a client may hold open, and for how long."""

    __slots__ = ("_body", "_due", "_head_size", "_limits", "_refused", "_watch", "_watch_at", "_wire", "_write_watch")

    def __init__(self, gate: Gate, **settings: Any) -> None:
        super().__init__(gate, **settings)
        self._limits = gate.limits
        self._wire: asyncio.Transport | None = None
        self._body: StreamReader = EMPTY_PAYLOAD
        self._head_size = 0
        self._refused = False
        self._due: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._watch_at = 0.0
        self._write_watch: asyncio.TimerHandle | None = None

    # What arrives

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = self.transport

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        size = self._head_size + len(data)
        known = self._request_count
        of_body = not self._body.is_eof()
        super().data_received(data)
        new = self._request_count - known
        if new:
            self._head_size = 0
            self._take(new, size)
        elif data and not of_body:
            self._await_head(size)

    def _take(self, new: int, size: int) -> None:
        """Looks at the requests that have just been parsed."""
        message, body = self._messages[-1]
        if isinstance(message, _ErrInfo):
            self._refused = True
            self._fail_body(problem_of_parsing(message.exc, self._limits.url_bytes))
            return
        if size > self._limits.header_bytes and self._drop_oversized(new):
            return
        self._body = body
        if body.is_eof():
            self._due = None
        else:
            self._expect_within(self._limits.body_seconds)

    def _drop_oversized(self, new: int) -> bool:
        """The parser limits each header and their number; this limits their sum."""
        for place in range(len(self._messages) - new, len(self._messages)):
            message, _ = self._messages[place]
            assert not isinstance(message, _ErrInfo)
            if sum(len(name) + len(value) + 4 for name, value in message.raw_headers) > self._limits.header_bytes:
                while len(self._messages) > place:
                    self._messages.pop()
                self._refuse(Problem("headers_too_large"))
                return True
        return False

    def _await_head(self, size: int) -> None:
        if not self._head_size:
            self._expect_within(self._limits.header_seconds)
        self._head_size = size
        if size > self._limits.header_bytes + self._limits.url_bytes:
            self._refuse(Problem("headers_too_large"))

    def _refuse(self, problem: Problem) -> None:
        """Answers what was asked before, then the problem, then closes; whatever else arrives is dropped."""
        self._refused = True
        self._due = None
        self._request_count += 1
        self._messages.append((_ErrInfo(problem.status, problem, ""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail_body(self, problem: Problem) -> None:
        """A handler that reads a body which will never be complete gets the problem instead."""
        self._due = None
        if not self._body.is_eof():
            self._body.set_exception(problem)

    # Deadlines

    def _expect_within(self, seconds: float) -> None:
        """One timer per connection: it is moved only forward when it fires, never per request."""
        self._due = self._loop.time() + seconds
        if self._watch is not None and self._watch_at > self._due:
            self._watch.cancel()
            self._watch = None
        if self._watch is None:
            self._watch_at = self._due
            self._watch = self._loop.call_at(self._due, self._check_arrival)

    def _check_arrival(self) -> None:
        self._watch = None
        if self._due is None or self._refused:
            return
        head = self._head_size > 0
        if not head and self._body.is_eof():
            self._due = None
        elif self._reading_paused or self._buffer_paused:  # it is we who are slow
            self._expect_within(self._limits.header_seconds if head else self._limits.body_seconds)
        elif self._loop.time() < self._due:
            self._watch_at = self._due
            self._watch = self._loop.call_at(self._due, self._check_arrival)
        elif head:
            self._refuse(Problem("request_timeout"))
        else:
            self._fail_body(Problem("request_timeout"))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._drop_unless_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_watch is not None:
            self._write_watch.cancel()
            self._write_watch = None

    def _drop_unless_read(self) -> None:
        """A client that doesn't read its answer may hold the connection as long as a silent one."""
        if self._write_watch is None and self._wire is not None:
            self._write_watch = self._loop.call_later(self._limits.idle_seconds, self._wire.abort)

    async def start(self) -> None:
        try:
            await super().start()
        finally:
            if self._wire is not None and self._wire.get_write_buffer_size():
                self._drop_unless_read()

    def connection_lost(self, exc: BaseException | None) -> None:
        for watch in (self._watch, self._write_watch):
            if watch is not None:
                watch.cancel()
        self._watch = self._write_watch = self._wire = None
        super().connection_lost(exc)

    # Drain

    @property
    def idle(self) -> bool:
        """No request is being answered or has begun to arrive."""
        waiting = self._waiter is not None and not self._waiter.done()
        return waiting and not self._messages and not self._head_size

    # What goes wrong

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """aiohttp calls this for what its parser refused, and when an answer failed after it had begun."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        parsing = status == 400 or isinstance(exc, Problem)
        problem = problem_of_parsing(exc, self._limits.url_bytes) if parsing else Problem("internal")
        response = problem_response(problem, getattr(request, "id", ""))
        close_after(response)
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """aiohttp calls this when a client goes away in mid-answer: nobody needs to act on it."""
        log.debug("connection_failed", reason=str(args[0]) if args else "", exc_info=kw.get("exc_info"))
