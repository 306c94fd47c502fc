"""The lean client: right answers from odd servers, never a request twice that may have acted, never a stuck caller."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from shared.web.address import Address
from shared.web.client import Client, DeadlineExceeded, Overloaded, Unreachable
from shared.web.exchange import Exchange
from shared.web.server import Request
from tests.web.raw import PATIENCE, answering, scripted, serving, silent

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def echo(request: Request) -> web.Response:
    headers = {"X-Saw": request.headers.get("X-Sent", ""), "X-Method": request.method}
    return web.Response(body=await request.body(), status=201, headers=headers)


async def test_an_answer_comes_back_over_tcp_and_unix_sockets(tmp_path: Path) -> None:
    for address in (Address("127.0.0.1", 0), Address(path=str(tmp_path / "x.sock"))):
        async with serving(echo, address=address) as listening:
            client = Client(listening.address)
            for body in (b"", b"a", b"b" * 1_000_000):
                answer = await client.send("POST", "/a?b=c", [(b"X-Sent", b"yes")], body, deadline=PATIENCE)
                assert (answer.status, answer.header(b"x-saw"), answer.body) == (201, b"yes", body)
            await client.close()


async def test_one_connection_is_kept_for_requests_that_follow_each_other() -> None:
    async with scripted(answering(*[OK] * 5), answering()) as address:
        client = Client(address)
        for _ in range(5):
            assert (await client.send("POST", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


@pytest.mark.parametrize(
    ("method", "answer", "status", "body"),
    [
        ("GET", CHUNKED + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: u\r\n\r\n", 200, b"abc"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 200, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 99\r\n\r\n', 304, b""),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + OK, 200, b"ok"),
        ("POST", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
    ],
    ids=["chunked", "HEAD", "HEAD chunked", "204", "304", "103", "100", "empty"],
)  # fmt: skip
async def test_an_answer_of_each_framing_leaves_the_connection_usable(
    method: str, answer: bytes, status: int, body: bytes
) -> None:
    async with scripted(answering(answer, OK), silent) as address:
        client = Client(address, connections=1)
        first = await client.send(method, "/", deadline=PATIENCE)
        assert (first.status, first.body, first.header(b"x")) == (status, body, None)
        assert (await client.send("POST", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


@pytest.mark.parametrize(
    ("method", "answer", "body"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        ("GET", b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        ("GET", OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b"ok"),
        ("GET", OK + b"garbage", b"ok"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\n", b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison", b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\npoison", b""),
    ],
    ids=[
        "close",
        "1.0",
        "until EOF",
        "two answers",
        "garbage",
        "HEAD close",
        "body after HEAD",
        "body after 304",
        "body after 204",
    ],
)
async def test_a_connection_that_said_too_much_or_goodbye_is_not_used_again(
    method: str, answer: bytes, body: bytes
) -> None:
    async with scripted(answering(answer), answering(OK)) as address:
        client = Client(address, connections=1)
        assert (await client.send(method, "/", deadline=PATIENCE)).body == body
        assert (await client.send("POST", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


async def test_bytes_that_come_unasked_between_requests_answer_nothing() -> None:
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    async with scripted(answering(OK, then=[poison]), answering(OK)) as address:
        client = Client(address, connections=1)
        for _ in range(2):
            assert (await client.send("GET", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


async def test_a_get_on_a_kept_connection_that_was_closed_is_sent_again_once() -> None:
    async with scripted(answering(OK, b""), answering(OK)) as address:
        client = Client(address, connections=1)
        for _ in range(2):
            assert (await client.send("GET", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


@pytest.mark.parametrize(
    ("method", "scripts"),
    [
        ("POST", [answering(OK, b""), answering(OK)]),
        ("GET", [answering(OK, b"HTTP"), answering(OK)]),
        ("GET", [answering(OK, b""), answering(b""), answering(OK)]),
    ],
    ids=["it may have acted", "its answer had begun", "a fresh one was closed too"],
)
async def test_a_request_is_not_sent_again_when(method: str, scripts: list) -> None:  # type: ignore[type-arg]
    async with scripted(*scripts) as address:
        client = Client(address, connections=1)
        await client.send("GET", "/", deadline=PATIENCE)
        with pytest.raises(Unreachable, match="closed the connection"):
            await client.send(method, "/", deadline=PATIENCE)
        assert (await client.send("GET", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"a" * 2000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"a" * 2000 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    ],
    ids=lambda answer: answer[:60].decode() or "nothing",
)
async def test_half_odd_or_endless_answers_are_no_answers(answer: bytes) -> None:
    async with scripted(answering(answer), answering(OK)) as address:
        client = Client(address, connections=1, answer_bytes=1000)
        with pytest.raises(Unreachable):
            await client.send("POST", "/", deadline=PATIENCE)
        assert (await client.send("POST", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


async def test_who_cannot_be_connected_to_is_unreachable(tmp_path: Path) -> None:
    async with scripted(silent) as address:
        pass
    for gone in (address, Address(path=str(tmp_path / "none.sock"))):
        client = Client(gone, connections=1)
        for _ in range(3):
            with pytest.raises(Unreachable, match="can't be reached"):
                await client.send("GET", "/", deadline=PATIENCE)


async def test_the_deadline_holds_for_waiting_and_for_the_answer_and_frees_the_connection() -> None:
    async with scripted(silent, answering(OK)) as address:
        client = Client(address, connections=1)
        hanging = asyncio.create_task(client.send("GET", "/", deadline=PATIENCE))
        with pytest.raises(DeadlineExceeded):
            await client.send("GET", "/", deadline=0.05)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert (await client.send("GET", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


async def test_an_answer_that_comes_after_the_deadline_is_nobody_elses() -> None:
    late = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await late.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    async with scripted(slow, answering(OK, OK)) as address:
        client = Client(address, connections=1)
        with pytest.raises(DeadlineExceeded):
            await client.send("GET", "/", deadline=0.05)
        late.set()
        for _ in range(2):
            assert (await client.send("GET", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


async def test_a_hanging_server_holds_no_more_callers_than_allowed() -> None:
    async with scripted(silent) as address:
        client = Client(address, connections=2, waiting=3)
        held = [asyncio.create_task(client.send("GET", "/", deadline=PATIENCE)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await client.send("GET", "/", deadline=PATIENCE)
        await client.close()
        for outcome in await asyncio.gather(*held, return_exceptions=True):
            assert isinstance(outcome, Unreachable)


async def test_requests_of_many_cancelled_at_any_moment_lose_no_connection_and_mix_no_answers() -> None:
    async def tell(request: Request) -> web.Response:
        if "slow" in request.query_string:
            await asyncio.sleep(0.003)
        return web.Response(text=request.safe_path)

    async with serving(tell) as listening:
        client = Client(listening.address, connections=4, waiting=1000)

        async def ask(n: int) -> None:
            answer = await client.send("GET", f"/{n}?{'slow' if n % 3 else ''}", deadline=PATIENCE)
            assert answer.body == b"/%d" % n

        tasks = [asyncio.create_task(ask(n)) for n in range(400)]
        for n, task in enumerate(tasks):
            if n % 5 == 0:
                asyncio.get_running_loop().call_later(n / 4000, task.cancel)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError}
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(ask(n) for n in range(50)))
        await client.close()


@pytest.mark.parametrize("path", ["", "a", "/a b", "/a\r\nX: y", "/é", "http://a/"])
async def test_a_path_that_would_break_the_request_is_not_sent(path: str) -> None:
    with pytest.raises(ValueError, match="can't be sent"):
        await Client(Address("127.0.0.1", 1)).send("GET", path, deadline=1)


@pytest.mark.parametrize("header", [(b"X", b"a\r\nY: b"), (b"X\n", b"a"), (b"X", b"a\0"), (b"X", b"a\rb")])
async def test_a_header_that_would_break_the_request_is_not_sent(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="line break"):
        await Client(Address("127.0.0.1", 1)).send("GET", "/", [header], deadline=1)


# Streams


async def test_a_stream_is_passed_on_piece_by_piece_and_its_connection_kept() -> None:
    gate = asyncio.Event()

    async def events(request: Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await gate.wait()
        await response.write(b"data: 2\n\n")
        return response

    async with serving(events) as listening:
        client = Client(listening.address, connections=1)
        for _ in range(2):
            gate.clear()
            async with asyncio.timeout(PATIENCE), client.stream("GET", "/", deadline=PATIENCE) as answer:
                assert (answer.status, answer.header(b"content-type")) == (200, b"text/event-stream")
                pieces = aiter(answer)
                assert await anext(pieces) == b"data: 1\n\n"
                gate.set()
                assert b"".join([piece async for piece in pieces]) == b"data: 2\n\n"
        assert len(client._idle) == 1
        await client.close()


async def test_a_slow_reader_of_a_stream_holds_its_server_back() -> None:
    sent = 0

    async def flood(request: Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2000):
            await response.write(b"x" * 65536)
            sent += 65536
        return response

    async with serving(flood) as listening:
        client = Client(listening.address)
        async with asyncio.timeout(60), client.stream("GET", "/", deadline=PATIENCE) as answer:
            before = -1
            while before != sent:  # until the server can write no more
                before = sent
                await asyncio.sleep(0.05)
            assert sent < 2000 * 65536
            assert sum([len(piece) async for piece in answer]) == 2000 * 65536
        await client.close()


async def test_a_stream_that_is_cut_or_left_early_says_so_and_its_connection_is_thrown_away() -> None:
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
    whole = cut + b"0\r\n\r\n"
    async with scripted(answering(cut), answering(whole), answering(OK)) as address:
        client = Client(address, connections=1)
        async with client.stream("GET", "/", deadline=PATIENCE) as answer:
            pieces = aiter(answer)
            assert await anext(pieces) == b"ab"
            with pytest.raises(Unreachable):
                await anext(pieces)
        async with client.stream("GET", "/", deadline=PATIENCE):
            pass
        assert (await client.send("POST", "/", deadline=PATIENCE)).body == b"ok"
        await client.close()


# Parsing


class Paper(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def read(pieces: list[bytes], *, bodiless: bool = False) -> tuple[object, ...]:
    exchange = Exchange()
    exchange.connection_made(Paper())
    exchange.request(b"", bodiless=bodiless, limit=10_000)
    for piece in pieces:
        exchange.data_received(piece)
    exchange.connection_lost(None)
    return exchange.status, exchange.headers, exchange.take(), exchange.complete, exchange.failure is None


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nLong: " + b"x" * 100 + b"\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\nX: y\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n",
]


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 200), max_size=12))
def test_wherever_an_answer_is_split_it_reads_the_same(answer: bytes, cuts: list[int]) -> None:
    places = sorted({min(cut, len(answer)) for cut in cuts} | {0, len(answer)})
    pieces = [answer[start:end] for start, end in pairwise(places) if start < end]
    assert read(pieces) == read([answer])
    assert read([answer])[3:] == (True, True)


@given(st.sampled_from(ANSWERS), st.lists(st.tuples(st.integers(0, 150), st.binary(max_size=3)), max_size=4))
def test_a_mangled_answer_never_crashes_the_reader(answer: bytes, changes: list[tuple[int, bytes]]) -> None:
    for place, data in changes:
        answer = answer[:place] + data + answer[place + 1 :]
    *_, complete, fine = read([answer])
    assert complete or not fine


def test_a_connection_on_which_bytes_come_unasked_is_ended_at_once() -> None:
    exchange, paper = Exchange(), Paper()
    exchange.connection_made(paper)
    exchange.request(b"", bodiless=False, limit=0)
    exchange.data_received(OK)
    assert exchange.finish()
    exchange.data_received(b"H")
    assert paper.closed
    assert not exchange.usable


@pytest.mark.parametrize("answer", ANSWERS[:3])
def test_an_answer_cut_anywhere_is_not_taken_for_whole(answer: bytes) -> None:
    for end in range(len(answer)):
        assert read([answer[:end]])[3:] == (False, False)
