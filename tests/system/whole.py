"""The whole product: in this process on fresh databases, or as real processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Thread
from typing import IO, Any

from services.launcher import PRODUCT
from shared.cli.demo.api import Gateway, Person, sign_up
from shared.clock import MovableClock
from shared.config import SERVICES, Secrets, Settings
from shared.process import Product, process
from tests.ports import free_port
from tests.system.renewing import RenewingGateway
from tests.world import Databases

ROOT = Path(__file__).parent.parent.parent


@dataclass
class WholeProduct:
    """All services and the gateway, in this process."""

    gateway: Gateway
    settings: Settings
    clock: MovableClock


@asynccontextmanager
async def whole_product(
    databases: Databases,
    folder: Path,
    *,
    secrets: Secrets | None = None,
    clock: MovableClock | None = None,
    host: str = "127.0.0.1",
    product: Product = PRODUCT,
    urls: Mapping[str, str] | None = None,
    **more: Any,
) -> AsyncIterator[WholeProduct]:
    """The product in one process, on databases of its own or those that it is given; with other settings than the usual ones, or services that reach elsewhere, where they are given."""
    sockets = {name: f"unix:///tmp/tt-{token_hex(5)}.sock" for name in SERVICES}
    port = free_port()
    addresses = sockets | {"gateway": f"tcp://127.0.0.1:{port}"}
    clock = clock or MovableClock()
    services = [] if urls else map(PRODUCT.service, PRODUCT.storing)
    async with databases.lent(services) as lent:
        settings = Settings(
            secrets=secrets or Secrets.generate(),
            database_urls=urls or lent,
            listens=addresses,
            urls=addresses,
            admin_listen=f"tcp://127.0.0.1:{free_port()}",
            public_url=f"http://{host}:{port}",
            mail=f"file://{folder}/mail",
            pool_size=5,
            **more,
        )
        async with process(product, settings, clock=clock), RenewingGateway(settings.public_url) as gateway:
            yield WholeProduct(gateway, settings, clock)


@dataclass
class Cast:
    """One organization on the Business trial, with one person of each kind."""

    admin: Person
    analyst: Person
    viewer: Person
    deactivated: Person
    trial: str  # the change that gave it


async def a_cast(gateway: Gateway) -> Cast:
    domain = f"cast-{token_hex(4)}.example"
    admin = await sign_up(gateway, f"admin@{domain}", "Ada Admin", "Cast")
    trial = await admin.write("POST", "/v1/subscription/trial", after=admin.last_change[-1])
    trial.ok()
    (await admin.ask("GET", "/v1/organization")).ok()
    people = {}
    for name, role in (("analyst", "analyst"), ("viewer", "viewer"), ("deactivated", "analyst")):
        person = Person(gateway, f"{name}@{domain}", f"Some {name.title()}")
        (
            await admin.write(
                "POST",
                "/v1/invitations",
                {"email": person.email, "role": role, "group_ids": []},
                after=admin.last_change[-1],
            )
        ).ok()
        await person.accept(await gateway.mailed_token(person.email))
        people[name] = person
        admin.last_change.append(person.last_change[-1])
    (await admin.write("POST", f"/v1/users/{people['deactivated'].user_id}/deactivation")).ok()
    return Cast(admin, **people, trial=trial.headers["tenantry-change"])


async def a_told_webhook(cast: Cast) -> tuple[str, str]:
    """A webhook that nobody receives at, and the id of a delivery to it."""
    admin = cast.admin
    wanted = {"url": "https://webhooks.invalid/", "types": ["org.group.*"]}
    webhook = (await admin.write("POST", "/v1/webhooks", wanted, after=cast.trial)).ok()["id"]
    (await admin.write("POST", "/v1/groups", {"name": "Told"}, after=admin.last_change[-1])).ok()
    log = (await admin.ask("GET", f"/v1/webhooks/{webhook}/deliveries")).ok()["data"]
    return webhook, log[0]["id"]


def _written(said: IO[str], into: Path) -> None:
    with into.open("a") as log:
        for line in said:
            log.write(line)
            log.flush()


@contextmanager
def started(*arguments: str, data: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`tenantry up …` as its own process, up; ended by SIGTERM unless the test ended it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TENANTRY_")}
    command = [
        sys.executable,
        "-P",
        "-m",
        "services.launcher",
        "up",
        "--data",
        str(data),
        "--port",
        str(port),
        *arguments,
    ]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        said = []
        assert child.stdout is not None
        for line in child.stdout:
            said.append(line)
            if "Ctrl-C stops" in line:
                break
        else:
            raise AssertionError("it didn't come up:\n" + "".join(said))
        # Whoever writes into a pipe that nobody reads stands still once it is full.
        log = data.with_suffix(".log")
        Thread(target=_written, args=(child.stdout, log), daemon=True).start()
        try:
            yield child
        except BaseException:
            print("Its log ended:", *log.read_text(errors="replace").splitlines()[-200:], sep="\n")
            raise
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        try:
            child.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise
