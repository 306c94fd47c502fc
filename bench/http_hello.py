"""How much of bare aiohttp's rate the hardened server keeps: hello over kept connections, alternating rounds.

python -m bench.http_hello [rounds] [seconds]
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import uvloop
from aiohttp import web

from shared.web.address import Address
from shared.web.server import serve

REQUEST = b"GET /v1/hello HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\nAuthorization: Bearer abcdef\r\n\r\n"
CONNECTIONS = 16


async def hello(_: web.BaseRequest) -> web.Response:
    return web.Response(body=b'{"hello":"world"}', content_type="application/json")


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/v1/hello", hello)  # type: ignore[arg-type]
    return app


async def run_server(kind: str) -> None:
    if kind.startswith("bare"):
        runner: web.BaseRunner = (
            web.AppRunner(application(), access_log=None)
            if kind == "bare"
            else web.ServerRunner(web.Server(hello, access_log=None))
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
    else:
        listening = await serve(application() if kind == "hardened" else hello, Address.parse("tcp://127.0.0.1:0"))
        port = listening.port
    print(port, flush=True)
    await asyncio.Event().wait()


async def load(port: int, seconds: float) -> float:
    """Requests per second, one at a time on each connection."""
    end = time.perf_counter() + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answered = 0
        while time.perf_counter() < end:
            writer.write(REQUEST)
            answer = await reader.read(4096)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            answered += 1
        writer.close()
        return answered

    began = time.perf_counter()
    return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS)))) / (time.perf_counter() - began)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    kinds = ["bare", "hardened", "bare-handler", "hardened-handler"]
    servers = {
        k: subprocess.Popen([sys.executable, "-m", "bench.http_hello", "serve", k], stdout=subprocess.PIPE, text=True)
        for k in kinds
    }
    try:
        ports = {kind: int(server.stdout.readline()) for kind, server in servers.items() if server.stdout}
        rates: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind in kinds:
                rates[kind].append(uvloop.run(load(ports[kind], seconds)))
    finally:
        for server in servers.values():
            server.terminate()
    median = {kind: statistics.median(values) for kind, values in rates.items()}
    report = {
        "load": os.getloadavg()[0],
        "per_second": {kind: round(value) for kind, value in median.items()},
        "hardened_to_bare": round(median["hardened"] / median["bare"], 3),
        "hardened_handler_to_bare_handler": round(median["hardened-handler"] / median["bare-handler"], 3),
    }
    print(json.dumps(report, indent=2))
    Path("bench/results").mkdir(parents=True, exist_ok=True)
    Path("bench/results/local-http-hello.json").write_text(json.dumps(report))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(run_server(sys.argv[2]))
    else:
        main()
