"""The story goes on while the database under it, or each of its services, is killed, and once the product itself: nothing is lost, nothing is done twice.

TENANTRY_FAULT_SEED repeats a run's choices.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from services.courier.usecases.sending import LEASE
from services.launcher import PRODUCT
from shared.cli.demo import api
from shared.cli.demo.api import PatientGateway, Reply
from shared.cli.demo.narrator import Narrator
from shared.cli.demo.story import tell
from shared.config import SERVICES
from tests.broker import Broker
from tests.ports import free_port
from tests.system.keeping import Kept
from tests.system.remains import connected, until_so
from tests.system.whole import started

SEED = int(os.environ.get("TENANTRY_FAULT_SEED", "0")) or int(time.time())

# What differs from one telling to the next: who tries again signs in again, refusals are told together, the end of the log is signed once
# a minute however long the telling lasts, and who has lost a dashboard before the turn of the mail about it comes (the plan lapses in the
# story) gets none: these mails are counted by `TWICE`.
VARYING = r"(action\.refused|session\.|sign_in\.|head\.signed)"
PATIENCE_SECONDS = 600.0  # on a busy machine the services of a supervisor need minutes to be there again
SAID = f"""
select type, count(*) from outbox where org_id = $1 and type !~ '{VARYING}'
    and not (type = 'courier.mail.requested.v1' and position('"template":"dashboard_shared"'::bytea in body) > 0) group by type
"""
TWICE = "select recipient from mails where template = 'dashboard_shared' group by org_id, recipient, content::text having count(*) > 1"
DONE = {
    "audit": f"select action, count(*) from audit_entries where org_id = $1 and action !~ '{VARYING}' group by action",
    "courier": "select template || ' ' || state, count(*) from mails where org_id = $1 and template <> 'dashboard_shared' group by 1",
    "org": "select kind || ' ' || name || ' ' || active_members, count(*) from groups where org_id = $1 group by 1",
    "sharing": "select title || ' ' || mode, count(*) from dashboards where org_id = $1 group by 1",
    "billing": "select plan || ' ' || status, count(*) from subscriptions where org_id = $1 group by 1",
}
LEASE_OF_THE_DEAD = LEASE.total_seconds() + 30  # whoever had a mail in hand when it was killed keeps it so long
MEMBERS = {
    "org": "select user_id, role, status from members where org_id = $1",
    "sharing": "select user_id, role, status from members where org_id = $1",
    "courier": "select user_id, role, status from members where org_id = $1",
}
GAPS = "select subject from outbox group by subject having count(*) <> max(sequence) or min(sequence) <> 1"


class Besieged(PatientGateway):
    """A client while whose requests are under way processes are killed, one after another in random order."""

    def __init__(self, url: str, random: Random) -> None:
        super().__init__(url)
        self.supervisor: int | None = None
        self.killed: Counter[str] = Counter()
        self.acknowledged: list[str] = []
        self.at_path = ""
        self.reached = asyncio.Event()
        self._random = random
        self._in_turn: list[str] = []
        self._pause = 3
        self._killing: asyncio.Task[None] | None = None

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, quietly: bool = False
    ) -> Reply:
        if self.at_path and path == self.at_path and method == "POST":
            self.reached.set()
        if self._in_turn and self._pause <= 0 and (self._killing is None or self._killing.done()):
            await self.peace()
            self._killing = asyncio.create_task(self._kill_one())
            self._pause = self._random.randint(5, 30)
        reply = await super().send(method, path, body, headers, quietly=quietly)
        self._pause -= 1
        if reply.status < 300 and (change := reply.headers.get("tenantry-change")):
            self.acknowledged.append(change)
        return reply

    def besiege(self, supervisor: int, victims: Sequence[str]) -> None:
        self.supervisor, self._in_turn = supervisor, self._random.sample(victims, len(victims))

    async def _kill_one(self) -> None:
        """Somewhere in the midst of a request; returns when the process is there again."""
        assert self.supervisor is not None
        name = self._in_turn.pop()
        await asyncio.sleep(self._random.uniform(0, 0.08))
        before = children_of(self.supervisor)[name]
        os.kill(before, signal.SIGKILL)
        self.killed[name] += 1
        async with asyncio.timeout(60):
            while children_of(self.supervisor).get(name, before) == before:
                await asyncio.sleep(0.05)

    async def peace(self) -> None:
        """Whoever was killed last is there again; raises what went wrong in killing."""
        if self._killing is not None:
            await self._killing

    @property
    def all_were_killed(self) -> bool:
        return not self._in_turn


def children_of(supervisor: int) -> dict[str, int]:
    """A supervisor's processes by the name of what they run."""
    return dict(_children(supervisor))


def _children(supervisor: int) -> Iterator[tuple[str, int]]:
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rpartition(")")[2].split()[1]) != supervisor:
                continue
            command, environ = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
        except (OSError, IndexError):
            continue
        if b"services.launcher" in command:
            told = next((one for one in environ.split(b"\0") if one.startswith(b"TENANTRY_SERVICES=")), b"=")
            yield told.partition(b"=")[2].decode(), int(place.name)
        elif command.partition(b"\0")[0].endswith(b"/postgres"):
            yield "postgres", int(place.name)


async def story_of(gateway: PatientGateway) -> str:
    """Plays the story; returns the organization's id."""
    story = await tell(gateway, Narrator())
    return str((await story.ada.ask("GET", "/v1/organization", quietly=True)).ok()["id"])


async def counted(urls: Mapping[str, str], org_id: str) -> dict[str, dict[str, int]]:
    """What every service said of an organization, and what others made of it, by kind."""
    found = {}
    for service, url in urls.items():
        async with connected(url) as database:
            await database.execute("set tenantry.org_id = '*'")
            for what, sql in (("said", SAID), ("has", DONE.get(service))):
                if sql is not None:
                    found[f"{service} {what}"] = {row[0]: row[1] for row in await database.fetch(sql, org_id)}
    return found


async def members(urls: Mapping[str, str], org_id: str) -> dict[str, set[tuple[str, ...]]]:
    found = {}
    for service, sql in MEMBERS.items():
        async with connected(urls[service]) as database:
            await database.execute("set tenantry.org_id = '*'")
            found[service] = {tuple(row) for row in await database.fetch(sql, org_id)}
    return found


async def lost(urls: Mapping[str, str], acknowledged: list[str]) -> set[str]:
    """Changes that were answered and that nobody has said, or hasn't published."""
    missing = set(acknowledged)
    for url in urls.values():
        async with connected(url) as database:
            said = "select id from outbox where id = any($1::text[]) and published_at is not null"
            missing -= {row["id"] for row in await database.fetch(said, acknowledged)}
            assert not await database.fetch(GAPS), "numbers have gaps"
    return missing


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
async def test_the_story_goes_on_whoever_is_killed_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process: its database is killed again and again, and once itself."""
    await besieged_story(tmp_path, monkeypatch, ("postgres",) * 3)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
async def test_whichever_process_of_many_is_killed_the_story_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    """In a process each, on a broker: every service once, the gateway, and their supervisor with all of them."""
    await besieged_story(tmp_path, monkeypatch, SERVICES, "--processes", "--amqp", broker.url)


async def besieged_story(
    folder: Path, monkeypatch: pytest.MonkeyPatch, victims: Sequence[str], *arguments: str
) -> None:
    """Tells the story in peace, then while each of the victims is killed, then while everything is; all tellings have to come out alike."""
    print(f"seed {SEED}")
    for name in ("PATIENT_SECONDS", "MAIL_SECONDS", "SETTLE_SECONDS"):
        monkeypatch.setattr(api, name, PATIENCE_SECONDS)
    data, port = folder / "data", free_port()
    with ExitStack() as running:

        def up() -> subprocess.Popen[str]:
            return running.enter_context(started(*arguments, data=data, port=port))

        supervisor = await asyncio.to_thread(up)
        async with Besieged(f"http://127.0.0.1:{port}", Random(SEED)) as gateway:
            undisturbed = await story_of(gateway)
            disturbed = []
            gateway.besiege(supervisor.pid, victims)
            while not gateway.all_were_killed:
                disturbed.append(await story_of(gateway))
            await gateway.peace()

            gateway.at_path = "/v1/dashboards"
            last = asyncio.create_task(story_of(gateway))
            await asyncio.wait((last, asyncio.create_task(gateway.reached.wait())), return_when="FIRST_COMPLETED")
            os.kill(supervisor.pid, signal.SIGKILL)
            await asyncio.to_thread(supervisor.wait)
            await asyncio.to_thread(up)
            disturbed.append(await last)
            print(f"killed {dict(gateway.killed)}, tried again {dict(gateway.again)}, {len(disturbed)} stories")

        urls = orjson.loads((data / "running.json").read_bytes())["database_urls"]
        await Kept(urls, data / "secrets.json").settled()
        assert not await lost(urls, gateway.acknowledged)
        async with connected(urls["courier"]) as database:
            await database.execute("set tenantry.org_id = '*'")
            assert await database.fetch("select from mails where template = 'dashboard_shared'")
            assert not await database.fetch(TWICE), "a mail came twice"
        wanted = await counted(urls, undisturbed)
        assert set(wanted) == {f"{name} said" for name in PRODUCT.storing} | {f"{name} has" for name in DONE}
        for org_id in disturbed:
            await until_so(lambda told=org_id: same(urls, told, wanted), seconds=LEASE_OF_THE_DEAD)
            first, *others = (await members(urls, org_id)).values()
            assert others == [first] * len(others)


async def same(urls: Mapping[str, str], org_id: str, wanted: Mapping[str, Mapping[str, int]]) -> bool:
    """As an undisturbed story; what is different is printed."""
    found = await counted(urls, org_id)
    for name, counts in found.items():
        if counts != wanted[name]:
            print(f"{name}: {dict(Counter(counts) - Counter(wanted[name]))} too many, ", end="")
            print(f"{dict(Counter(wanted[name]) - Counter(counts))} too few")
    return found == wanted
