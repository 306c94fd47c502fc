"""Speaking HTTP by hand: sockets that send exactly these bytes, and servers that answer exactly those."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from shared.web.address import Address
from shared.web.server import Limits, Listening, Request, serve

PATIENCE = 60.0
ANY_PORT = Address.parse("tcp://127.0.0.1:0")


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", (self.headers, self.body)
        found: dict[str, Any] = json.loads(self.body)
        assert found["instance"] == self.headers["request-id"]
        return found

    @property
    def code(self) -> str:
        return str(self.problem["code"])


class Wire:
    """One client connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, bodiless: bool = False) -> RawAnswer:
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = b"" if bodiless else await self.reader.readexactly(int(headers.get("content-length", 0)))
            return RawAnswer(int(first.split()[1]), headers, body)

    async def rest(self) -> bytes:
        """What comes until the server closes; a reset is a close too."""
        async with asyncio.timeout(PATIENCE):
            data = b""
            try:
                while piece := await self.reader.read(65536):
                    data += piece
            except ConnectionError:
                pass
            return data

    async def trickle(self, piece: bytes, every: float = 0.02) -> None:
        """Sends it again and again until the server has closed."""
        async with asyncio.timeout(PATIENCE):
            while not self.reader.at_eof() and not self.writer.is_closing():
                self.writer.write(piece)
                await asyncio.sleep(every)


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def serving(
    app_or_handler: web.Application | Callable[[Request], Awaitable[web.StreamResponse]],
    limits: Limits | None = None,
    *,
    address: Address = ANY_PORT,
    accept_request_ids: bool = False,
) -> AsyncIterator[Listening]:
    listening = await serve(app_or_handler, address, limits or Limits(), accept_request_ids=accept_request_ids)
    try:
        yield listening
    finally:
        await listening.close()


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted(*scripts: Script) -> AsyncIterator[Address]:
    """A server whose nth connection follows the nth script (the last one from then on), then is closed."""
    order = iter(scripts)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await next(order, scripts[-1])(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*answers: bytes, then: Sequence[bytes] = ()) -> Script:
    """Reads one request before each answer, then writes the rest unasked, then closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        for piece in then:
            writer.write(piece)
            await writer.drain()

    return script


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    while await reader.read(65536):
        pass
