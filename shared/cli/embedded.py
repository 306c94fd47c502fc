"""`tenantry up`: the whole product in one process, on a private PostgreSQL, with nothing else needed."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from contextlib import AsyncExitStack

from shared.cli.place import Place, Refused
from shared.log import set_up_logging
from shared.migrate import migrate
from shared.postgres import PrivatePostgres, prepare_database
from shared.process import Product, process, spare_the_collector
from shared.stopping import until_told_to_stop
from shared.web.address import Address
from shared.web.server import held


async def up_in_one_process(product: Product, place: Place, host: str, port: int, admin_port: int) -> None:
    """Starts everything, says where it is, and waits to be told to stop."""
    began = time.perf_counter()
    set_up_logging(level="warning", readable=True)
    place.prepare()
    refuse_taken(host, port)
    refuse_running(place)
    first = not place.secrets_file.exists()
    place.secrets()
    if first:
        print("First start: making a private database …", flush=True)
    postgres = place.postgres()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(postgres.kept_running())
        stack.callback(place.running_file.unlink, missing_ok=True)
        urls = await make_databases(product, postgres)
        admin = stack.enter_context(held(Address("127.0.0.1", admin_port)))
        settings = place.settings(urls, host=host, port=port, admin_port=admin.port, log_readable=True, reuse_port=True)
        async with process(product, settings):
            place.announce(settings)
            greet(settings.public_url, settings.admin_listen, place, time.perf_counter() - began, host)
            spare_the_collector()
            await until_told_to_stop()
            print("Stopping …", flush=True)


async def make_databases(product: Product, postgres: PrivatePostgres) -> dict[str, str]:
    """A migrated database and a role for each service; returns their URLs."""

    async def one(name: str) -> tuple[str, str]:
        url = postgres.dsn(f"tenantry_{name}", f"tenantry_{name}")
        await prepare_database(postgres.admin_dsn, f"tenantry_{name}", f"tenantry_{name}")
        await migrate(url, product.service(name).migrations)
        return name, url

    return dict(await asyncio.gather(*(one(name) for name in product.storing)))


def greet(url: str, admin: str, place: Place, seconds: float, host: str) -> None:
    print(f"\nTenantry is up after {seconds:.1f} s.\n", flush=True)
    print(f"  console                 {url}/console")
    print(f"  API and documentation   {url}/docs")
    print(
        f"  mail it has sent        {url}/dev/mail" if is_loopback(host) else f"  mail it has sent        {place.mail}"
    )
    print(f"  operator                {admin.replace('tcp://', 'http://')}/readyz?verbose")
    print(f"  data                    {place.folder}\n")
    print("Next: `./tenantry demo` in another terminal plays the whole story. Ctrl-C stops.\n", flush=True)


def refuse_taken(host: str, port: int) -> None:
    """Fails before anything was started when the port is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as why:
        raise Refused(
            f"Can't listen on {host}:{port} ({why.strerror}). Choose another port with --port, or stop what listens there."
        ) from None


def refuse_running(place: Place) -> None:
    if (facts := place.running()) is not None:
        raise Refused(
            f"Tenantry runs here already, as process {facts['pid']}: {facts['url']}. Stop it first, or choose another folder with --data."
        )


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
