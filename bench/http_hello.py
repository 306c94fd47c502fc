"""How much of bare aiohttp's rate the hardened server keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from bench.suite.load import load, rate_of, request
from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import program

KINDS = ("bare", "hardened", "bare-handler", "hardened-handler")
HELLO = request("GET", "/v1/hello", authorization="Bearer abcdef")

Ports = dict[str, str]


@asynccontextmanager
async def servers() -> AsyncIterator[Ports]:
    async with AsyncExitStack() as stack:
        yield {kind: await stack.enter_async_context(program("bench.suite.servers", kind)) for kind in KINDS}


def asked(kind: str) -> Callable[[Ports, float], Awaitable[Figures]]:
    async def run(ports: Ports, seconds: float) -> Figures:
        return rate_of(await load(f"tcp://127.0.0.1:{ports[kind]}", HELLO, seconds))

    return run


BENCHMARK = Benchmark(
    what="`GET /v1/hello` over 16 kept connections, server and client in a process each: our server, with its deadlines, "
    "limits and strict framing, beside aiohttp as it comes without access log.",
    opens=servers,
    contenders=[
        Contender("bare aiohttp, one route", asked("bare")),
        Contender("our server, one route", asked("hardened")),
        Contender("bare aiohttp, no router", asked("bare-handler")),
        Contender("our server, no router", asked("hardened-handler")),
    ],
    goals=[
        Goal("our server, one route", "/s", "bare aiohttp, one route", least=0.9),
        Goal("our server, no router", "/s", "bare aiohttp, no router", least=0.9),
    ],
)
