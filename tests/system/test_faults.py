"""Everything that can break breaks, at random, under load; then what every side saw is compared.

TENANTRY_FAULT_SEED repeats a run's choices; TENANTRY_FAULT_EVENTS makes it longer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from tests.broker import Broker
from tests.system.house import House, house_of
from tests.world import Databases

EVERYBODY = {"sharing": ["org"], "audit": ["org", "sharing"]}
EVENTS = int(os.environ.get("TENANTRY_FAULT_EVENTS", "5000"))
SEED = int(os.environ.get("TENANTRY_FAULT_SEED", "0")) or int(time.time())


async def befall_processes(house: House, random: Random) -> None:
    """One fault after another."""
    for _ in range(max(10, EVENTS // 200)):
        await asyncio.sleep(random.uniform(0.4, 1.4))
        match random.choice(("process", "process", "process", "leader", "connections", "connections", "marks")):
            case "process":
                await house.kill_a_process(random)
            case "leader":
                await house.pause_the_leader(random.choice(("org", "sharing")), random.uniform(1, 4))
            case "connections":
                await house.end_connections(random)
            case "marks":
                await house.forget_what_was_published(random)


async def befall_the_broker(house: House, random: Random) -> None:
    """It is killed again and again; the first time its disk is lost too."""
    await asyncio.sleep(random.uniform(1, 3))
    await house.wipe_the_broker()
    for _ in range(max(2, EVENTS // 1500)):
        await asyncio.sleep(random.uniform(2, 6))
        await house.kill_the_broker()


async def test_nothing_is_lost_doubled_turned_round_or_made_up_whatever_breaks(
    databases: Databases, broker: Broker, tmp_path: Path
) -> None:
    print(f"seed {SEED}, {EVENTS} events")
    random = Random(SEED)
    async with house_of(EVERYBODY, databases, broker, tmp_path / "house") as house:
        house.open("org", "sharing", "audit")
        await house.until_ready()
        began = time.monotonic()
        faults = [
            asyncio.create_task(befall_processes(house, Random(SEED + 1))),
            asyncio.create_task(befall_the_broker(house, Random(SEED + 2))),
        ]
        try:
            await house.load(random, EVENTS, 50)
            loaded = time.monotonic()
            assert not [fault for fault in faults if fault.done() and fault.exception()], "a fault failed"
        finally:
            await heal(house, faults)
        healed = time.monotonic()
        converged = await house.until_converged()
        done = time.monotonic()
        verdict = await house.verdict()
        print(
            f"load {loaded - began:.1f} s, healed {healed - loaded:.1f} s, converged after {done - healed:.1f} s;"
            f" befell {dict(house.befell)}, restarts {sum(r.restarts for r in house.replicas)}, answers {dict(house.answers)}; {verdict}"
        )
        assert converged, await house.open_work()
        assert verdict.is_clean, str(verdict)
        assert verdict.checked >= 3 * EVENTS


async def heal(house: House, faults: list[asyncio.Task[None]]) -> None:
    """The last fault is over: the broker runs, nobody is paused."""
    for fault in faults:
        fault.cancel()
    await asyncio.gather(*faults, return_exceptions=True)
    for replica in house.replicas:
        replica.send(signal.SIGCONT)
    await house.broker.start()


@pytest.mark.parametrize(
    ("broken", "wrong"),
    [
        ("publish_before_commit", "ghosts"),
        ("no_deduplication", "twice"),
        ("several_relays", "out_of_order"),
        ("marked_before_confirmed", "lost"),
    ],
)
async def test_the_checker_notices_a_kernel_with(
    broken: str, wrong: str, databases: Databases, broker: Broker, vhost: str, tmp_path: Path
) -> None:
    random = Random(SEED)
    hears = {"audit": ["org"]}
    async with house_of(hears, databases, broker, tmp_path / "house", vhost=vhost, broken=broken) as house:
        house.open("org", "audit")
        await house.until_ready()
        await house.load(random, 300, 5)
        await house.forget_what_was_published(random)
        if broken == "marked_before_confirmed":
            await broker.kill()
            await house.load(random, 50, 5)
            await broker.start()
        await house.load(random, 50, 5)
        await house.until_converged(seconds=8)
        verdict = await house.verdict()
        print(f"{broken}: {verdict}")
        assert wrong in verdict.kinds, str(verdict)
