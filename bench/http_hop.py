"""What the gateway's hop costs: hello asked directly, through a hop by aiohttp's client, and through a hop by ours.

    python -m bench.http_hop [rounds] [seconds]

Hop and service are processes of their own, as in production; all rounds alternate in one run.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from bench.http_hello import hello, load
from shared.web.address import Address
from shared.web.client import Client
from shared.web.server import Listening, Request, serve

KINDS = ["direct", "aiohttp-tcp", "lean-tcp", "lean-unix", "local"]
ANY_PORT = Address.parse("tcp://127.0.0.1:0")


async def run_server(kind: str, target: str) -> None:
    """`direct`: the service; `local`: a hop that answers by itself; others: a hop to `target`."""
    held: list[Listening] = []  # uvloop closes a server that nobody refers to
    if kind == "local":
        listening = await serve(hello, ANY_PORT)
    elif kind == "direct":
        listening = await serve(hello, ANY_PORT)
        held.append(await serve(hello, Address.parse(target)))
    elif kind == "aiohttp-tcp":
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32), auto_decompress=False)
        url = target.replace("tcp:", "http:") + "/v1/hello"

        async def by_aiohttp(request: Request) -> web.Response:
            headers = {"Authorization": request.headers["Authorization"], "Request-Id": request.id}
            async with session.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as answer:
                return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")

        listening = await serve(by_aiohttp, ANY_PORT)
    else:
        client = Client(Address.parse(target))

        async def by_ours(request: Request) -> web.Response:
            headers = [
                (b"Authorization", request.headers["Authorization"].encode()),
                (b"Request-Id", request.id.encode()),
            ]
            answer = await client.send("GET", "/v1/hello", headers, deadline=10)
            return web.Response(body=answer.body, status=answer.status, content_type="application/json")

        listening = await serve(by_ours, ANY_PORT)
    print(listening.port, flush=True)
    await asyncio.Event().wait()


def start(kind: str, target: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "bench.http_hop", "serve", kind, target]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, int(server.stdout.readline())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    servers: list[subprocess.Popen[str]] = []
    ports: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        unix = f"unix://{folder}/hello.sock"
        try:
            for kind in KINDS:
                tcp = f"tcp://127.0.0.1:{ports.get('direct', 0)}"
                server, ports[kind] = start(kind, unix if kind in ("direct", "lean-unix") else tcp)
                servers.append(server)
            rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for _ in range(rounds):
                for kind in KINDS:
                    rates[kind].append(uvloop.run(load(ports[kind], seconds)))
        finally:
            for server in servers:
                server.terminate()
                server.wait()
    median = {kind: statistics.median(values) for kind, values in rates.items()}
    report = {
        "load": os.getloadavg()[0],
        "per_second": {kind: round(value) for kind, value in median.items()},
        "to_direct": {kind: round(value / median["direct"], 3) for kind, value in median.items()},
        "lean_to_aiohttp": round(median["lean-tcp"] / median["aiohttp-tcp"], 2),
    }
    print(json.dumps(report, indent=2))
    Path("bench/results").mkdir(parents=True, exist_ok=True)
    Path("bench/results/local-http-hop.json").write_text(json.dumps(report))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(run_server(sys.argv[2], sys.argv[3]))
    else:
        main()
