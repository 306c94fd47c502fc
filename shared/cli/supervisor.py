"""`tenantry up --processes`: one process per service (or several), on a broker; a crashed one is started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

import structlog

from shared.cli.embedded import greet, make_databases, refuse_running, refuse_taken
from shared.cli.place import Place, Refused
from shared.config import SERVICES, fresh_key
from shared.log import set_up_logging
from shared.migrate import migrate
from shared.postgres import prepare_database
from shared.postgres.folders import dies_with_us
from shared.process import Product
from shared.stopping import until_told_to_stop
from shared.web.address import Address
from shared.web.client import Client, DeadlineExceeded, Overloaded, Unreachable
from shared.web.server import held

log = structlog.get_logger()

READY_SECONDS = 300.0  # seven interpreters that begin at once on two busy cores have needed more than two minutes
STOP_SECONDS = 25.0
ANY = Address("127.0.0.1")


@dataclass
class Child:
    """One process, started again when it ends by itself."""

    name: str
    environ: Mapping[str, str]
    task: asyncio.Task[None] | None = None
    process: asyncio.subprocess.Process | None = None
    starts: list[float] = field(default_factory=list)

    async def keep_alive(self) -> None:
        while True:
            self.starts = [*self.starts[-4:], time.monotonic()]
            # Orphans would hold the ports, on a database that ended with us; being killed is something they bear.
            command = [*dies_with_us("KILL"), sys.executable, "-P", "-m", "services.launcher", "serve"]
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *command, env=dict(self.environ), stdin=asyncio.subprocess.DEVNULL
                )
            except OSError as why:  # the machine has no process or memory to spare, for now
                log.error("a service can't be started", service=self.name, error=str(why))
            else:
                code = await self.process.wait()
                log.warning("a service ended and is started again", service=self.name, exit_code=code)
            hurried = len(self.starts) == 5 and time.monotonic() - self.starts[0] < 20
            await asyncio.sleep(5 if hurried else 0.2)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


async def up_in_processes(
    product: Product, place: Place, host: str, port: int, amqp: str, database: str | None, replicas: list[str]
) -> None:
    """Starts every service in a process of its own, waits until all are ready, and watches over them."""
    began = time.perf_counter()
    set_up_logging(level="warning", readable=True)
    place.prepare()
    refuse_taken(host, port)
    refuse_running(place)
    await refuse_absent_broker(amqp)
    counts = counted(replicas)
    place.secrets()
    async with AsyncExitStack() as stack:
        if database is None:
            postgres = place.postgres()
            await stack.enter_async_context(postgres.kept_running())
            urls = await make_databases(product, postgres)
        else:
            urls = await databases_on(product, database, place)
        addresses = {
            name: stack.enter_context(held(ANY)) if count > 1 else Address(path=f"{place.sockets()}/{name}.sock")
            for name, count in counts.items()
        }
        addresses["gateway"] = stack.enter_context(held(Address(host, port)))
        children = [
            child_of(name, addresses, stack.enter_context(held(ANY)), place, amqp, urls)
            for name in SERVICES
            for _ in range(counts[name])
        ]
        stack.callback(place.running_file.unlink, missing_ok=True)
        for child in children:
            child.task = asyncio.create_task(child.keep_alive())
        stack.push_async_callback(stop_all, children)
        await until_ready(children)
        settings = place.settings(urls, host=host, port=port, admin_port=0, bus_url=amqp)
        place.announce(settings)
        for child in children:
            print(
                f"  {child.name:10} process {child.process.pid if child.process else '-'}, operator's port {child.environ['TENANTRY_ADMIN_LISTEN']}"
            )
        greet(
            settings.public_url, children[0].environ["TENANTRY_ADMIN_LISTEN"], place, time.perf_counter() - began, host
        )
        await until_told_to_stop()
        print("Stopping …", flush=True)


async def refuse_absent_broker(amqp: str) -> None:
    """Services wait for a broker for ever; who starts them by hand wants to know at once."""
    where = urlsplit(amqp)
    host, port = where.hostname or "localhost", where.port or (5671 if where.scheme == "amqps" else 5672)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 5)
        writer.close()
    except (OSError, TimeoutError):
        raise Refused(
            f"No RabbitMQ answers at {host}:{port}. Start one, or correct --amqp; "
            "without --processes Tenantry needs none."
        ) from None


async def stop_all(children: list[Child]) -> None:
    await asyncio.gather(*(child.stop() for child in children))


def counted(replicas: list[str]) -> dict[str, int]:
    """`["sharing=3"]` as `{"sharing": 3}`."""
    counts = dict.fromkeys(SERVICES, 1)
    for wish in replicas:
        name, _, number = wish.partition("=")
        if name not in counts or not number.isdigit() or not 1 <= int(number) <= 16:
            raise Refused(
                f"--replicas takes SERVICE=NUMBER (1 to 16), not {wish!r}. The services: {', '.join(SERVICES)}."
            )
        counts[name] = int(number)
    return counts


async def databases_on(product: Product, admin_url: str, place: Place) -> dict[str, str]:
    """A database and a role per service on a given server. The roles' passwords are kept in the data folder."""
    kept = place.folder / "database-passwords"
    if not kept.exists():
        with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(f"{name} {fresh_key()}\n" for name in product.storing)
    passwords = dict(line.split() for line in kept.read_text().splitlines())
    urls = {}
    for name in product.storing:
        role = f"tenantry_{name}"
        await prepare_database(admin_url, role, role, passwords[name])
        parts = urlsplit(admin_url)
        where = parts.netloc.rpartition("@")[2]
        urls[name] = urlunsplit(
            parts._replace(netloc=f"{role}:{quote(passwords[name], safe='')}@{where}", path=f"/{role}")
        )
        await migrate(urls[name], product.service(name).migrations)
    return urls


def child_of(
    name: str, addresses: Mapping[str, Address], admin: Address, place: Place, amqp: str, urls: Mapping[str, str]
) -> Child:
    """A process of one service, and what it is told. All replicas of a service share its TCP port; the operator's port is each one's own."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TENANTRY_")},
        "TENANTRY_SECRETS_FILE": str(place.secrets_file),
        "TENANTRY_PUBLIC_URL": f"http://{addresses['gateway'].authority}",
        "TENANTRY_MAIL": f"file://{place.mail}",
        "TENANTRY_LOG_LEVEL": os.environ.get("TENANTRY_LOG_LEVEL", "warning"),
        **{name: value for name, value in os.environ.items() if name.startswith("TENANTRY_STRIPE_")},
        **{name: value for name, value in os.environ.items() if name.endswith("_AMQP_URL") and value},
        "TENANTRY_AMQP_URL": amqp,
        **{f"TENANTRY_{service.upper()}_URL": str(address) for service, address in addresses.items()},
        "TENANTRY_SERVICES": name,
        "TENANTRY_ADMIN_LISTEN": str(admin),
        f"TENANTRY_{name.upper()}_LISTEN": str(addresses[name]),
        "TENANTRY_REUSE_PORT": "1",
    }
    if name in urls:
        environ[f"TENANTRY_{name.upper()}_DATABASE_URL"] = urls[name]
    return Child(name, environ)


async def until_ready(children: list[Child]) -> None:
    """Waits until every process says that it is ready."""
    deadline = time.monotonic() + READY_SECONDS
    for child in children:
        client = Client(Address.parse(child.environ["TENANTRY_ADMIN_LISTEN"]))
        why = "it doesn't answer"
        while True:
            try:
                answer = await client.send("GET", "/readyz", [], b"", deadline=3)
                if answer.status == 200:
                    break
                why = answer.body.decode()
            except (DeadlineExceeded, Overloaded, Unreachable):
                pass
            if time.monotonic() > deadline:
                raise Refused(f"{child.name} isn't ready after {READY_SECONDS:.0f} s: {why}")
            await asyncio.sleep(0.1)
        await client.close()
