"""A house of toy services in processes of their own, on a broker and a PostgreSQL of their own, and what can befall it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO

import asyncpg
import orjson

from shared.auth import Actor
from shared.config import SERVICES, Secrets, Settings
from shared.ids import new_id
from shared.web.address import Address
from shared.web.client import Client, DeadlineExceeded, Overloaded, Unreachable
from tests.broker import Broker
from tests.ports import free_port
from tests.system.checker import Verdict, verdict_on
from tests.system.toys import SERVICES as TOYS
from tests.world import Databases

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Replica:
    """One process, started again when it ends and wasn't told to."""

    name: str
    settings: Path
    admin: str
    environ: Mapping[str, str]
    names: str
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = False
    restarts: int = 0

    def start(self) -> None:
        self.wanted = True
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.toys", str(self.settings), self.names],
                cwd=ROOT,
                env={**os.environ, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> Path:
        return self.settings.with_suffix(".log")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.running and self.process is not None:
            self.process.send_signal(number)

    async def stop(self) -> int:
        """As an orchestrator does: SIGTERM, and patience. Returns the exit code."""
        self.wanted = False
        assert self.process is not None
        self.send(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 30)

    def became_leader_at(self) -> str:
        """When this process last began to relay, by its log; empty for never."""
        lines = [line for line in self.log.read_bytes().splitlines() if b"this process relays" in line]
        return str(orjson.loads(lines[-1])["timestamp"]) if lines else ""


@dataclass
class House:
    """Who hears whom, in which processes, on which databases."""

    broker: Broker
    folder: Path
    settings: Settings
    hears: Mapping[str, Sequence[str]]
    environ: Mapping[str, str]
    replicas: list[Replica] = field(default_factory=list)
    befell: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    _watch: asyncio.Task[None] | None = None
    _client: Client | None = None

    @property
    def names(self) -> list[str]:
        return list(self.settings.database_urls)

    def open(self, *services: str, replicas: int = 2, names: Sequence[str] = ()) -> list[Replica]:
        """Starts processes. `names` is what this version of the house knows to exist, by default all."""
        opened = []
        for service in services:
            for _ in range(replicas):
                place = self.folder / f"{service}-{len(self.replicas)}.json"
                admin = f"tcp://127.0.0.1:{free_port()}"
                settings = self.settings.model_copy(update={"services": (service,), "admin_listen": admin})
                place.write_text(settings.model_dump_json())
                replica = Replica(service, place, admin, self.environ, ",".join(names or self.names))
                replica.start()
                self.replicas.append(replica)
                opened.append(replica)
        if self._watch is None:
            self._watch = asyncio.create_task(self._keep_alive())
        return opened

    async def _keep_alive(self) -> None:
        while True:
            for replica in self.replicas:
                if replica.wanted and not replica.running:
                    replica.restarts += 1
                    replica.start()
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for replica in self.replicas:
            replica.wanted = False
            replica.send(signal.SIGCONT)
            replica.send(signal.SIGKILL)
        for replica in self.replicas:
            if replica.process is not None:
                await asyncio.to_thread(replica.process.wait)
        if self._client is not None:
            await self._client.close()

    # -- asking

    async def write(self, org_id: str, count: int = 1, *, regret: bool = False, seconds: float = 60) -> None:
        """Writes notes, with one Idempotency-Key until it is known to be done."""
        self._client = self._client or Client(Address.parse(self.settings.urls["org"]))
        actor = Actor("person", "usr_" + org_id[4:], org_id, "admin")
        key, body = secrets.token_hex(8), orjson.dumps({"count": count, "regret": regret})
        deadline = time.monotonic() + seconds
        while True:
            token = self.settings.secrets.keyring("gateway").issue(actor, "org")
            headers = [
                (b"Authorization", f"Bearer {token}".encode()),
                (b"Content-Type", b"application/json"),
                (b"Idempotency-Key", key.encode()),
            ]
            try:
                answer = await self._client.send("POST", "/v1/notes", headers, body, deadline=3)
                self.answers[str(answer.status)] += 1
                if answer.status == 201 or (regret and orjson.loads(answer.body)["code"] == "conflict"):
                    return
                assert answer.status in (409, 503), answer.body
            except (Unreachable, DeadlineExceeded, Overloaded) as failed:
                self.answers[type(failed).__name__] += 1
            assert time.monotonic() < deadline, f"not written for {seconds} s: {dict(self.answers)}"
            await asyncio.sleep(0.1)

    async def load(self, random: Random, events: int, organizations: int, *, at_once: int = 16) -> None:
        """Writes at least so many events, in transactions of one to four, a twentieth of them regretted."""
        orgs = [new_id("org") for _ in range(organizations)]
        left = events

        async def writer() -> None:
            nonlocal left
            while left > 0:
                count, regret = random.choice((1, 1, 2, 4)), random.random() < 0.05
                left -= 0 if regret else count
                await self.write(random.choice(orgs), count, regret=regret)

        await asyncio.gather(*(writer() for _ in range(at_once)))

    async def ready(self, replica: Replica) -> tuple[int, dict[str, object]]:
        """What /readyz says; status 0 while nobody answers."""
        client = Client(Address.parse(replica.admin))
        try:
            answer = await client.send("GET", "/readyz", [], b"", deadline=5)
            return answer.status, orjson.loads(answer.body)
        except (Unreachable, DeadlineExceeded):
            return 0, {}
        finally:
            await client.close()

    async def until_ready(self, *, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            for replica in [one for one in self.replicas if one.wanted]:
                while (await self.ready(replica))[0] != 200:
                    await asyncio.sleep(0.1)

    # -- looking

    async def value(self, service: str, sql: str, *args: object) -> int:
        connection = await asyncpg.connect(self.settings.database_urls[service])
        try:
            return int(await connection.fetchval(sql, *args) or 0)
        finally:
            await connection.close()

    async def open_work(self) -> dict[str, int]:
        """What hasn't arrived yet, by what it is."""
        left = {}
        for consumer, sources in self.hears.items():
            left[f"{consumer} waiting"] = await self.value(
                consumer, "select count(*) from inbox where state in ('waiting', 'dead')"
            )
            for source in sources:
                said = await self.value(source, "select count(*) from outbox")
                heard = await self.value(
                    consumer, "select count(distinct event_id) from heard where source = $1", source
                )
                left[f"{consumer} of {source}"] = said - heard
        for source in {source for sources in self.hears.values() for source in sources}:
            left[f"{source} unsaid"] = await self.value(
                source, "select count(*) from outbox where published_at is null"
            )
        return {name: number for name, number in left.items() if number}

    async def until_converged(self, *, seconds: float = 90) -> bool:
        """Waits until everything said was heard; False when for so many seconds nothing more of it arrives."""
        least, arrived = None, time.monotonic()
        while work := await self.open_work():
            left = sum(work.values())
            if least is None or left < least:
                least, arrived = left, time.monotonic()
            elif time.monotonic() - arrived > seconds:
                return False
            await asyncio.sleep(0.3)
        return True

    async def verdict(self) -> Verdict:
        return await verdict_on(self.settings.database_urls, self.hears)

    # -- what can befall it

    async def kill_a_process(self, random: Random) -> None:
        random.choice(self.replicas).send(signal.SIGKILL)
        self.befell["process killed"] += 1

    async def pause_the_leader(self, service: str, seconds: float) -> None:
        leader = self.stop_the_leader(service)
        await asyncio.sleep(seconds)
        leader.send(signal.SIGCONT)

    def stop_the_leader(self, service: str) -> Replica:
        """It stands still until it is sent SIGCONT."""
        leader = max((one for one in self.replicas if one.name == service), key=Replica.became_leader_at)
        leader.send(signal.SIGSTOP)
        self.befell["leader paused"] += 1
        return leader

    async def kill_the_broker(self) -> None:
        await self.broker.kill()
        self.befell["broker killed"] += 1
        await self.broker.start()

    async def wipe_the_broker(self) -> None:
        await self.broker.wipe()
        self.befell["broker wiped"] += 1
        await self.broker.start()

    async def end_connections(self, random: Random, most: int = 4) -> None:
        service = random.choice(self.names)
        ended = await self.value(
            service,
            "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
            " order by random() limit $1) as few",
            most,
        )
        self.befell["connections ended"] += ended

    async def forget_what_was_published(self, random: Random, most: int = 100) -> None:
        """As when a relay is killed after the confirmation and before the mark."""
        source = random.choice([name for name in ("org", "sharing") if name in self.names])
        await self.value(
            source,
            "with few as (select position from outbox where published_at is not null order by random() limit $1),"
            " again as (update outbox set published_at = null from few where outbox.position = few.position)"
            " select count(*) from few",
            most,
        )
        self.befell["marks forgotten"] += 1


@asynccontextmanager
async def house_of(
    hears: Mapping[str, Sequence[str]],
    databases: Databases,
    broker: Broker,
    folder: Path,
    *,
    vhost: str = "/",
    broken: str = "",
) -> AsyncIterator[House]:
    """A house where each service `hears` its sources; nobody runs until `open`."""
    names = list(dict.fromkeys([source for sources in hears.values() for source in sources] + list(hears)))
    ports = {name: f"tcp://127.0.0.1:{free_port()}" for name in SERVICES}
    url = broker.url if vhost == "/" else f"{broker.url}{vhost}"
    folder.mkdir(parents=True, exist_ok=True)
    async with databases.lent(TOYS[name] for name in names) as urls:
        settings = Settings(
            secrets=Secrets.generate(),
            bus_url=url,
            database_urls=urls,
            listens={name: ports[name] for name in names},
            urls=ports,
            mail=f"file://{folder}/mail",
            pool_size=5,
            reuse_port=True,
        )
        house = House(broker, folder, settings, hears, {"TOY_BROKEN": broken})
        try:
            yield house
        finally:
            await house.close()


def tail(file: IO[bytes] | Path, lines: int = 20) -> str:
    text = file.read_bytes() if isinstance(file, Path) else file.read()
    return "\n".join(text.decode(errors="replace").splitlines()[-lines:])
