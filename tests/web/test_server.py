"""The server answers every failure in one shape, reads bodies within limits, and drops nobody when it ends."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import sys
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from shared.errors import Problem, invalid
from shared.web.address import Address
from shared.web.server import AddressInUse, Limits, Request, held, serve
from tests.web.raw import ANY_PORT, PATIENCE, serving, wire

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def hello(_: Request) -> web.Response:
    return web.Response(text="hello")


async def length(request: Request) -> web.Response:
    return web.Response(text=str(len(await request.body())))


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/hello", hello)  # type: ignore[arg-type]
    app.router.add_put("/hello", length)  # type: ignore[arg-type]
    return app


# One shape for every failure


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("DELETE", "/hello", 405, "method_not_allowed")],
)
async def test_aiohttps_own_refusals_are_problems(method: str, path: str, status: int, code: str) -> None:
    async with serving(application()) as listening, wire(listening.port) as client:
        client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = await client.answer()
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers.get("allow") == ("GET,HEAD,PUT" if status == 405 else None)


async def test_a_raised_problem_is_answered_with_its_headers_and_errors() -> None:
    async def refuse(request: Request) -> web.Response:
        raise Problem("rate_limited", retry_after=7) if request.safe_path == "/a" else invalid("/name", "blank", "Say.")

    async with serving(refuse) as listening, wire(listening.port) as client:
        client.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        limited = await client.answer()
        assert (limited.status, limited.headers["retry-after"]) == (429, "7")
        client.send(GET)
        assert (await client.answer()).problem["errors"][0]["pointer"] == "/name"


@pytest.mark.parametrize("fault", [RuntimeError("secret-of-mine"), TimeoutError("secret-of-mine"), None])
async def test_an_unforeseen_failure_says_nothing_and_is_logged_with_the_request_id(fault: Exception | None) -> None:
    async def fail(_: Request) -> web.Response:
        if fault is not None:
            raise fault
        return None  # type: ignore[return-value]

    with structlog.testing.capture_logs() as logs:
        async with serving(fail) as listening, wire(listening.port) as client:
            client.send(GET + GET)
            answers = [await client.answer(), await client.answer()]
    assert [answer.code for answer in answers] == ["internal", "internal"]
    assert all(b"secret" not in answer.body for answer in answers)
    assert [entry["request_id"] for entry in logs] == [answer.headers["request-id"] for answer in answers]


async def test_a_failure_in_mid_answer_cuts_the_connection_so_that_nobody_takes_it_for_whole() -> None:
    async def fail(request: Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise RuntimeError("late")

    async with serving(fail) as listening, wire(listening.port) as client:
        client.send(GET)
        data = await client.rest()
    assert b"half" in data
    assert not data.endswith(b"0\r\n\r\n")


async def test_a_client_that_leaves_in_mid_body_is_no_error_of_ours() -> None:
    ended = asyncio.Event()

    async def read(request: Request) -> web.Response:
        try:
            return await length(request)
        finally:
            ended.set()

    with structlog.testing.capture_logs() as logs:
        async with serving(read) as listening:
            async with wire(listening.port) as client:
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\na")
                await client.writer.drain()
            await asyncio.wait_for(ended.wait(), PATIENCE)
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_no_answer_names_the_server() -> None:
    async with serving(application()) as listening, wire(listening.port) as client:
        answers = []
        for data in (
            b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /no HTTP/1.1\r\nHost: a\r\n\r\n",
            b"broken\r\n\r\n",
        ):
            client.send(data)
            answers.append(await client.answer())
    assert [answer.status for answer in answers] == [200, 404, 400]
    assert all("server" not in answer.headers for answer in answers)


async def test_each_request_has_its_own_id_and_a_clients_is_taken_only_where_allowed() -> None:
    async def tell(request: Request) -> web.Response:
        return web.Response(text=request.id)

    async def ids(port: int, sent: str) -> list[str]:
        async with wire(port) as client:
            client.send(f"GET / HTTP/1.1\r\nHost: a\r\nRequest-Id: {sent}\r\n\r\n".encode() * 2)
            answers = [await client.answer(), await client.answer()]
        assert [answer.body.decode() for answer in answers] == [answer.headers["request-id"] for answer in answers]
        return [answer.headers["request-id"] for answer in answers]

    async with serving(tell) as edge, serving(tell, accept_request_ids=True) as internal:
        assert len({"chosen-by-me", *await ids(edge.port, "chosen-by-me")}) == 3
        assert await ids(internal.port, "chosen-by-me") == ["chosen-by-me"] * 2
        assert len({"short", *await ids(internal.port, "short")}) == 3
        assert len({"a" * 65, *await ids(internal.port, "a" * 65)}) == 3


# Bodies


async def test_expect_100_continue_is_met_and_a_body_too_large_is_refused_before_it_is_sent() -> None:
    head = b"PUT /hello HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    for served in (application(), length):
        async with serving(served, Limits(body_bytes=10)) as listening, wire(listening.port) as client:
            client.send(head % 3)
            assert (await client.answer(bodiless=True)).status == 100
            client.send(b"abc")
            assert (await client.answer()).body == b"3"
            client.send(head % 11)
            assert (await client.answer()).code == "body_too_large"


async def test_a_body_may_have_a_lower_limit_of_its_own() -> None:
    async def small(request: Request) -> web.Response:
        return web.Response(text=str(len(await request.body(limit=4))))

    async with serving(small, Limits(body_bytes=10)) as listening, wire(listening.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd")
        assert (await client.answer()).body == b"4"
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde")
        assert (await client.answer()).problem["meta"] == {"limit_bytes": 4}


async def test_a_compressed_body_is_not_unpacked() -> None:
    async with serving(length) as listening, wire(listening.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b")
        assert (await client.answer()).code == "unsupported_media_type"


async def test_who_reads_a_compressed_body_by_hand_gets_the_bytes_that_were_sent() -> None:
    packed = gzip.compress(b"a" * 100_000)

    async def read(request: Request) -> web.Response:
        return web.Response(body=await request.read())

    async with serving(read) as listening, wire(listening.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed))
        client.send(packed)
        assert (await client.answer()).body == packed


# Listening, and the end


async def test_drain_closes_the_idle_at_once_and_finishes_what_is_under_way() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def wait(request: Request) -> web.Response:
        entered.set()
        await release.wait()
        return web.Response(text="done")

    listening = await serve(wait, ANY_PORT)
    async with wire(listening.port) as idle, wire(listening.port) as busy, wire(listening.port) as arriving:
        arriving.send(b"GET / HTTP/1.1\r\n")
        busy.send(GET)
        await asyncio.wait_for(entered.wait(), PATIENCE)
        drain = asyncio.create_task(listening.drain(PATIENCE))
        assert await idle.rest() == b""
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", listening.port)
        arriving.send(b"Host: a\r\n\r\n")
        release.set()
        for client in (busy, arriving):
            answer = await client.answer()
            assert (answer.body, answer.headers["connection"]) == (b"done", "close")
            assert await client.rest() == b""
        await asyncio.wait_for(drain, PATIENCE)


async def test_drain_ends_who_outlasts_the_grace() -> None:
    entered = asyncio.Event()

    async def hang(_: Request) -> web.Response:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    listening = await serve(hang, ANY_PORT)
    async with wire(listening.port) as client:
        client.send(GET)
        await asyncio.wait_for(entered.wait(), PATIENCE)
        await asyncio.wait_for(listening.drain(0.1), PATIENCE)
        assert await client.rest() == b""


async def test_a_unix_socket_is_private_replaces_a_dead_one_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    address = Address.parse(f"unix://{path}")
    async with serving(hello, address=address) as listening:
        assert (listening.url, listening.port) == (f"unix://{path}", 0)
        assert os.stat(path).st_mode & 0o077 == 0
        with pytest.raises(AddressInUse, match="Stop the process"):
            await serve(hello, address)
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
    assert not path.exists()


async def test_a_port_in_use_is_told_with_what_to_do() -> None:
    async with serving(hello) as listening:
        with pytest.raises(AddressInUse, match=f"Port {listening.port} .* choose another port"):
            await serve(hello, Address("127.0.0.1", listening.port))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port can't be held without listening")
async def test_a_held_port_waits_for_its_listener_and_is_nobody_elses_meanwhile() -> None:
    with held(Address("127.0.0.1")) as address:
        for _ in range(2):
            with pytest.raises(OSError, match="in use"), socket.socket() as other:
                other.bind((address.host, address.port))
            listening = await serve(hello, address, reuse_port=True)
            async with wire(listening.port) as client:
                client.send(GET)
                assert (await client.answer()).status == 200
            await listening.close()
    async with serving(hello, address=address):
        with pytest.raises(AddressInUse), held(address):
            pass


async def test_an_applications_start_and_end_are_called() -> None:
    told: list[str] = []

    async def start(_: web.Application) -> None:
        told.append("start")

    async def end(_: web.Application) -> None:
        told.append("end")

    app = application()
    app.on_startup.append(start)
    app.on_cleanup.append(end)
    async with serving(app):
        assert told == ["start"]
    assert told == ["start", "end"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("tcp://[::1]:0", Address("::1", 0)),
        ("unix:///run/x.sock", Address(path="/run/x.sock")),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1:80", "tcp://a", "tcp://:80", "http://a:80", "unix://x", "tcp://a:80/b"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        Address.parse(text)


APART = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"


async def test_a_long_body_that_comes_apart_from_its_head_is_no_head_of_the_next_request() -> None:
    limits = Limits(header_bytes=1024, url_bytes=1024)
    async with serving(length, limits) as listening, wire(listening.port) as client:
        client.send(APART % 5000)
        assert (await client.answer()).status == 100
        client.send(b"a" * 5000)
        assert (await client.answer()).body == b"5000"
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.answer()).body == b"0"


async def test_a_connection_whose_last_body_came_apart_from_its_head_is_idle_after_the_answer() -> None:
    async with serving(length) as listening, wire(listening.port) as client:
        client.send(APART % 5)
        assert (await client.answer()).status == 100
        client.send(b"hello")
        assert (await client.answer()).body == b"5"
        async with asyncio.timeout(PATIENCE):
            await listening.drain(6 * PATIENCE)
        assert await client.rest() == b""
