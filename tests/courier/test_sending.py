"""From a request for a mail to the mail: one per request, whatever mail servers, folders and processes do."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.courier.app import service as courier
from services.courier.store import mails as store
from services.courier.usecases import transports, working
from services.courier.usecases.own import Own, senders
from services.courier.usecases.sending import Sender
from services.courier.usecases.transports import Folder, MailServer, NotTaken, transport_of
from shared.config import Misconfigured
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.courier import MailLink, MailRequested
from shared.events.identity import Person, UserLanguageChanged, UserRegistered
from shared.ids import new_id
from shared.links import read_link_token
from shared.mailbox import FileMailbox, StoredMail
from shared.outbound import Outbound
from shared.service import Environment, Service
from tests.courier.smtp_server import FakeServer, mail_server
from tests.world import Databases, World, world_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def invitation(to: str = "vera@northwind.example", **more: Any) -> MailRequested:
    org_id = new_id("org")
    values = {
        "organization": "Northwind & Söhne <GmbH>",
        "inviter": "Ada",
        "role": "viewer",
        "expires_at": "2026-12-01T10:00:00+00:00",
    }
    fields: dict[str, Any] = {
        "about": org_id,
        "org_id": org_id,
        "to": to,
        "template": "invitation",
        "values": values,
        "link": MailLink(purpose="invitation", id=new_id("inv"), version=2),
    }
    return MailRequested(**{**fields, **more})


@dataclass
class Post:
    """Courier at work with a folder, and the mails in it."""

    world: World
    mailbox: FileMailbox

    async def mails(self, count: int) -> list[StoredMail]:
        """The newest mails, once there are so many and none is left to send."""
        await until_none_waits(self.world)
        mails = list(self.mailbox.list())
        assert len(mails) == count
        return mails


async def states(world: World) -> list[tuple[str, int, str | None]]:
    async with world.started["courier"].env.database.read(EVERY_ORG) as read:
        rows = await read.rows("select state, attempts, error from mails order by requested_at, id")
    return [(row["state"], row["attempts"], row["error"]) for row in rows]


async def until_none_waits(world: World) -> None:
    async with asyncio.timeout(60):
        while any(state == "waiting" for state, _, _ in await states(world)):
            await asyncio.sleep(0.01)


async def until_refused(world: World, attempts: int) -> None:
    """Waits until the only mail was given back after so many attempts, and is waiting to be due again."""
    async with asyncio.timeout(60):
        while True:
            async with world.started["courier"].env.database.read(EVERY_ORG) as read:
                row = await read.row("select attempts, leased_until, error from mails")
            if row is not None and row["attempts"] == attempts and row["leased_until"] is None and row["error"]:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def post(databases: Databases, tmp_path: Path) -> AsyncIterator[Post]:
    async with world_of([courier], databases, tmp_path) as world:
        yield Post(world, FileMailbox(tmp_path / "mail"))


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with mail_server() as server:
        yield server


def by_smtp(server: FakeServer, seconds: float = 20) -> Service:
    """Courier as it is when the configuration names a mail server."""

    @asynccontextmanager
    async def opens(env: Environment) -> AsyncIterator[Own]:
        transport = MailServer("127.0.0.1", server.port, False, None, None, seconds)
        async with senders(env, transport, Outbound()) as own:
            yield own

    return replace(courier, opens=opens)


@pytest.fixture
async def world(databases: Databases, tmp_path: Path, server: FakeServer) -> AsyncIterator[World]:
    async with world_of([by_smtp(server)], databases, tmp_path) as world:
        yield world


@dataclass
class LastWord:
    """Takes a mail, and at the same moment the database goes away."""

    databases: Databases
    name: str = ""
    taken: int = 0
    away: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, mail_id: str, requested_at: datetime, message: EmailMessage) -> None:
        self.taken += 1
        await self.allow(False)
        self.away.set()

    async def allow(self, allowed: bool) -> None:
        admin = await asyncpg.connect(self.databases.postgres.admin_dsn)
        await admin.execute(f"alter database {self.name} allow_connections {allowed}")
        if not allowed:
            await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", self.name)
        await admin.close()


async def test_a_mail_that_was_taken_while_the_database_went_away_is_noted_as_soon_as_it_is_back(
    databases: Databases, tmp_path: Path
) -> None:
    transport = LastWord(databases)

    @asynccontextmanager
    async def opens(env: Environment) -> AsyncIterator[Own]:
        async with senders(env, transport, Outbound()) as own:
            yield own

    async with world_of([replace(courier, opens=opens)], databases, tmp_path) as world:
        async with world.started["courier"].env.database.read(EVERY_ORG) as read:
            transport.name = await read.value("select current_database()")
        with suppress(Problem):  # the database may be away before all is seen to be handled
            await world.hear("org", invitation())
        async with asyncio.timeout(60):
            await transport.away.wait()
        await transport.allow(True)
        await until_none_waits(world)
        assert [(state, attempts) for state, attempts, _ in await states(world)] == [("sent", 1)]
    assert transport.taken == 1


# Into a folder


async def test_a_request_becomes_a_mail_whose_link_opens_what_it_was_made_for(post: Post) -> None:
    asked = invitation()
    await post.world.hear("org", asked)
    (mail,) = await post.mails(1)
    assert (mail.to, mail.subject) == ("vera@northwind.example", "Northwind & Söhne <GmbH> invites you")
    (link,) = mail.links
    token = link.removeprefix("http://127.0.0.1:8080/console/invite/")
    assert asked.link is not None
    secrets = post.world.settings.secrets
    assert read_link_token(secrets.bytes("links"), "invitation", token) == (asked.link.id, 2)
    assert "as Viewer" in mail.text
    assert "1 December 2026, 10:00 UTC" in mail.text
    assert "Northwind &amp; Söhne &lt;GmbH&gt;" in mail.html
    assert "<GmbH>" not in mail.html
    assert link in mail.html
    assert post.mailbox.read(mail.id) == mail
    assert post.mailbox.read(new_id("mail")) is None


async def test_the_token_is_nowhere_in_the_database(post: Post) -> None:
    await post.world.hear("org", invitation())
    (mail,) = await post.mails(1)
    token = mail.links[0].rpartition("/")[2]
    async with post.world.started["courier"].env.database.read(EVERY_ORG) as read:
        tables = [
            r["relname"]
            for r in await read.rows(
                "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
            )
        ]
        for table in tables:
            assert await read.value(f"select count(*) from {table} as t where t::text like $1", f"%{token[-20:]}%") == 0


async def test_people_are_written_to_in_the_language_that_they_chose_last(post: Post) -> None:
    user_id = new_id("usr")
    vera = Person(email="vera@northwind.example", name="Vera")
    await post.world.hear("identity", UserRegistered(user_id=user_id, person=vera, language="en"))
    await post.world.hear("org", invitation(reader=user_id))
    await post.world.hear("identity", UserLanguageChanged(user_id=user_id, language="de", previous="en"))
    await post.world.hear("org", invitation(reader=user_id))
    subjects = {mail.subject.removeprefix("Northwind & Söhne <GmbH> ") for mail in await post.mails(2)}
    assert subjects == {"invites you", "lädt Sie ein"}


async def test_files_are_whole_private_and_newest_first(post: Post) -> None:
    for number in range(5):
        await post.world.hear("org", invitation(f"p{number}@northwind.example"))
    mails = await post.mails(5)
    assert [mail.to for mail in mails] == [f"p{number}@northwind.example" for number in (4, 3, 2, 1, 0)]
    files = list(post.mailbox.folder.iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(post.mailbox.folder.stat().st_mode) == 0o700
    assert all(file.suffix == ".eml" for file in files)


async def test_a_mail_is_there_long_before_the_next_look(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "POLL_SECONDS", 60.0)
    await post.world.hear("org", invitation())
    await post.mails(1)
    async with asyncio.timeout(60):
        await post.world.hear("org", invitation())
        await post.mails(2)


async def test_the_four_services_are_all_heard_and_each_request_gives_one_mail(post: Post) -> None:
    person = new_id("usr")
    signup = MailRequested(
        about=person,
        to="ada@northwind.example",
        template="confirm_signup",
        values={"name": "Ada", "company": "Northwind"},
        link=MailLink(purpose="signup", id=new_id("sgn"), version=1),
    )
    await post.world.hear("identity", signup, signup)
    org_id = new_id("org")
    dashboard = MailRequested(
        about=org_id,
        org_id=org_id,
        to="vera@northwind.example",
        template="dashboard_shared",
        values={"dashboard": "Cash"},
    )
    await post.world.hear("sharing", dashboard)
    trial = dashboard.model_copy(
        update={
            "template": "trial_ending",
            "values": {"organization": "Northwind", "plan": "Business", "ends_at": "2026-12-01T10:00:00+00:00"},
            "language": "de",
        }
    )
    await post.world.hear("billing", trial)
    mails = await post.mails(4)
    assert mails[0].subject == "Der Test von Business endet bald"
    assert mails[0].links == ["http://127.0.0.1:8080/console/billing"]
    assert "/console/verify/tms_sgn" in mails[-1].links[0]


async def test_what_can_not_be_written_fails_at_once_and_others_go_on(post: Post) -> None:
    await post.world.hear("org", invitation(values={}))
    await post.world.hear("org", invitation("evil@x.example\r\nBcc: all@x.example"))
    await post.world.hear("org", invitation())
    await post.mails(1)
    assert [(state, attempts) for state, attempts, _ in await states(post.world)] == [
        ("failed", 1),
        ("failed", 1),
        ("sent", 1),
    ]
    assert "'organization' is undefined" in str((await states(post.world))[0][2])


async def test_a_full_folder_keeps_mails_waiting(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(FileMailbox, "write", full)
        await post.world.hear("org", invitation())
        await until_refused(post.world, 1)
    post.world.clock.advance(timedelta(seconds=6))
    await post.mails(1)


# To a mail server


async def test_a_mail_server_gets_text_and_html_and_a_message_id_that_stays(world: World, server: FakeServer) -> None:
    await world.hear("org", invitation("jörg@northwind.example"), invitation("ana@xn--nrthwind-n4a.example"))
    await server.until(taken=2)
    await until_none_waits(world)
    mail = next(mail for mail in server.taken if "jörg" in str(mail["To"]))
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert mail["From"] == "Tenantry <no-reply@tenantry.localhost>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert str(mail["Message-ID"]).startswith("<mail_")
    assert str(mail["Message-ID"]).endswith("@tenantry.localhost>")


@pytest.mark.parametrize("trouble", ["450 busy", "RCPT 451 later", "drop", "421 closing"])
async def test_a_mail_that_is_not_taken_now_is_taken_later_once(world: World, server: FakeServer, trouble: str) -> None:
    server.script = [trouble, trouble]
    await world.hear("org", invitation())
    await until_refused(world, 1)
    world.clock.advance(timedelta(seconds=6))
    await until_refused(world, 2)
    assert server.taken == []
    world.clock.advance(timedelta(seconds=31))
    await server.until(taken=1)
    await until_none_waits(world)
    assert (server.attempts, len(server.taken)) == (3, 1)
    assert await states(world) == [("sent", 3, None)]


@pytest.mark.parametrize("trouble", ["RCPT 550 nobody", "554 spam"])
async def test_a_mail_that_is_refused_for_good_is_not_tried_again(
    world: World, server: FakeServer, trouble: str
) -> None:
    server.script = [trouble]
    await world.hear("org", invitation())
    await until_none_waits(world)
    (state,) = await states(world)
    assert (state[0], state[1]) == ("failed", 1)
    assert trouble.removeprefix("RCPT ")[:3] in str(state[2])
    await world.hear("org", invitation())
    await server.until(taken=1)


async def test_a_server_that_answers_late_gets_the_mail_once(world: World, server: FakeServer) -> None:
    server.script = ["late"]
    await world.hear("org", invitation())
    await server.until(attempts=1)
    world.clock.advance(timedelta(days=1))
    await world.hear("org", invitation("other@northwind.example"))
    await server.until(taken=1)
    server.release.set()
    await until_none_waits(world)
    assert len(server.ids) == len(set(server.ids)) == 2
    assert server.attempts == 2


async def test_a_server_that_hangs_delays_its_mail_and_no_other(
    databases: Databases, tmp_path: Path, server: FakeServer
) -> None:
    server.script = ["hang"]
    async with world_of([by_smtp(server, seconds=1)], databases, tmp_path) as world:
        await world.hear("org", invitation("first@northwind.example"))
        await server.until(attempts=1)
        own: Sender = world.started["courier"].env.own.mails
        own._transport = replace(own._transport, seconds=20)  # type: ignore[type-var]
        await world.hear("org", invitation("second@northwind.example"))
        await server.until(taken=1)
        async with asyncio.timeout(60):
            while not any(error for _, _, error in await states(world)):
                await asyncio.sleep(0.01)
        world.clock.advance(timedelta(seconds=6))
        await server.until(taken=2)
        await until_none_waits(world)
        assert sorted(str(mail["To"]) for mail in server.taken) == [
            "first@northwind.example",
            "second@northwind.example",
        ]


async def test_a_server_that_dies_after_taking_it_gets_the_same_mail_again_recognisably(
    world: World, server: FakeServer
) -> None:
    server.script = ["take and drop"]
    await world.hear("org", invitation())
    await until_refused(world, 1)
    world.clock.advance(timedelta(seconds=6))
    await server.until(taken=2)
    await until_none_waits(world)
    assert len(set(server.ids)) == 1


async def test_a_server_that_is_away_for_a_day_loses_nothing_and_one_away_for_good_is_given_up(
    databases: Databases, tmp_path: Path, server: FakeServer
) -> None:
    port, server.port = server.port, 1
    away = by_smtp(server)
    async with world_of([away], databases, tmp_path) as world:
        await world.hear("org", invitation())
        for attempt in range(1, 4):
            await until_refused(world, attempt)
            world.clock.advance(timedelta(hours=8))
        assert (await states(world))[0][0] == "waiting"
        own: Sender = world.started["courier"].env.own.mails
        own._transport = MailServer("127.0.0.1", port, False, None, None)
        world.clock.advance(timedelta(hours=2))
        await server.until(taken=1)
        await until_none_waits(world)
        own._transport = MailServer("127.0.0.1", 1, False, None, None)
        await world.hear("org", invitation())
        async with asyncio.timeout(60):
            while (await states(world))[1][2] is None:
                await asyncio.sleep(0.01)
        world.clock.advance(timedelta(days=4))
        await until_none_waits(world)
        assert (await states(world))[1][0] == "failed"


# Processes


async def test_four_couriers_send_two_hundred_mails_once_each(
    databases: Databases, tmp_path: Path, server: FakeServer
) -> None:
    server.script = ["450 busy", "drop"] * 10
    async with world_of([by_smtp(server)], databases, tmp_path) as world:
        env = world.started["courier"].env
        others = [Sender(env, MailServer("127.0.0.1", server.port, False, None, None)) for _ in range(3)]
        for other in others:
            other.start()
        org_id = new_id("org")
        await world.hear(
            "org", *(invitation(f"p{n}@northwind.example", about=org_id, org_id=org_id) for n in range(200))
        )
        async with asyncio.timeout(60):
            while any(state == "waiting" for state, _, _ in await states(world)):
                world.clock.advance(timedelta(seconds=31))
                await asyncio.sleep(0.05)
        for other in others:
            await other.stop()
        assert len(server.taken) == 200
        assert len({str(mail["To"]) for mail in server.taken}) == 200


async def test_a_sender_that_dies_before_noting_it_leaves_one_file(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    died = asyncio.Event()

    async def dies(*_: object) -> None:
        died.set()
        raise RuntimeError("the process is gone")

    with monkeypatch.context() as broken:
        broken.setattr(store, "mark_sent", dies)
        await post.world.hear("org", invitation())
        async with asyncio.timeout(60):
            await died.wait()
    assert [state for state, _, _ in await states(post.world)] == ["waiting"]
    async with post.world.started["courier"].env.database.tx(EVERY_ORG, lambda e: e) as tx:
        await tx.run("update mails set leased_until = clock_timestamp()")
    await post.mails(1)
    assert (await states(post.world))[0][:2] == ("sent", 2)


async def test_a_transport_that_is_misconfigured_refuses_to_start() -> None:
    for url in ("", "http://x", "file://", "smtp://", "sendmail"):
        with pytest.raises(Misconfigured, match="smtp://user:password@host:587"):
            transport_of(url)
    assert transport_of("smtps://u%40x:p%2F@mail.example") == MailServer("mail.example", 465, True, "u@x", "p/")
    assert transport_of("file:///var/mail/a%20b") == Folder(FileMailbox(Path("/var/mail/a b")))


async def test_a_password_is_never_sent_to_another_machine_in_the_clear(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "LOOPBACK", ())
    message = EmailMessage()
    message["From"], message["To"] = "a@x.example", "b@x.example"
    with pytest.raises(NotTaken, match="STARTTLS"):
        await MailServer("127.0.0.1", server.port, False, "user", "secret").take(new_id("mail"), NOON, message)
    assert server.attempts == 0
