"""What the gateway's hop costs: the same answer asked directly and through one more process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from bench.http_hello import HELLO
from bench.suite.load import load, rate_of
from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import folder, program

Ports = dict[str, str]


@asynccontextmanager
async def hops() -> AsyncIterator[Ports]:
    async with AsyncExitStack() as stack:
        unix = f"unix://{await stack.enter_async_context(folder())}/hello.sock"
        direct = await stack.enter_async_context(program("bench.suite.servers", "hardened-handler", unix))
        tcp = f"tcp://127.0.0.1:{direct}"
        ports = {"direct": direct}
        for name, kind, target in (
            ("aiohttp-tcp", "hop-aiohttp", tcp),
            ("ours-tcp", "hop-ours", tcp),
            ("ours-unix", "hop-ours", unix),
        ):
            ports[name] = await stack.enter_async_context(program("bench.suite.servers", kind, target))
        yield ports


def asked(name: str) -> Callable[[Ports, float], Awaitable[Figures]]:
    async def run(ports: Ports, seconds: float) -> Figures:
        return rate_of(await load(f"tcp://127.0.0.1:{ports[name]}", HELLO, seconds))

    return run


BENCHMARK = Benchmark(
    what="`GET /v1/hello` asked directly, and through a process that passes it on: by aiohttp's client, by ours over TCP, "
    "by ours over a unix socket. Three processes share the machine's cores, so the ratio to the direct call is a lower bound.",
    opens=hops,
    contenders=[
        Contender("direct", asked("direct")),
        Contender("hop by aiohttp's client", asked("aiohttp-tcp")),
        Contender("hop by our client, TCP", asked("ours-tcp")),
        Contender("hop by our client, unix socket", asked("ours-unix")),
    ],
    goals=[
        Goal("hop by our client, unix socket", "/s", "hop by aiohttp's client", least=2),
        Goal("hop by our client, unix socket", "/s", "direct", least=0.4),
    ],
)
