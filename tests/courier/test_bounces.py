"""Mail that comes back, at once or later: an address at which nobody receives is shown to Admins, and nothing is sent there for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from services.audit.app import service as audit
from services.courier import rules
from services.courier.usecases.bounces import read_bounces
from shared.auth import Actor
from shared.events.courier import AddressFoundDead, AddressReleased
from tests.courier.smtp_server import FakeServer, mail_server
from tests.courier.test_sending import by_smtp, invitation, states, until_none_waits
from tests.world import Databases, World, an_admin, world_of

DEAD = "RCPT 550 5.1.1 no such user"
VERA = "vera@northwind.example"


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def world(databases: Databases, tmp_path: Path, server: FakeServer) -> AsyncIterator[World]:
    async with world_of([by_smtp(server), audit], databases, tmp_path) as world:
        yield world


def dsn(message_id: str, *, action: str = "failed", status: str = "5.1.1", whole: bool = True) -> bytes:
    """What a mail server of another sends back, as Postfix writes it."""
    recipient = f"Final-Recipient: rfc822; {VERA}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; 550 {status} no such user"
    original = f"From: a@b.example\nTo: {VERA}\nMessage-ID: {message_id}\nSubject: You are invited\n\n" + (
        "Hello\n" if whole else ""
    )
    kind = "message/rfc822" if whole else "text/rfc822-headers"
    return (
        "From: MAILER-DAEMON@mx.example\nTo: no-reply@tenantry.example\nSubject: Undelivered Mail\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="X"\n\n'
        "--X\nContent-Type: text/plain\n\nI'm sorry.\n"
        f"--X\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n{recipient}\n\n"
        f"--X\nContent-Type: {kind}\n\n{original}\n--X--\n"
    ).encode()


async def listed(world: World, admin: Actor) -> list[dict[str, Any]]:
    reply = await world.ask("courier", "GET", "/v1/undeliverable-addresses", actor=admin)
    return list(reply.ok()["data"])


async def invited(world: World, admin: Actor, to: str = VERA) -> None:
    asked = invitation(to, about=admin.org(), org_id=admin.org())
    await world.hear("org", asked)
    await until_none_waits(world)


async def test_an_address_that_is_refused_at_once_is_shown_and_left_alone_for_a_week(
    world: World, server: FakeServer
) -> None:
    ada, eve = an_admin(), an_admin()
    server.script = [DEAD]
    await invited(world, ada)
    (dead,) = await listed(world, ada)
    assert (dead["id"], dead["status"]) == (VERA, "5.1.1")
    assert "no such user" in dead["reason"]
    (said,) = await world.said("courier", AddressFoundDead)
    assert (said.org_id, said.data["address"]) == (ada.org_id, VERA)
    assert await listed(world, eve) == []
    await invited(world, eve, "Vera@Northwind.example")
    assert server.attempts == 1, "nothing is sent there, whoever asks"
    assert [one["id"] for one in await listed(world, eve)] == [VERA], "and each learns it by its own mail"
    world.clock.advance(timedelta(days=7, seconds=1))
    await invited(world, ada)
    await server.until(taken=1)
    assert await listed(world, ada) == []
    assert [state for state, _, _ in await states(world)] == ["failed", "failed", "sent"]


@pytest.mark.parametrize(
    "trouble", ["RCPT 550 nobody", "RCPT 550 5.7.1 relaying denied", "RCPT 552 5.2.2 mailbox full", "554 5.7.1 spam"]
)
async def test_what_says_nothing_about_the_address_leaves_it_as_it_is(
    world: World, server: FakeServer, trouble: str
) -> None:
    ada = an_admin()
    server.script = [trouble]
    await invited(world, ada)
    assert await listed(world, ada) == []
    await invited(world, ada)
    await server.until(taken=1)


async def test_an_admin_lets_mail_go_there_again(world: World, server: FakeServer) -> None:
    ada, eve = an_admin(), an_admin()
    server.script = [DEAD]
    await invited(world, ada)
    path = f"/v1/undeliverable-addresses/{VERA}"
    assert (await world.ask("courier", "DELETE", path, actor=eve)).code == "not_found"
    assert (await world.ask("courier", "DELETE", path, actor=replace(ada, role="viewer"))).code == "forbidden"
    assert (await world.ask("courier", "DELETE", path, actor=ada)).status == 204
    assert (await world.ask("courier", "DELETE", path, actor=ada)).code == "not_found"
    assert len(await world.said("courier", AddressReleased)) == 1
    await invited(world, ada)
    await server.until(taken=1)


@asynccontextmanager
async def with_bounces(databases: Databases, folder: Path, server: FakeServer) -> AsyncIterator[tuple[World, Path]]:
    async with world_of([by_smtp(server), audit], databases, folder) as world:
        bounces = folder / "bounces"
        bounces.mkdir()
        env = world.started["courier"].env
        env.settings = env.settings.model_copy(update={"mail_bounces": f"file://{bounces}"})
        yield world, bounces


async def read(world: World) -> None:
    await world.run("courier", read_bounces)


async def test_a_notification_that_comes_later_fails_the_mail_and_is_read_once(
    databases: Databases, tmp_path: Path, server: FakeServer
) -> None:
    async with with_bounces(databases, tmp_path, server) as (world, folder):
        ada = an_admin()
        await invited(world, ada)
        (message_id,) = server.ids
        (folder / "1").write_bytes(dsn(message_id, action="delayed", status="4.4.1"))
        await read(world)
        assert (await states(world))[0][0] == "sent"
        (folder / "new").mkdir()
        (folder / "new" / "2").write_bytes(dsn(message_id))
        (folder / "3").write_bytes(dsn(message_id))
        (folder / "4").write_bytes(b"Subject: I am out of office\n\nBack on Monday.\n")
        await read(world)
        await read(world)
        ((state, _, error),) = await states(world)
        assert (state, "came back: 5.1.1" in str(error)) == ("failed", True)
        assert [one["id"] for one in await listed(world, ada)] == [VERA]
        assert len(await world.said("courier", AddressFoundDead)) == 1
        assert [file.name for file in folder.iterdir() if file.is_file()] == []
        assert sorted(file.name for file in (folder / "read").iterdir()) == ["1", "3", "4"]


def test_only_notifications_about_our_own_mails_that_say_never_are_bounces() -> None:
    ours = "<mail_01k9zq3v5m8c1t0g7w2x4y6z8a@tenantry.example>"
    assert rules.bounce_of(dsn(ours)) == rules.bounce_of(dsn(ours, whole=False))
    bounce = rules.bounce_of(dsn(ours))
    assert bounce is not None
    assert (bounce.mail_id, bounce.status) == ("mail_01k9zq3v5m8c1t0g7w2x4y6z8a", "5.1.1")
    assert rules.bounce_of(dsn("<somebody@else.example>")) is None
    assert rules.bounce_of(dsn(ours, action="delayed", status="4.2.2")) is None
    assert rules.bounce_of(dsn(ours, action="failed", status="4.2.2")) is None
    mail = EmailMessage()
    mail["Subject"] = "hello"
    mail.set_content(f"Message-ID: {ours}")
    assert rules.bounce_of(mail.as_bytes()) is None
    for broken in (b"", b"\xff\x00", b"Content-Type: multipart/report\n\n--"):
        assert rules.bounce_of(broken) is None
