"""Serving HTTP safely: aiohttp with deadlines, one shape for refusals, a request id, and an end that drops nobody."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import re
import secrets
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

from shared.errors import Problem
from shared.web.address import Address
from shared.web.connection import Connection
from shared.web.paths import safe_path
from shared.web.problems import close_after, problem_of_exception, problem_response

Handler = Callable[["Request"], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_STOP_SECONDS = 0.1


class AddressInUse(Exception):
    """Somebody else listens there; the text says what to do."""


@dataclass(frozen=True)
class Limits:
    """What one client may ask for: how long it may take, and how much it may send."""

    header_seconds: float = 10
    body_seconds: float = 30
    idle_seconds: float = 60
    header_bytes: int = 16 * 1024
    url_bytes: int = 8 * 1024
    body_bytes: int = 1024 * 1024


class Request(web.Request):
    """aiohttp's request, with an `id` and the one `safe_path` that may be routed."""

    ATTRS = web.Request.ATTRS | frozenset({"gate", "id", "safe_path"})

    gate: Gate
    id: str
    safe_path: str

    @property
    def keep_alive(self) -> bool:
        # an upgrade that nobody takes leaves bytes behind whose meaning the two sides may see differently
        return not (self._message.should_close or self._message.upgrade or self.gate.draining)

    async def body(self, limit: int | None = None) -> bytes:
        """The whole body: 413 past `limit` (or the listener's), 415 when compressed. Meets `Expect: 100-continue`."""
        if limit is not None and limit < self._client_max_size:
            self._client_max_size = limit
        if (self.content_length or 0) > self._client_max_size:
            raise Problem("body_too_large", meta={"limit_bytes": self._client_max_size})
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Problem("unsupported_media_type", "Send the body uncompressed.")
        if self._match_info is None and not self._payload.is_eof() and "Expect" in self.headers:
            await self._continue()
        try:
            return await self.read()
        except web.HTTPRequestEntityTooLarge:
            raise Problem("body_too_large", meta={"limit_bytes": self._client_max_size}) from None

    async def _continue(self) -> None:
        if self.headers["Expect"].lower() != "100-continue":
            raise Problem("expectation_failed")
        if self._version == HttpVersion11 and self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Request-Id"] = self.id
        del headers["Server"]
        if self._match_info is not None:
            await super()._prepare_hook(response)


class Gate(web.Server):
    """Every request of one listener passes here, before and after its handler."""

    def __init__(self, handler: Handler, limits: Limits, *, accept_request_ids: bool) -> None:
        super().__init__(
            self._answer,  # type: ignore[arg-type]
            request_factory=self._request,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=min(limits.header_seconds, limits.body_seconds),
            max_line_size=limits.url_bytes,
            max_field_size=limits.header_bytes,
        )
        self.limits = limits
        self.draining = False
        self._handler = handler
        self._accept_request_ids = accept_request_ids
        # ids must differ, not be secret: reading the system's randomness for each would cost a system call
        self._random = random.Random(secrets.token_bytes(32)).getrandbits  # noqa: S311

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> Request:
        request = Request(message, payload, protocol, writer, task, self._loop, client_max_size=self.limits.body_bytes)
        wanted = message.headers.get("Request-Id") if self._accept_request_ids else None
        request.id = wanted if wanted and _REQUEST_ID.fullmatch(wanted) else f"{self._random(96):024x}"
        request.gate = self
        return request

    async def _answer(self, request: Request) -> web.StreamResponse:
        try:
            message = request._message
            if message.version is not HttpVersion11 or message.chunked:
                _check_framing(message)
            if request._payload is not EMPTY_PAYLOAD:
                self._check_size(request)
            path = safe_path(message.path)
            if path is None:
                raise _unreadable("The path isn't written in its one plain form.")
            request.safe_path = path
            response = await self._handler(request)
            if not isinstance(response, web.StreamResponse):
                raise TypeError(f"a handler returned {type(response).__name__}")
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return self._refusal(request, problem_of_exception(error))
        except Problem as problem:
            return self._refusal(request, problem)
        except Exception:
            if request.transport is None:
                raise ConnectionResetError("the client went away") from None
            log.exception("request_failed", request_id=request.id, method=request.method, path=request._message.path)
            return self._refusal(request, Problem("internal"))
        return response

    def _check_size(self, request: Request) -> None:
        length = request.content_length
        if length is not None and length > self.limits.body_bytes:
            raise Problem("body_too_large", meta={"limit_bytes": self.limits.body_bytes})

    def _refusal(self, request: Request, problem: Problem) -> web.Response:
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer had begun and can't be taken back")
        response = problem_response(problem, request.id)
        if "Connection" in problem.headers or not request._payload.is_eof():
            close_after(response)
        return response


def _check_framing(message: RawRequestMessage) -> None:
    """What llhttp lets pass (tests/web/test_framing.py lists what it doesn't)."""
    if message.version not in (HttpVersion11, HttpVersion10):
        raise _unreadable("Speak HTTP/1.1.")
    if message.chunked:
        codings = message.headers.get("Transfer-Encoding", "")
        if message.version != HttpVersion11 or codings.strip().lower() != "chunked":
            raise _unreadable("Send one Content-Length, or Transfer-Encoding: chunked alone.")


def _unreadable(detail: str) -> Problem:
    return Problem("malformed_request", detail, headers={"Connection": "close"})


class Listening:
    """A server that listens, for as long as somebody refers to it (uvloop closes what nobody does)."""

    def __init__(self, runner: web.BaseRunner, gate: Gate, server: asyncio.Server, address: Address) -> None:
        self._runner = runner
        self._gate = gate
        self._server = server
        self.address = address

    @property
    def url(self) -> str:
        """`http://host:port`, or `unix:///path`."""
        return str(self.address) if self.address.path else f"http://{self.address.authority}"

    @property
    def port(self) -> int:
        """The TCP port, the chosen one when 0 was asked for; 0 on a unix socket."""
        return self.address.port

    async def drain(self, grace_seconds: float) -> None:
        """Accepts no more, closes the idle at once, lets the busy finish (with `Connection: close`), then closes."""
        self._server.close()
        self._gate.draining = True
        connections = [c for c in self._gate.connections if isinstance(c, Connection)]
        busy = [c._task_handler for c in connections if not c.idle and c._task_handler is not None]
        for connection in connections:
            if connection.idle:
                connection.force_close()
        if busy:
            await asyncio.wait(busy, timeout=grace_seconds)
        await self.close()

    async def close(self) -> None:
        """Ends everything now."""
        self._server.close()
        await self._gate.shutdown(_STOP_SECONDS)
        await self._runner.cleanup()
        if self.address.path:
            with suppress(FileNotFoundError):
                os.unlink(self.address.path)


async def serve(
    app_or_handler: web.Application | Handler,
    address: Address,
    limits: Limits = Limits(),
    *,
    reuse_port: bool = False,
    accept_request_ids: bool = False,
) -> Listening:
    """Listens and answers. `accept_request_ids`: take a client's well-formed `Request-Id` (internal ports only)."""
    if isinstance(app_or_handler, web.Application):
        runner: web.BaseRunner = web.AppRunner(app_or_handler, handle_signals=False)
        await runner.setup()
        handler: Handler = app_or_handler._handle
    else:
        handler = app_or_handler
        runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]
        await runner.setup()
    gate = Gate(handler, limits, accept_request_ids=accept_request_ids)
    try:
        sock = _bind(address, reuse_port)
    except BaseException:
        await runner.cleanup()
        raise
    loop = asyncio.get_running_loop()
    if address.path:
        server = await loop.create_unix_server(gate, sock=sock, backlog=1024)
    else:
        server = await loop.create_server(gate, sock=sock, backlog=1024)
        address = Address(host=address.host, port=sock.getsockname()[1])
    return Listening(runner, gate, server, address)


@contextmanager
def held(address: Address) -> Iterator[Address]:
    """Keeps a TCP port (0: any) for listeners with `reuse_port` of the same user, also while none of them lives.

    Without that, a port whose listener is being started again may be given to another's outgoing connection, and stays taken as long as
    that lasts. Only Linux keeps it: elsewhere a socket that doesn't listen could be given the connections. Raises `AddressInUse`.
    """
    with _bind(address, reuse_port=True) as sock:
        kept = Address(host=address.host, port=sock.getsockname()[1])
        if sys.platform != "linux":
            sock.close()
        yield kept


def _bind(address: Address, reuse_port: bool) -> socket.socket:
    try:
        return _bind_unix(address.path) if address.path else _bind_tcp(address, reuse_port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(_advice(address)) from error
        raise


def _bind_tcp(address: Address, reuse_port: bool) -> socket.socket:
    family, _, _, _, target = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(target)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _bind_unix(path: str) -> socket.socket:
    """Takes over the file of a listener that is dead, never of one that lives; only this user may connect."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_dead_socket(path):
            os.unlink(path)
        sock.bind(path)
        os.chmod(path, 0o600)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _is_dead_socket(path: str) -> bool:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
    return False


def _advice(address: Address) -> str:
    if address.path:
        return f"{address.path} is in use. Stop the process that listens there, or choose another socket path."
    return (
        f"Port {address.port} on {address.host} is in use. "
        f"Stop the process that listens there (`ss -ltnp 'sport = :{address.port}'` names it), or choose another port."
    )
