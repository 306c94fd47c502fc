"""A real process is killed while its services erase an organization: what is started again finishes it, everywhere, once."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import orjson

from services.launcher import PRODUCT
from services.org.rules.closing import CONFIRMING
from services.org.usecases.erasing import RECEIPT
from shared.auth import private_key
from shared.cli.demo.api import Gateway, Person
from shared.cli.place import Refused
from shared.config import SERVICES, Secrets
from shared.erasure import _tables
from tests.ports import free_port
from tests.system.remains import (
    NAMING_AN_ERASED_ORGANIZATION,
    all_have_erased,
    connected,
    erasures,
    everywhere,
    texts,
    until_so,
)
from tests.system.renewing import RenewingGateway
from tests.system.test_closing import CANARIES, a_full_house, close, organization_of
from tests.system.whole import ROOT
from tests.world import Databases

# Sessions are ended before anything is deleted.
ENDED_APART = frozenset({"sessions"})
IN_THE_MIDDLE = """
select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'delete from%')
    and exists (select from erasures where finished_at is null and erased > 0)
"""
WAITING = "select count(*) from inbox where state = 'waiting'"


async def test_whoever_is_killed_while_erasing_goes_on_where_they_stopped(databases: Databases, tmp_path: Path) -> None:
    urls = {name: await databases.fresh(PRODUCT.service(name)) for name in PRODUCT.storing}
    environ = _environ(urls, tmp_path)
    async with AsyncExitStack() as holding:
        with _served(environ) as first:
            admin, org_id = await _closed_house(environ, urls)
            for service in CONFIRMING:
                await _hold_the_last(holding, urls[service], org_id)
            await _the_grace_is_over(urls["org"], org_id)
            await _is_killed_in_the_middle(first, [urls[service] for service in CONFIRMING])
        await holding.aclose()
        with _served(environ) as second:
            await until_so(lambda: _somebody_has_erased(urls, org_id))
            _kill(second)
        with _served(environ):
            await until_so(lambda: all_have_erased(urls, org_id))
            async with RenewingGateway(environ["TENANTRY_PUBLIC_URL"]) as gateway:
                await until_so(lambda: _receipts(gateway, admin.email))
                (mail,) = await _receipts(gateway, admin.email)

    left = await everywhere(urls, org_id)
    assert {table for _, table in left} <= set(NAMING_AN_ERASED_ORGANIZATION), left
    for service, url in urls.items():
        async with connected(url) as database:
            for canary in CANARIES:
                assert set(await texts(database, canary)) <= {"idempotent_requests"}, (service, canary)
    assert _signed_rows(mail, Secrets.load(tmp_path / "secrets.json"), org_id) == await _erased_rows(urls, org_id)


async def test_org_is_killed_while_it_erases_its_own_last_rows_and_says_so_once(
    databases: Databases, tmp_path: Path
) -> None:
    urls = {name: await databases.fresh(PRODUCT.service(name)) for name in PRODUCT.storing}
    environ = _environ(urls, tmp_path)
    async with AsyncExitStack() as holding:
        with _served(environ) as first:
            admin, org_id = await _closed_house(environ, urls)
            await _hold_a_late_table(holding, urls["org"])
            await _the_grace_is_over(urls["org"], org_id)
            others = {name: url for name, url in urls.items() if name != "org"}
            await until_so(lambda: all_have_erased(others, org_id))
            await _is_killed_in_the_middle(first, [urls["org"]])
        assert "org" not in await erasures(urls)
        await holding.aclose()
        with _served(environ):
            await until_so(lambda: all_have_erased(urls, org_id))
            async with RenewingGateway(environ["TENANTRY_PUBLIC_URL"]) as gateway:
                await until_so(lambda: _receipts(gateway, admin.email))
                await until_so(lambda: _everything_is_heard(urls))
                (mail,) = await _receipts(gateway, admin.email)

    left = await everywhere(urls, org_id)
    assert {table for _, table in left} <= set(NAMING_AN_ERASED_ORGANIZATION), left
    async with connected(urls["org"]) as database:
        said = await database.fetch("select type, sequence from outbox where subject = $1 order by sequence", org_id)
    assert [row["type"] for row in said if row["type"] == "org.organization.erased.v1"] == [
        "org.organization.erased.v1"
    ]
    assert [row["sequence"] for row in said] == list(range(1, len(said) + 1))
    assert _signed_rows(mail, Secrets.load(tmp_path / "secrets.json"), org_id) == await _erased_rows(urls, org_id)


def _environ(urls: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What `serve` is told: every service in one process."""
    Secrets.generate().save(folder / "secrets.json")
    sockets = {f"TENANTRY_{name.upper()}_LISTEN": f"unix:///tmp/tt-{token_hex(5)}.sock" for name in SERVICES}
    port = free_port()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TENANTRY_")},
        **sockets,
        "TENANTRY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TENANTRY_GATEWAY_LISTEN": f"tcp://127.0.0.1:{port}",
        **{f"TENANTRY_{name.upper()}_DATABASE_URL": url for name, url in urls.items()},
        "TENANTRY_AMQP_URL": "memory://",
        "TENANTRY_SECRETS_FILE": str(folder / "secrets.json"),
        "TENANTRY_MAIL": f"file://{folder}/mail",
        "TENANTRY_ADMIN_LISTEN": f"tcp://127.0.0.1:{free_port()}",
        "TENANTRY_POOL_SIZE": "5",
        "TENANTRY_LOG_LEVEL": "warning",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def _served(environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The product as a process of its own, until the test has killed it or is over."""
    process = subprocess.Popen([sys.executable, "-P", "-m", "services.launcher", "serve"], env=dict(environ))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _closed_house(environ: Mapping[str, str], urls: Mapping[str, str]) -> tuple[Person, str]:
    """An organization with something of everything, closed a moment ago: its Admin and its id."""
    async with RenewingGateway(environ["TENANTRY_PUBLIC_URL"]) as gateway:
        await _answers(gateway)
        cast, _ = await a_full_house(gateway)
        org_id = await organization_of(cast.admin)
        (await close(cast.admin)).ok()
    await until_so(lambda: _everything_is_heard(urls))
    return cast.admin, org_id


async def _answers(gateway: Gateway) -> None:
    async def ready() -> bool:
        try:
            return (
                await gateway.send("GET", "/dev/mail", headers={"Accept": "application/json"}, quietly=True)
            ).status == 200
        except (OSError, Refused):
            return False

    await until_so(ready)


async def _everything_is_heard(urls: Mapping[str, str]) -> bool:
    waiting = 0
    for url in urls.values():
        async with connected(url) as database:
            waiting += await database.fetchval(WAITING)
            waiting += await database.fetchval("select count(*) from outbox where published_at is null")
    return waiting == 0


async def _hold_the_last(stack: AsyncExitStack, url: str, org_id: str) -> None:
    """Holds the organization's rows in the table that is erased last, until the stack is left: who waits there has committed the others."""
    database = await stack.enter_async_context(connected(url))
    await database.execute("begin")
    await database.execute("select set_config('tenantry.org_id', $1, true)", org_id)
    for table in reversed(await _tables(SimpleNamespace(rows=database.fetch), ENDED_APART)):  # type: ignore[arg-type]
        if await database.fetch(f'select 1 from "{table}" where org_id = $1 for update', org_id):
            return
    raise AssertionError("there is nothing to erase")


async def _hold_a_late_table(stack: AsyncExitStack, url: str) -> None:
    """Holds a table of org that is late in its order and that only erasing touches now. Rows that are held make a transaction
    that writes, and nobody on the server finishes while an older one is open; a table that is held doesn't."""
    database = await stack.enter_async_context(connected(url))
    await database.execute("begin; lock table slot_entries in share mode")


async def _the_grace_is_over(url: str, org_id: str) -> None:
    async with connected(url) as database, database.transaction():
        await database.execute("select set_config('tenantry.org_id', $1, true)", org_id)
        await database.execute("update organizations set erased_at = now()")
        await database.execute("update closures set next_at = now()")


async def _is_killed_in_the_middle(process: subprocess.Popen[bytes], urls: Sequence[str]) -> None:
    """`kill -9`, once each of these has erased some and is at its next piece."""

    async def in_the_middle() -> bool:
        for url in urls:
            async with connected(url) as database:
                if not await database.fetchval(IN_THE_MIDDLE):
                    return False
        return True

    await until_so(in_the_middle)
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


async def _somebody_has_erased(urls: Mapping[str, str], org_id: str) -> bool:
    return any(org_id in subjects for subjects in (await erasures(urls)).values())


async def _receipts(gateway: Gateway, to: str) -> list[Any]:
    mails = (await gateway.send("GET", "/dev/mail", headers={"Accept": "application/json"}, quietly=True)).ok()["data"]
    return [mail for mail in mails if mail["to"] == to and "your receipt" in mail["subject"]]


def _signed_rows(mail: Any, secrets: Secrets, org_id: str) -> Any:
    """What the receipt says was erased where, once its signature is verified."""
    text = "".join(mail["text"].split())
    receipt, signature = re.search(r"receipt:(\{.*?\}\}).*\(Ed25519\):([\w-]{86})", text).groups()  # type: ignore[union-attr]
    key = private_key(secrets.signing["org"]).public_key()
    key.verify(base64.urlsafe_b64decode(signature + "=="), RECEIPT + receipt.encode())
    told = orjson.loads(receipt)
    assert told["org_id"] == org_id
    return told["rows"]


async def _erased_rows(urls: Mapping[str, str], org_id: str) -> dict[str, int]:
    rows = {}
    for service, url in urls.items():
        async with connected(url) as database:
            rows[service] = await database.fetchval("select erased from erasures where subject = $1", org_id)
    return rows
