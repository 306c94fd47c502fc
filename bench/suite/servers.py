"""Small servers that others are measured against: `python -m bench.suite.servers KIND [TARGET]` prints its port.

`bare` is aiohttp as it comes with one route; `bare-handler` the same without router; `hardened` ours, with and without.
`hop-aiohttp`, `hop-ours` pass the request on to TARGET; `argon2` hashes a password for each request.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import aiohttp
import uvloop
from aiohttp import web

from shared.web.address import Address
from shared.web.client import Client
from shared.web.server import Handler, Listening, Request, serve

ANY_PORT = Address.parse("tcp://127.0.0.1:0")
PATH = "/v1/hello"


async def hello(_: web.BaseRequest) -> web.Response:
    return web.Response(body=b'{"hello":"world"}', content_type="application/json")


def application() -> web.Application:
    app = web.Application()
    app.router.add_get(PATH, hello)
    return app


async def bare(server: web.Application | web.Server) -> int:
    runner = web.AppRunner(server, access_log=None) if isinstance(server, web.Application) else web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


def by_aiohttp(target: str) -> Handler:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32), auto_decompress=False)
    url = target.replace("tcp:", "http:") + PATH

    async def answer(request: Request) -> web.Response:
        headers = {"Request-Id": request.id}
        async with session.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as came:
            return web.Response(body=await came.read(), status=came.status, content_type="application/json")

    return answer


def by_ours(target: str) -> Handler:
    client = Client(Address.parse(target))

    async def answer(request: Request) -> web.Response:
        came = await client.send("GET", PATH, [(b"Request-Id", request.id.encode())], deadline=10)
        return web.Response(body=came.body, status=came.status, content_type="application/json")

    return answer


async def run(kind: str, target: str) -> None:
    held: list[Listening] = []  # uvloop closes a server that nobody refers to
    if kind.startswith("bare"):
        port = await bare(application() if kind == "bare" else web.Server(hello, access_log=None))
    else:
        makes: dict[str, Callable[[], Handler | web.Application]] = {
            "hardened": application,
            "hardened-handler": lambda: hello,
            "hop-aiohttp": lambda: by_aiohttp(target),
            "hop-ours": lambda: by_ours(target),
        }
        listening = await serve(makes[kind](), ANY_PORT)
        held.append(listening)
        port = listening.port
        if kind == "hardened-handler" and target:
            held.append(await serve(hello, Address.parse(target)))
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
