"""The whole product as `tenantry up` runs it, in a process of its own, with an organization in it; all through the public API."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench.suite.load import Request, load
from bench.suite.surroundings import ROOT, cpu_seconds, folder, program
from shared.cli.demo.api import Gateway, Person, sign_up
from tests.ports import free_port

UP_SECONDS = 120.0


@dataclass
class Product:
    """Where it runs, and the process that runs it."""

    url: str
    data: Path
    process: subprocess.Popen[str]
    started_in: float
    gateway: Gateway
    peers: dict[str, str] = field(default_factory=dict)  # other servers to measure against, by name: their URLs

    @property
    def address(self) -> str:
        return self.url.replace("http:", "tcp:")

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads((self.data / "running.json").read_bytes())
        return found


async def asked(
    running: Product, what: Request, seconds: float, *, connections: int = 16, expect: int = 200
) -> dict[str, float]:
    """A load on the product: requests per second, and the CPU that each cost, which other work on the machine distorts less."""
    before = cpu_seconds(running.process.pid)
    measured = await load(running.address, what, seconds, connections=connections, expect=frozenset({expect}))
    spent = cpu_seconds(running.process.pid) - before
    return {"/s": measured.rate, "ms of CPU each": spent * 1000 / len(measured.seconds)}


def start(data: Path, port: int) -> tuple[subprocess.Popen[str], float]:
    """`tenantry up`, and the seconds until it says that it is up."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("TENANTRY_")}
    command = ["-P", "-m", "services.launcher", "up", "--data", str(data), "--port", str(port)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**surroundings, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Tenantry is up" in line:
            return process, time.perf_counter() - began
        if time.perf_counter() - began > UP_SECONDS:
            break
    process.kill()
    raise RuntimeError(f"tenantry up didn't come up:\n{said}")


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@asynccontextmanager
async def product(*peers: str) -> AsyncIterator[Product]:
    """A fresh product, and servers to measure it against (kinds of `bench.suite.servers`)."""
    async with AsyncExitStack() as stack:
        data = await stack.enter_async_context(folder()) / "data"
        port = free_port()
        process, seconds = await asyncio.to_thread(start, data, port)
        stack.callback(stop, process)
        url = f"http://127.0.0.1:{port}"
        running = Product(url, data, process, seconds, await stack.enter_async_context(Gateway(url)))
        for kind in peers:
            running.peers[kind] = (
                f"tcp://127.0.0.1:{await stack.enter_async_context(program('bench.suite.servers', kind))}"
            )
        yield running


@dataclass
class Organization:
    """An organization on the Business trial."""

    admin: Person
    domain: str
    members: list[Person] = field(default_factory=list)

    def bearer(self, number: int = 0) -> str:
        return f"Bearer {(self.members or [self.admin])[number % max(len(self.members), 1)].token}"


async def an_organization(gateway: Gateway, members: int = 0) -> Organization:
    """Its Admin, and so many Viewers, each invited and with a session."""
    domain = f"bench-{secrets.token_hex(4)}.example"
    admin = await sign_up(gateway, f"admin@{domain}", "Ada Admin", "Bench", quietly=True)
    (await admin.write("POST", "/v1/subscription/trial", after=admin.last_change[-1])).ok()
    await applied(admin)
    organization = Organization(admin, domain)
    people = [Person(gateway, f"viewer{n}@{domain}", f"Viewer {n}") for n in range(members)]
    for person in people:
        body = {"email": person.email, "role": "viewer", "group_ids": []}
        (await admin.write("POST", "/v1/invitations", body)).ok()
    tokens = await mailed_tokens(gateway, {person.email for person in people})
    for start_at in range(0, len(people), 8):
        some = people[start_at : start_at + 8]
        await asyncio.gather(*(person.accept(tokens[person.email], quietly=True) for person in some))
    if people:
        admin.last_change.append(people[-1].last_change[-1])
        await applied(admin)
    organization.members = people
    return organization


async def mailed_tokens(gateway: Gateway, addresses: set[str]) -> dict[str, str]:
    """The token in the mail to each address, once all have come."""
    found: dict[str, str] = {}
    async with asyncio.timeout(60):
        while set(found) < addresses:
            reply = await gateway.send("GET", "/dev/mail", headers={"Accept": "application/json"}, quietly=True)
            for mail in reply.ok()["data"]:
                if mail["to"] in addresses and (token := re.search(r"tms_[\w-]+", " ".join(mail["links"]))):
                    found.setdefault(mail["to"], token[0])
            await asyncio.sleep(0.1)
    return found


async def applied(person: Person) -> None:
    """Waits until a person's last change is applied wherever it is heard."""
    async with asyncio.timeout(60):
        while True:
            reply = await person.ask("GET", f"/v1/changes/{person.last_change[-1]}", after="", quietly=True)
            if reply.status == 200 and all(one["state"] == "applied" for one in reply.json["subscribers"]):
                return
            await asyncio.sleep(0.02)
