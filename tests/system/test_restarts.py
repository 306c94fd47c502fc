"""Processes come, go and are new, brokers are away: nobody misses anything, and operators see what is the matter."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from random import Random

from shared.ids import new_id
from tests.broker import Broker
from tests.system.house import House, house_of
from tests.world import Databases

PAIR = {"sharing": ["org"]}


async def settled(house: House) -> None:
    assert await house.until_converged(), await house.open_work()
    verdict = await house.verdict()
    assert verdict.is_clean, str(verdict)
    print(verdict)


async def test_rolling_restarts_under_load_lose_nothing(
    databases: Databases, broker: Broker, vhost: str, tmp_path: Path
) -> None:
    async with house_of(PAIR, databases, broker, tmp_path / "house", vhost=vhost) as house:
        house.open("org", "sharing")
        await house.until_ready()
        load = asyncio.create_task(house.load(Random(1), 1500, 20))
        for replica in list(house.replicas):
            code = await replica.stop()
            assert code == 0, f"{replica.name} didn't end well: {code}"
            replica.start()
            await house.until_ready()
        await load
        await settled(house)
        assert house.answers["500"] == 0


async def test_who_speaks_before_anyone_ever_listened_is_heard(
    databases: Databases, broker: Broker, vhost: str, tmp_path: Path
) -> None:
    async with house_of(PAIR, databases, broker, tmp_path / "house", vhost=vhost) as house:
        house.open("org", replicas=1)
        await house.until_ready()
        await house.load(Random(2), 300, 10)
        async with asyncio.timeout(60):
            while await house.value("org", "select count(*) from outbox where published_at is null"):
                await asyncio.sleep(0.1)
        house.open("sharing", replicas=1)
        await settled(house)


async def test_a_new_subscriber_catches_up_from_the_beginning_by_itself(
    databases: Databases, broker: Broker, vhost: str, tmp_path: Path
) -> None:
    hears = {"sharing": ["org"], "billing": ["org"]}
    async with house_of(hears, databases, broker, tmp_path / "house", vhost=vhost) as house:
        one = new_id("org")
        house.open("org", "sharing", replicas=1, names=["org", "sharing"])
        await house.until_ready()
        await house.load(Random(3), 300, 10)

        async def writer() -> None:
            for _ in range(50):
                await house.write(one, 10)

        await asyncio.gather(*(writer() for _ in range(9)))  # more than a piece of a replay
        began = time.monotonic()
        house.open("billing", replicas=1)
        await settled(house)
        print(f"caught up in {time.monotonic() - began:.1f} s")


async def test_while_the_broker_is_away_commands_succeed_and_afterwards_everything_arrives_in_order(
    databases: Databases, broker: Broker, vhost: str, tmp_path: Path
) -> None:
    async with house_of(PAIR, databases, broker, tmp_path / "house", vhost=vhost) as house:
        replicas = house.open("org", "sharing")
        await house.until_ready()
        await broker.stop()
        gone = time.monotonic()
        await house.load(Random(4), 600, 20)
        assert set(house.answers) <= {"201", "409"}, "a command was refused because the broker is away"
        for replica in replicas:
            status, body = await house.ready(replica)
            assert status == 200
            assert "bus" in body["remarks"], "an operator sees that the broker is away"  # type: ignore[operator]
        assert await house.value("org", "select count(*) from outbox where published_at is null") >= 600
        while time.monotonic() - gone < 20:
            await house.write(new_id("org"))
            await asyncio.sleep(0.5)
        await broker.start()
        back = time.monotonic()
        await settled(house)
        print(f"drained in {time.monotonic() - back:.1f} s")


async def test_who_lost_its_queue_gets_it_back_with_what_was_in_it(
    databases: Databases, broker: Broker, vhost: str, tmp_path: Path
) -> None:
    async with house_of(PAIR, databases, broker, tmp_path / "house", vhost=vhost) as house:
        house.open("org", "sharing", replicas=1)
        await house.until_ready()
        await house.load(Random(5), 50, 5)
        await broker.ctl("delete_queue", "-p", vhost, "sharing.events")
        await house.load(Random(6), 50, 5)
        await settled(house)
        await house.until_ready()


async def test_a_paused_leader_is_replaced_and_comes_back_harmless(
    databases: Databases, broker: Broker, vhost: str, tmp_path: Path
) -> None:
    async with house_of(PAIR, databases, broker, tmp_path / "house", vhost=vhost) as house:
        house.open("org", "sharing")
        await house.until_ready()
        paused = house.stop_the_leader("org")
        await house.load(Random(7), 100, 5)
        async with asyncio.timeout(60):  # by another one: this one stands still
            while await house.value("org", "select count(*) from outbox where published_at is null"):
                await asyncio.sleep(0.1)
        paused.send(signal.SIGCONT)
        await house.load(Random(8), 100, 5)
        await settled(house)
