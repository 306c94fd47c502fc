"""The lean HTTP/1.1 client for the gateway's hop and internal calls: kept connections, a deadline on everything.

It talks to servers that the operator named: it follows nothing, unpacks nothing, keeps no cookies.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.web.address import Address
from shared.web.exchange import Answer, DeadlineExceeded, Exchange, Headers, NoAnswer, Overloaded, Unreachable, first

__all__ = ["Answer", "Client", "DeadlineExceeded", "Headers", "NoAnswer", "Overloaded", "Streaming", "Unreachable"]

_TARGET = re.compile(r"/[!-~]*")
_METHOD = re.compile(r"[A-Z]+")
_REPEATABLE = frozenset({"GET", "HEAD"})
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


class Streaming:
    """An answer whose body is read piece by piece, as it comes: `async for piece in answer`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.status = exchange.status
        self.headers: Headers = exchange.headers

    def header(self, name: bytes) -> bytes | None:
        return first(self.headers, name)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        while True:
            if exchange.chunks:
                yield exchange.take()
            elif exchange.failure is not None:
                raise Unreachable(exchange.failure)
            elif exchange.complete:
                return
            else:
                await exchange.progress()


class Client:
    """Requests to one server.

    At most `connections` at once; at most `waiting` more wait for one, others get `Overloaded` at once: a server that
    hangs holds no more of its callers than that. Connections idle for `idle_seconds` aren't used again (servers close
    theirs after 60), so that a write seldom meets one that is being closed.
    """

    def __init__(
        self,
        address: Address,
        *,
        connections: int = 32,
        waiting: int = 256,
        idle_seconds: float = 30,
        answer_bytes: int = 32 * 1024 * 1024,
    ) -> None:
        self._address = address
        self._host = b"Host: " + address.authority.encode("ascii") + b"\r\n"
        self._connections = connections
        self._waiting = waiting
        self._idle_seconds = idle_seconds
        self._answer_bytes = answer_bytes
        self._idle: list[Exchange] = []
        self._open = 0
        self._waiters: deque[asyncio.Future[Exchange | None]] = deque()
        self._in_use: set[Exchange] = set()
        self._closed = False

    async def send(
        self, method: str, path: str, headers: Headers = (), body: bytes = b"", *, deadline: float
    ) -> Answer:
        """The whole answer, within `deadline` seconds; `path` includes the query. Host, Content-Length are added.

        Sent a second time, on a fresh connection, only when a kept one was closed before any byte of the answer came,
        and the method is GET or HEAD or nothing had been written.
        """
        data = self._encode(method, path, headers, body)
        try:
            async with asyncio.timeout(deadline):
                exchange = await self._exchange(method, data, streaming=False)
        except TimeoutError:
            raise DeadlineExceeded(f"{self._address} didn't answer {method} within {deadline:g} s") from None
        answer = Answer(exchange.status, exchange.headers, exchange.take())
        self._release(exchange)
        return answer

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, headers: Headers = (), body: bytes = b"", *, deadline: float
    ) -> AsyncIterator[Streaming]:
        """The answer's head within `deadline` seconds; its body as it comes, for as long as the block lasts."""
        data = self._encode(method, path, headers, body)
        try:
            async with asyncio.timeout(deadline):
                exchange = await self._exchange(method, data, streaming=True)
        except TimeoutError:
            raise DeadlineExceeded(f"{self._address} didn't answer {method} within {deadline:g} s") from None
        try:
            yield Streaming(exchange)
        finally:
            if exchange.complete and exchange.failure is None and not exchange.chunks:
                self._release(exchange)
            else:
                self._discard(exchange)

    async def close(self) -> None:
        """Ends every connection; what is under way fails as unreachable."""
        self._closed = True
        for exchange in [*self._idle, *self._in_use]:
            exchange.abort()
        self._idle.clear()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Unreachable("the client was closed"))

    # One request

    def _encode(self, method: str, path: str, headers: Headers, body: bytes) -> bytes:
        if not _TARGET.fullmatch(path) or not _METHOD.fullmatch(method):
            raise ValueError(f"{method!r} {path!r} can't be sent")
        lines = [f"{method} {path} HTTP/1.1\r\n".encode("ascii"), self._host]
        for name, value in headers:
            lines.append(b"%b: %b\r\n" % (name, value))
        if body or method in _BODY_EXPECTED:
            lines.append(b"Content-Length: %d\r\n" % len(body))
        head = b"".join(lines)
        if not head.count(b"\n") == head.count(b"\r") == len(lines) or b"\0" in head:
            raise ValueError("a header holds a line break or NUL")
        return b"%b\r\n%b" % (head, body)

    async def _exchange(self, method: str, data: bytes, *, streaming: bool) -> Exchange:
        """Writes the request and waits for the first of the answer (streaming: for its head)."""
        bodiless = method == "HEAD"
        exchange = await self._acquire(fresh=False)
        for _ in range(2):
            exchange.request(data, bodiless=bodiless, limit=0 if streaming else self._answer_bytes, streaming=streaming)
            try:
                while not ((exchange.head_complete and streaming) or exchange.complete or exchange.failure is not None):
                    await exchange.progress()
            except BaseException:
                self._discard(exchange)
                raise
            if exchange.failure is None:
                return exchange
            repeatable = method in _REPEATABLE or not exchange.written
            self._discard(exchange)
            if not (exchange.unused and exchange.reused and repeatable):
                break
            exchange = await self._acquire(fresh=True)
        raise Unreachable(f"{self._address}: {exchange.failure}")

    # The pool

    async def _acquire(self, *, fresh: bool) -> Exchange:
        if self._closed:
            raise Unreachable("the client was closed")
        exchange = None if fresh else self._kept()
        if exchange is None and self._open < self._connections:
            self._open += 1
            return await self._connect()
        if exchange is None:
            exchange = await self._wait()
            if exchange is None or (fresh and exchange.reused):
                if exchange is not None:
                    exchange.abort()
                return await self._connect()
        self._in_use.add(exchange)
        return exchange

    def _kept(self) -> Exchange | None:
        """The connection used last, unless it is too old: then all are."""
        if not self._idle:
            return None
        oldest = asyncio.get_running_loop().time() - self._idle_seconds
        while self._idle:
            exchange = self._idle.pop()
            if exchange.usable and exchange.idle_since > oldest:
                return exchange
            exchange.abort()
            self._open -= 1
        return None

    async def _wait(self) -> Exchange | None:
        """A connection that another request has ended with, or None: the right to open one."""
        if len(self._waiters) >= self._waiting:
            raise Overloaded(f"{self._address}: {len(self._waiters)} requests wait for a connection already")
        waiter: asyncio.Future[Exchange | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    async def _connect(self) -> Exchange:
        loop = asyncio.get_running_loop()
        try:
            if self._address.path:
                _, exchange = await loop.create_unix_connection(Exchange, self._address.path)
            else:
                _, exchange = await loop.create_connection(Exchange, self._address.host, self._address.port)
        except BaseException as error:
            self._pass_on(None)
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise Unreachable(f"{self._address} can't be reached: {error.strerror or error}") from error
            raise
        self._in_use.add(exchange)
        if self._closed:
            self._discard(exchange)
            raise Unreachable("the client was closed")
        return exchange

    def _release(self, exchange: Exchange) -> None:
        if not exchange.finish() or self._closed:
            self._discard(exchange)
            return
        if exchange.left_out_body:
            exchange.renew()
        self._in_use.discard(exchange)
        self._pass_on(exchange)

    def _discard(self, exchange: Exchange) -> None:
        if exchange in self._in_use:
            self._in_use.discard(exchange)
            exchange.busy = False
            exchange.abort()
            self._pass_on(None)

    def _pass_on(self, exchange: Exchange | None) -> None:
        """Gives a connection, or the right to open one, to who waits longest; otherwise keeps it, or lets it go."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(exchange)
                return
        if exchange is None:
            self._open -= 1
        else:
            exchange.idle_since = asyncio.get_running_loop().time()
            self._idle.append(exchange)
