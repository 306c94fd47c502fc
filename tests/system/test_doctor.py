"""`tenantry doctor` on an installation that is well, and on one that is broken in each way that it knows."""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from aiohttp import web

from shared.bus import connect
from shared.config import MasterKey, Secrets, fresh_key
from shared.hearing import topology
from shared.ids import new_event_id, new_id
from shared.migrate import migrate
from shared.postgres import prepare_database
from shared.sealed_columns import SealedColumn
from shared.web.address import Address
from shared.web.server import Limits, Request, serve
from tests.bus.world import Admin, healthy
from tests.kernel.toy import counter, notes
from tests.ports import free_port
from tests.system.commands import Said, announce, product_of, tenantry
from tests.world import Databases

SEALED = SealedColumn("toy_secrets", "sealed", ("id",), lambda row: ("toy_secrets", row["id"]))
PRODUCT = product_of([replace(notes, sealed=(SEALED,)), counter])


@dataclass
class House:
    """An installation to break."""

    databases: Databases
    folder: Path
    urls: dict[str, str]
    gateway: str
    facts: dict[str, Any] = field(default_factory=dict)

    async def sql(self, service: str, statement: str, *values: object) -> None:
        connection = await asyncpg.connect(self.urls[service])
        await connection.execute(statement, *values)
        await connection.close()

    async def as_admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self.databases.postgres.admin_dsn)
        await connection.execute(statement)
        await connection.close()

    def name(self, service: str) -> str:
        """Of its database, and of its role."""
        return self.urls[service].partition("//")[2].partition("@")[0]

    async def doctor(self) -> Said:
        announce(
            self.folder,
            **{
                "url": "http://127.0.0.1:1",
                "urls": {"gateway": self.gateway},
                "database_urls": self.urls,
                **self.facts,
            },
        )
        return await tenantry(PRODUCT, "doctor", "--data", str(self.folder))


@pytest.fixture
async def house(databases: Databases, tmp_path: Path) -> AsyncIterator[House]:
    urls = {}
    postgres = databases.postgres
    for service in (notes, counter):
        name = f"doctor_{service.name}_{secrets.token_hex(3)}"
        await prepare_database(postgres.admin_dsn, name, name)
        urls[service.name] = postgres.dsn(name, name)
        await migrate(urls[service.name], service.migrations)
    Secrets.generate().save(tmp_path / "secrets.json")

    async def answer(_: Request) -> web.StreamResponse:
        return web.Response(status=404)

    gateway = f"unix:///tmp/tt-{secrets.token_hex(5)}.sock"
    listening = await serve(answer, Address.parse(gateway), Limits())
    yield House(databases, tmp_path, urls, gateway)
    await listening.close()


async def test_what_is_well_is_said_in_one_line_each(house: House) -> None:
    said = await house.doctor()
    assert said.code == 0, said.output
    assert "✗" not in said.output
    assert "⚠" not in said.output
    for about in ("running", "gateway", "org", "sharing", "bus", "mail", "disk", "secrets"):
        assert f"✓ {about} " in said.output


class Broken(NamedTuple):
    """A way to break it, and what the doctor must say about it."""

    how: Callable[[House, pytest.MonkeyPatch], Awaitable[None] | None]
    sign: str
    about: str
    says: str
    fix: str


def dead_event(house: House, _: pytest.MonkeyPatch) -> Awaitable[None]:
    return house.sql(
        "sharing",
        "insert into inbox (id, handler, source, subject, sequence, type, state) values ($1, 'h', 'org', $2, 1, 't', 'dead')",
        new_event_id("org"),
        new_id("org"),
    )


def stuck_event(house: House, _: pytest.MonkeyPatch) -> Awaitable[None]:
    return house.sql(
        "org",
        "insert into outbox (id, type, subject, sequence, body, said_at) values ($1, 't', $2, 1, '', now() - interval '2 minutes')",
        new_event_id("org"),
        new_id("org"),
    )


async def sealed_by(house: House, key_id: str) -> None:
    await house.sql("org", "create table toy_secrets (id text, sealed bytea)")
    await house.sql("org", "insert into toy_secrets values ('x', convert_to($1, 'UTF8'))", f"{key_id}.whatever")


async def sealed_by_an_older_key(house: House, _: pytest.MonkeyPatch) -> None:
    file = house.folder / "secrets.json"
    known = Secrets.load(file)
    await sealed_by(house, known.master[0].id)
    newer = MasterKey(id="newer", key=fresh_key())
    known.model_copy(update={"master": [newer, *known.master]}).replace(file)


def mail_is_a_file(house: House, _: pytest.MonkeyPatch) -> None:
    (house.folder / "mail").write_text("")


def only_room_for(size: int) -> Callable[[House, pytest.MonkeyPatch], None]:
    def fill(house: House, patch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage(house.folder)
        patch.setattr("shared.cli.doctor.shutil.disk_usage", lambda _: usage._replace(free=size))

    return fill


WAYS: dict[str, Broken] = {
    "superuser": Broken(
        lambda h, _: h.as_admin(f"alter role {h.name('org')} superuser"),
        "✗", "org: role", "has super", "nosuperuser nobypassrls",
    ),
    "bypassrls": Broken(
        lambda h, _: h.as_admin(f"alter role {h.name('org')} bypassrls"),
        "✗", "org: role", "has bypassrls", "nosuperuser nobypassrls",
    ),
    "createdb": Broken(
        lambda h, _: h.as_admin(f"alter role {h.name('org')} createdb"), "⚠", "org: role", "has createdb", "nocreatedb"
    ),
    "no fence": Broken(
        lambda h, _: h.as_admin(f"grant connect on database {h.name('sharing')} to public"),
        "✗", "org: fence", "may enter the databases doctor_sharing", "from public, ",
    ),
    "one database": Broken(
        lambda h, _: h.urls.update(sharing=h.urls["org"]), "✗", "org: fence", "share one database", "a role of its own"
    ),
    "unmigrated": Broken(
        lambda h, _: h.sql("org", "drop table migrations"),
        "✗", "org: migrations", " not applied: kernel/0001_mail.sql", "tenantry migrate up",
    ),
    "changed migration": Broken(
        lambda h, _: h.sql("org", "update migrations set checksum = ''"),
        "✗", "org: migrations", "differ from what was applied", "install the release",
    ),
    "lost master key": Broken(
        lambda h, _: sealed_by(h, "gone"), "✗", "org: sealed secrets", "1 can't be opened", "put the key back"
    ),
    "older master key": Broken(
        sealed_by_an_older_key, "⚠", "org: sealed secrets", "1 wait to be sealed", "leave org running"
    ),
    "dead": Broken(dead_event, "✗", "sharing: dead events", "1 failed for good", "tenantry events dead"),
    "parked": Broken(
        lambda h, _: h.sql("sharing", "insert into inbox_parked (reason, body) values ('not JSON', '')"),
        "⚠", "sharing: parked", "1 messages", "tenantry events dead",
    ),
    "stuck outbox": Broken(stuck_event, "✗", "org: outbox", "has waited for 1", "start org"),
    "no database": Broken(
        lambda h, _: h.urls.update(org=h.databases.postgres.dsn("nowhere", h.name("org"))),
        "✗", "org ", "can't be reached", "create the database",
    ),
    "database away": Broken(
        lambda h, _: h.urls.update(org=f"postgresql://org@127.0.0.1:{free_port()}/org"),
        "✗", "org ", "can't be reached", "TENANTRY_ORG_DATABASE_URL",
    ),
    "old server": Broken(
        lambda _, patch: patch.setattr("shared.cli.doctor_databases.OLDEST_POSTGRES", 990000),
        "✗", "org: version", "PostgreSQL", "99 or newer",
    ),
    "clock": Broken(
        lambda _, patch: patch.setattr("shared.cli.doctor_databases.time.time", lambda: 0.0),
        "✗", "org: clock", "s apart", "time server",
    ),
    "gateway away": Broken(
        lambda h, _: setattr(h, "gateway", f"tcp://127.0.0.1:{free_port()}"),
        "✗", "gateway", "doesn't answer", "tenantry serve --only gateway",
    ),
    "operator's port away": Broken(
        lambda h, _: h.facts.update(admin=f"tcp://127.0.0.1:{free_port()}"),
        "⚠", "readiness", "couldn't be looked at", "look again",
    ),
    "broker away": Broken(
        lambda h, _: h.facts.update(bus_url=f"amqp://ana:hunter2@127.0.0.1:{free_port()}/"),
        "✗", "RabbitMQ", "refuses", "TENANTRY_AMQP_URL",
    ),
    "mail": Broken(mail_is_a_file, "✗", "mail", "can't be written", "TENANTRY_MAIL"),
    "little space": Broken(only_room_for(500 << 20), "⚠", "disk", "0.5 GiB free", "--data"),
    "no space": Broken(only_room_for(5 << 20), "✗", "disk", "0.0 GiB free", "--data"),
    "open secrets": Broken(
        lambda h, _: (h.folder / "secrets.json").chmod(0o644), "✗", "secrets", "has mode 0644", "chmod 600"
    ),
    "secrets for a group": Broken(
        lambda h, _: (h.folder / "secrets.json").chmod(0o640), "⚠", "secrets", "has mode 0640", "chmod 600"
    ),
    "no secrets": Broken(
        lambda h, _: (h.folder / "secrets.json").unlink(), "✗", "secrets", "is missing", "never make a new one"
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_broken_is_named_with_cause_risk_and_fix(
    house: House, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    broken = WAYS[way]
    done = broken.how(house, monkeypatch)
    if done is not None:
        await done
    said = await house.doctor()
    lines = said.output.splitlines()
    (at,) = [n for n, line in enumerate(lines) if f"{broken.sign} {broken.about}" in line and broken.says in line]
    assert lines[at + 1].startswith("      risk  ")
    assert lines[at + 2].startswith("      fix   ")
    assert broken.fix in lines[at + 2]
    assert said.code == (1 if "✗" in said.output else 0)
    assert broken.sign in lines[-1]
    assert "hunter2" not in said.output


async def test_each_queue_that_nobody_receives_is_named(house: House, amqp_url: str) -> None:
    house.facts["bus_url"] = amqp_url
    await Admin(amqp_url).delete("org.events", "sharing.events")
    missing = await house.doctor()
    assert "org.events doesn't exist" in missing.output
    bus = connect(amqp_url, topology([notes, counter]))
    await bus.start()
    await healthy(bus)
    idle = await house.doctor()
    await bus.close()
    await Admin(amqp_url).delete("org.events", "sharing.events")
    assert "✓ RabbitMQ" in idle.output
    assert "nobody receives sharing.events, where 0 messages wait" in idle.output
    assert (missing.code, idle.code) == (0, 0)


async def test_when_nothing_runs_that_is_the_finding(tmp_path: Path) -> None:
    said = await tenantry(PRODUCT, "doctor", "--data", str(tmp_path))
    assert said.code == 1
    assert "✗ running" in said.output
    assert "tenantry up" in said.output


async def test_every_fault_of_the_configuration_is_a_finding(tmp_path: Path) -> None:
    environ = {"TENANTRY_SECRETS_FILE": str(tmp_path / "missing.json"), "TENANTRY_SERVICES": "org,gateway"}
    said = await tenantry(PRODUCT, "doctor", environ=environ)
    assert said.code == 1
    for fault in ("TENANTRY_ORG_DATABASE_URL is missing", "TENANTRY_AMQP_URL is missing", "missing.json is missing"):
        assert f"✗ variables              {fault}" in said.output or fault in said.output


async def test_a_configured_installation_is_looked_at_from_its_variables(house: House) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        environ = {
            "TENANTRY_SECRETS_FILE": str(house.folder / "secrets.json"),
            "TENANTRY_SERVICES": "org,sharing,gateway",
            "TENANTRY_ORG_DATABASE_URL": house.urls["org"],
            "TENANTRY_SHARING_DATABASE_URL": house.urls["sharing"],
            "TENANTRY_AMQP_URL": "memory://",
            "TENANTRY_MAIL": f"smtp://ana:hunter2@127.0.0.1:{taken.getsockname()[1]}",
            "TENANTRY_PUBLIC_URL": "https://admin.example.com",
            **{f"TENANTRY_{name}_LISTEN": "tcp://127.0.0.1:1" for name in ("ORG", "SHARING")},
            **{
                f"TENANTRY_{name}_URL": "tcp://127.0.0.1:1"
                for name in ("IDENTITY", "ORG", "SHARING", "BILLING", "AUDIT", "COURIER")
            },
            "TENANTRY_GATEWAY_LISTEN": house.gateway,
        }
        said = await tenantry(PRODUCT, "doctor", "--data", str(house.folder), environ=environ)
    assert "✓ variables" in said.output
    assert "✓ gateway" in said.output
    assert "✓ sharing" in said.output
    assert "✗ mail                   127.0.0.1:" in said.output
    assert "hunter2" not in said.output
    assert said.code == 1
