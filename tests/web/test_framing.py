"""Bytes that two HTTP readers could take differently get 400 and a closed connection, whoever finds the fault first."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from shared.web.server import Limits, Request
from tests.web.raw import PATIENCE, serving, wire

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"

BY_LLHTTP = {
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\nab",
    "a length with a plus": POST + b"Content-Length: +2\r\n\r\nab",
    "a negative length": POST + b"Content-Length: -2\r\n\r\nab",
    "an empty length": POST + b"Content-Length:\r\n\r\nab",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\nab",
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n\r\nab",
    "length, then chunked": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a coding behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a chunk size with 0x": CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n",
    "a chunk size with a plus": CHUNKED + b"+2\r\nab\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\nab\r\n0\r\n\r\n",
    "a space before a chunk size": CHUNKED + b" 2\r\nab\r\n0\r\n\r\n",
    "a space after a chunk size": CHUNKED + b"2 \r\nab\r\n0\r\n\r\n",
    "an underscore in a chunk size": CHUNKED + b"0_2\r\nab\r\n0\r\n\r\n",
    "an empty chunk size": CHUNKED + b"\r\nab\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": CHUNKED + b"10000000000000002\r\nab\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "bare LF in a chunk extension": CHUNKED + b"2;a\nab\r\n0\r\n\r\n",
    "bare LF after a chunk size": CHUNKED + b"2\nab\n0\n\n",
    "a length in a trailer": CHUNKED + b"2\r\nab\r\n0\r\nContent-Length: 5\r\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
    "one bare LF": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "a bare CR": b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "a bare LF at the end": GET + b"\n",
    "NUL in a value": GET + b"X: a\x00b\r\n\r\n",
    "NUL in a name": GET + b"X\x00: a\r\n\r\n",
    "NUL in the path": b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a control character in a value": GET + b"X: a\x01b\r\n\r\n",
    "a folded header": GET + b"X: a\r\n b\r\n\r\n",
    "a space before the first header": b"GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n",
    "a space before the colon": GET + b"X : a\r\n\r\n",
    "no colon": GET + b"X\r\n\r\n",
    "an empty name": GET + b": x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: b\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a lower-case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the path": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw bytes in the path": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
BY_US = {
    "gzip under chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "an absolute address": b"GET http://elsewhere/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
}
AMBIGUOUS = BY_LLHTTP | BY_US


async def echo(request: Request) -> web.Response:
    return web.Response(body=await request.body())


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_ambiguous_bytes_get_400_and_a_closed_connection(name: str) -> None:
    async with serving(echo) as listening, wire(listening.port) as client:
        client.send(AMBIGUOUS[name])
        answer = await client.answer()
        assert (answer.status, answer.code) == (400, "malformed_request")
        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""


@pytest.mark.parametrize("name", [name for name, data in BY_LLHTTP.items() if data.startswith(CHUNKED)])
async def test_a_fault_in_a_chunk_that_comes_later_ends_the_waiting_handler_too(name: str) -> None:
    entered = asyncio.Event()

    async def read(request: Request) -> web.Response:
        entered.set()
        return await echo(request)

    limits = Limits(body_seconds=60)
    async with serving(read, limits) as listening, wire(listening.port) as client:
        client.send(CHUNKED + b"1\r\nx\r\n")
        await asyncio.wait_for(entered.wait(), PATIENCE)
        client.send(AMBIGUOUS[name].removeprefix(CHUNKED))
        assert (await client.answer()).code == "malformed_request"
        assert b" 200 OK" not in await client.rest()


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_bytes_behind_an_upgrade_that_nobody_takes_are_never_read_as_a_request(protocol: bytes) -> None:
    seen: list[str] = []

    async def note(request: Request) -> web.Response:
        seen.append(request.safe_path)
        return web.Response()

    async with serving(note) as listening, wire(listening.port) as client:
        client.send(b"GET /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n")
        client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.answer()).headers["connection"] == "close"
        assert await client.rest() == b""
    assert seen == ["/first"]


async def test_a_pipelined_fault_is_answered_after_what_was_asked_before() -> None:
    async with serving(echo) as listening, wire(listening.port) as client:
        client.send(POST + b"Content-Length: 2\r\n\r\nab" + POST + b"Content-Length: 2\r\n\r\ncd")
        assert [(await client.answer()).body for _ in range(2)] == [b"ab", b"cd"]
        client.send(POST + b"Content-Length: +1\r\n\r\nx")
        assert (await client.answer()).status == 400
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [
        (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "url_too_long", 414),
        (GET + b"X: " + b"a" * 600 + b"\r\n\r\n", "headers_too_large", 431),
        (GET + (b"X: " + b"a" * 90 + b"\r\n") * 6 + b"\r\n", "headers_too_large", 431),
        (GET + b"X: y\r\n" * 200 + b"\r\n", "headers_too_large", 431),
        (GET + (b"X: " + b"a" * 90 + b"\r\n") * 9, "headers_too_large", 431),
        (POST + b"Content-Length: 101\r\n\r\n", "body_too_large", 413),
        (CHUNKED + b"40\r\n" + b"a" * 64 + b"\r\n40\r\n" + b"a" * 64 + b"\r\n0\r\n\r\n", "body_too_large", 413),
    ],
    ids=["url", "one header", "sum of headers", "number of headers", "headers without end", "length", "chunks"],
)
async def test_what_is_too_large_is_refused_by_name_and_the_connection_closed(
    data: bytes, code: str, status: int
) -> None:
    limits = Limits(url_bytes=256, header_bytes=512, body_bytes=100, header_seconds=0.2, body_seconds=0.2)
    async with serving(echo, limits) as listening, wire(listening.port) as client:
        client.send(data)
        answer = await client.answer()
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers.get("connection") == "close" or code == "body_too_large"
        if code != "body_too_large" or data.startswith(POST + b"Content-Length"):
            assert await client.rest() == b""


async def test_headers_and_bodies_at_the_limit_pass() -> None:
    limits = Limits(url_bytes=256, header_bytes=512, body_bytes=100)
    async with serving(echo, limits) as listening, wire(listening.port) as client:
        fixed = len(b"Host") + 1 + 4 + len(b"Content-Length") + 3 + 4 + 1 + 4
        client.send(POST + b"X: " + b"a" * (512 - fixed) + b"\r\nContent-Length: 100\r\n\r\n" + b"b" * 100)
        assert (await client.answer()).body == b"b" * 100
