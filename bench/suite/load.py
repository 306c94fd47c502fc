"""A load generator: kept connections, one request at a time on each, answers read whole and checked."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

Request = bytes | Callable[[int], bytes]  # the same each time, or made for the n-th


def request(method: str, target: str, body: object = None, **headers: str) -> bytes:
    """The bytes of an HTTP/1.1 request. Header names are written with underscores: `idempotency_key="…"`."""
    content = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"{method} {target} HTTP/1.1", "Host: bench", "Accept: application/json"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@dataclass
class Measured:
    """What a load achieved. `seconds` holds each request's duration."""

    elapsed: float
    seconds: list[float]
    statuses: Counter[int]

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.elapsed

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return percentile(self.seconds, share) * 1000


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class _Connection(asyncio.Protocol):
    """One kept connection: sends, reads the whole answer, tells, and sends again: at once, or when it is time to."""

    def __init__(
        self, next_request: Callable[[], bytes | None], tell: Callable[[int, float], None], every: float | None
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next_request = next_request
        self._tell = tell
        self._every = every
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._due = time.perf_counter()
        self._send()

    def _send_in_time(self) -> None:
        if self._every is None:
            self._send()
            return
        self._due += self._every
        asyncio.get_running_loop().call_later(max(self._due - time.perf_counter(), 0), self._send)

    def _send(self) -> None:
        data = self._next_request()
        if data is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter() if self._every is None else self._due
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or len(self._buffer) < head + 4 + _content_length(self._buffer[:head]):
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        self._tell(status, time.perf_counter() - self._sent_at)
        self._send_in_time()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    if at < 0:
        assert b"chunked" not in head.lower(), "an answer without a length"
        return 0
    end = head.find(b"\r", at)
    return int(head[at + 15 : end if end > 0 else None])


async def load(
    url: str,
    what: Request,
    seconds: float,
    *,
    connections: int = 16,
    expect: frozenset[int] = frozenset({200}),
    most: int | None = None,
    rate: float | None = None,
) -> Measured:
    """Asks for that long (or `most` times) over so many connections. Any other status than expected ends the run.

    With a `rate` (per second, of all connections together) each request has its time, and lasts from then on: what is late because the
    one before it was slow counts as slow.
    """
    numbers = itertools.count()
    durations: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.perf_counter() + seconds

    def next_request() -> bytes | None:
        if (most is None and time.perf_counter() >= end) or (most is not None and (number := next(numbers)) >= most):
            return None
        if most is None:
            number = next(numbers)
        return what if isinstance(what, bytes) else what(number)

    def tell(status: int, took: float) -> None:
        durations.append(took)
        statuses[status] += 1

    began = time.perf_counter()
    waits = []
    for _ in range(connections):
        protocol = _Connection(next_request, tell, connections / rate if rate else None)
        await _connect(url, protocol)
        waits.append(protocol)
    await asyncio.gather(*(one.done for one in waits))
    unexpected = {status: count for status, count in statuses.items() if status not in expect}
    if unexpected or not durations:
        raise AssertionError(f"{url} answered {dict(statuses)}, expected {sorted(expect)}")
    return Measured(time.perf_counter() - began, durations, statuses)


async def _connect(url: str, protocol: asyncio.Protocol) -> None:
    loop = asyncio.get_running_loop()
    if url.startswith("unix://"):
        await loop.create_unix_connection(lambda: protocol, url.removeprefix("unix://"))
        return
    place = urlsplit(url)
    await loop.create_connection(lambda: protocol, place.hostname or "", place.port or 80)


def rate_of(measured: Measured) -> Mapping[str, float]:
    return {"/s": measured.rate}
