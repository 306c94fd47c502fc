"""Who is slow or silent is closed, and nobody else notices."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from shared.web.server import Limits, Request
from tests.web.raw import PATIENCE, serving, wire

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
QUICK = Limits(header_seconds=0.2, body_seconds=0.2, idle_seconds=0.2)
PATIENT = 60.0


async def hello(_: Request) -> web.Response:
    return web.Response(text="hello")


async def length(request: Request) -> web.Response:
    return web.Response(text=str(len(await request.body())))


async def test_a_silent_connection_is_closed() -> None:
    limits = Limits(header_seconds=PATIENT, body_seconds=PATIENT, idle_seconds=0.2)
    async with serving(hello, limits) as listening, wire(listening.port) as client:
        assert await client.rest() == b""


async def test_a_connection_that_falls_silent_after_an_answer_is_closed() -> None:
    limits = Limits(header_seconds=PATIENT, body_seconds=PATIENT, idle_seconds=0.2)
    async with serving(hello, limits) as listening, wire(listening.port) as client:
        client.send(GET)
        assert (await client.answer()).status == 200
        assert await client.rest() == b""


@pytest.mark.parametrize("before", [b"", GET], ids=["first request", "kept-alive"])
async def test_a_header_trickle_gets_408_and_is_closed_while_it_trickles(before: bytes) -> None:
    limits = Limits(header_seconds=0.2, body_seconds=PATIENT, idle_seconds=PATIENT)
    async with serving(hello, limits) as listening, wire(listening.port) as client:
        if before:
            client.send(before)
            assert (await client.answer()).status == 200
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        trickle = asyncio.create_task(client.trickle(b"X: y\r\n"))
        assert (await client.answer()).code == "request_timeout"
        assert await client.rest() == b""
        await trickle


async def test_half_a_request_line_and_then_silence_is_closed() -> None:
    limits = Limits(header_seconds=0.2, body_seconds=PATIENT, idle_seconds=PATIENT)
    async with serving(hello, limits) as listening, wire(listening.port) as client:
        client.send(b"GE")
        assert (await client.answer()).code == "request_timeout"
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"Content-Length: 100000", b"a"),
        (b"Transfer-Encoding: chunked", b"1\r\na\r\n"),
        (b"Transfer-Encoding: chunked", b""),
    ],
    ids=["length", "chunks", "silence"],
)
async def test_a_body_trickle_gets_408_and_is_closed(head: bytes, piece: bytes) -> None:
    limits = Limits(header_seconds=PATIENT, body_seconds=0.2, idle_seconds=PATIENT)
    async with serving(length, limits) as listening, wire(listening.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
        trickle = asyncio.create_task(client.trickle(piece))
        assert (await client.answer()).code == "request_timeout"
        assert await client.rest() == b""
        await trickle


async def test_trickled_trailers_are_closed_too() -> None:
    limits = Limits(header_seconds=PATIENT, body_seconds=0.2, idle_seconds=PATIENT)
    async with serving(length, limits) as listening, wire(listening.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        trickle = asyncio.create_task(client.trickle(b"X: y\r\n"))
        assert (await client.answer()).status in (400, 408)
        await client.rest()
        await trickle


async def test_a_body_that_nobody_reads_does_not_hold_the_connection() -> None:
    limits = Limits(header_seconds=0.2, body_seconds=0.2, idle_seconds=PATIENT)
    async with serving(hello, limits) as listening, wire(listening.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        trickle = asyncio.create_task(client.trickle(b"a"))
        assert (await client.answer()).status == 200
        await client.rest()
        await trickle


async def test_a_client_that_does_not_read_its_answer_is_dropped() -> None:
    limits = Limits(header_seconds=PATIENT, body_seconds=PATIENT, idle_seconds=0.2)
    finished = asyncio.Event()

    async def flood(request: Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        finally:
            finished.set()

    async with serving(flood, limits) as listening, wire(listening.port) as client:
        client.send(GET)
        await asyncio.wait_for(finished.wait(), PATIENCE)


async def test_others_are_served_while_a_hundred_trickle() -> None:
    limits = Limits(header_seconds=PATIENT, body_seconds=PATIENT, idle_seconds=PATIENT)
    async with serving(hello, limits) as listening:
        slow = [await asyncio.open_connection("127.0.0.1", listening.port) for _ in range(100)]
        for _, writer in slow:
            writer.write(b"GET / HTTP/1.1\r\nHo")
        async with wire(listening.port) as client:
            client.send(GET)
            assert (await client.answer()).status == 200
        for _, writer in slow:
            writer.close()


async def test_a_slow_handler_is_no_slow_client() -> None:
    release = asyncio.Event()

    async def wait(request: Request) -> web.Response:
        await request.body()
        await release.wait()
        return web.Response(text="done")

    async with serving(wait, QUICK) as listening, wire(listening.port) as client, wire(listening.port) as other:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
        await client.writer.drain()
        client.send(b"b")
        assert await other.rest() == b""  # all the limits have passed for a silent one
        release.set()
        assert (await client.answer()).body == b"done"


async def test_a_request_that_comes_in_single_bytes_is_served() -> None:
    async with serving(length) as listening, wire(listening.port) as client:
        for byte in b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc":
            client.send(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.answer()).body == b"3"


async def test_many_pipelined_requests_are_all_answered_in_order() -> None:
    async with serving(length) as listening, wire(listening.port) as client:
        count = 100
        client.send(
            b"".join(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (n, b"a" * n) for n in range(count)
            )
        )
        assert [(await client.answer()).body for _ in range(count)] == [b"%d" % n for n in range(count)]
