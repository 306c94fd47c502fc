"""The tests' own RabbitMQ: real, private, and as mortal as the fault tests need it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import pytest

from tests.broker import Broker, PrivateRabbit, private_broker
from tests.broker_programs import BrokerMissing, Programs, fetch, fetched, programs
from tests.system.subscribing import until


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    node = await private_broker(tmp_path_factory.mktemp("rabbit"))
    await node.start()
    yield node
    await node.wipe()


async def put(url: str, queue: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(queue, durable=True)
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=queue)


async def depth(url: str, queue: str) -> int | None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        declared = await channel.declare_queue(queue, durable=True)
        return declared.declaration_result.message_count


async def test_a_durable_message_survives_a_clean_stop(broker: Broker) -> None:
    await put(broker.url, "clean", b"kept")
    await broker.stop()
    await broker.start()
    assert await depth(broker.url, "clean") == 1


async def test_a_durable_message_survives_a_kill_and_the_address_stays(broker: Broker) -> None:
    before = broker.url
    await put(broker.url, "killed", b"kept")
    await broker.settle()
    await broker.kill()
    with pytest.raises(OSError, match=r"Connect|refused"):
        await aio_pika.connect(broker.url)
    await broker.start()
    assert broker.url == before
    assert await depth(broker.url, "killed") == 1


async def test_wiping_forgets_everything_and_the_address_stays(broker: Broker) -> None:
    await put(broker.url, "wiped", b"lost")
    await broker.wipe()
    await broker.start()
    assert "wiped" not in await broker.ctl("list_queues", "name")
    assert await depth(broker.url, "wiped") == 0


async def test_the_node_listens_on_loopback_only_and_leaves_no_process_behind(tmp_path: Path) -> None:
    if not Path("/proc/net/tcp").exists():
        pytest.skip("needs /proc")
    node = PrivateRabbit(tmp_path)
    await node.start()
    mine = processes_in(tmp_path)
    listening = listeners_of(mine) - {"0100007F", "00000000000000000000000001000000"}
    await node.stop()
    assert len(mine) >= 2
    assert listening == set()
    await until(lambda: not processes_in(tmp_path), "the end of every process")  # helpers see it when their pipe ends


async def test_starting_what_runs_and_killing_what_is_dead_do_nothing(broker: Broker) -> None:
    await broker.start()
    assert "guest" in await broker.ctl("list_users")
    await broker.kill()
    await broker.kill()
    await broker.start()


async def test_without_any_source_the_message_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.broker_programs.TOOLS", tmp_path)
    with pytest.raises(BrokerMissing, match=r"(?s)apt install rabbitmq-server.*brew.*Docker"):
        programs()
    with pytest.raises(BrokerMissing):
        await private_broker(tmp_path)


@pytest.mark.skipif(
    shutil.which("apt-get") is None or not os.environ.get("TENANTRY_TEST_FETCH"),
    reason="fetches 35 MB; set TENANTRY_TEST_FETCH=1 on Debian or Ubuntu",
)
async def test_a_fetched_node_runs_without_being_installed(tmp_path: Path) -> None:
    found = fetch(tmp_path / "tools")
    assert isinstance(found, Programs)
    assert fetched(tmp_path / "tools") == found
    node = PrivateRabbit(tmp_path / "node", found)
    await node.start()
    await put(node.url, "fetched", b"hello")
    assert await depth(node.url, "fetched") == 1
    await node.wipe()


def processes_in(folder: Path) -> set[int]:
    """Processes whose surroundings name the folder."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"HOME={folder}/home".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def listeners_of(processes: set[int]) -> set[str]:
    """The addresses, in hexadecimal, on which these processes accept TCP connections."""
    sockets = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except OSError:
                continue
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else []:
            column = line.split()
            if column[3] == "0A" and column[9] in sockets:
                found.add(column[1].split(":")[0])
    assert found
    return found
