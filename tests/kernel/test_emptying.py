"""Mails that were asked for lose what they say when their reader closes the account, and after a month; their numbers stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared import emptying, host
from shared.auth import Actor
from shared.emptying import empty_old_mails
from shared.erasure import Erasing, begin_erasing, erase_person, erase_what_waits
from shared.events import Envelope, sharing
from shared.events.courier import MailRequested
from shared.events.identity import UserClosed
from shared.events.org import OrganizationErased
from shared.hearing import Running
from shared.ids import new_id
from shared.service import Ctx, Job, on
from tests.kernel.toy import counter, notes
from tests.world import Databases, World, world_of


async def note_mail(ctx: Ctx, told: MailRequested) -> None:
    """Hears of mails, as courier does."""


async def known_addresses(ctx: Ctx, tx: object, user_id: str) -> list[str]:
    return ["Known-By-Heart@people.example"]


ASKING = replace(
    notes,
    publishes=[*notes.publishes, MailRequested, UserClosed],
    erasing=Erasing(OrganizationErased, addresses=known_addresses),
)
HEARING = replace(
    counter,
    consumers=[*counter.consumers, on(MailRequested, note_mail), on(UserClosed, erase_person)],
    erasing=Erasing(sharing.OrganizationErased),
)
LEFT = "select type, body from {} where position($1::bytea in body) > 0"

MANY = """
insert into {} select 'evt_' || n, 'courier.mail.requested.v1', 'usr_' || n, 1,
    convert_to('{{"data":{{"to":"p' || n || '@x","reader":"usr_' || n || '"}}}}', 'UTF8'), {} from generate_series(1, 3000) n
"""


@pytest.fixture
async def world(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(host, "ERASING", Job(erase_what_waits, 3600))
    async with world_of([ASKING, HEARING], databases, tmp_path) as world:
        yield world


def job_of(running: Running) -> Ctx:
    return Ctx(running.env, Actor("system", service=running.env.service.name))


async def say(world: World, *events: MailRequested | UserClosed) -> None:
    ctx = job_of(world.started["org"])
    async with ctx.finishing(), ctx.tx("") as tx:
        for event in events:
            await tx.emit(event)
    await world.settle()


def a_mail(
    to: str, *, reader: str | None = None, about: str | None = None, template: str = "no_account"
) -> MailRequested:
    said = {"about": about or new_id("usr"), "to": to, "template": template, "values": {"note": 'a "reader":"' + "x"}}
    return MailRequested.model_validate({**said, "reader": reader})


async def names(world: World, text: str) -> set[str]:
    """Outbox and inbox that hold a text."""
    found = set()
    for running in world.started.values():
        for table in ("outbox", "inbox"):
            async with running.env.database.read("*") as read:
                if await read.rows(LEFT.format(table), text.encode()):
                    found.add(f"{running.name} {table}")
    return found


async def close_account(world: World, user_id: str) -> None:
    org = job_of(world.started["org"])
    async with org.finishing(), org.tx("") as tx:
        await tx.emit(UserClosed(user_id=user_id))
        await begin_erasing(org, tx, user_id)
    for _ in range(3):
        await world.settle()
        for running in world.started.values():
            await erase_what_waits(job_of(running))


async def test_a_closed_accounts_mails_are_emptied_whatever_they_are_about(world: World) -> None:
    ana, bea, org_id = new_id("usr"), new_id("usr"), new_id("org")
    await say(
        world,
        a_mail("ana@people.example", reader=ana, template="password_reset"),
        a_mail("ana@people.example", reader=ana, about=org_id, template="dashboard_shared"),
        a_mail("ANA@people.example"),
        a_mail("known-by-heart@people.example", about=org_id, template="invitation"),
        a_mail("bea@people.example", reader=bea, template="password_reset"),
        a_mail("ana@people.example", about=ana, template="account_closed"),
    )
    everywhere = {"org outbox", "sharing inbox"}
    for address in ("ana@people.example", "ANA@people.example", "known-by-heart@people.example"):
        assert await names(world, address) == everywhere, address
    await close_account(world, ana)
    for address in ("ana@people.example", "ANA@people.example"):
        assert await names(world, address) == set(), address
    assert await names(world, "known-by-heart@people.example") == {"sharing inbox"}, "only the service that knows it"
    assert await names(world, "bea@people.example") == everywhere


async def test_numbers_stay_and_who_hears_it_again_hears_nothing_of_it(world: World) -> None:
    ana, org_id = new_id("usr"), new_id("org")
    await say(world, *(a_mail("ana@people.example", reader=ana, about=org_id) for _ in range(3)))
    await close_account(world, ana)
    said = [event for event in await world.said("org") if event.subject == org_id]
    assert [(one.type, one.sequence, one.data) for one in said] == [("org.event.erased.v1", n, {}) for n in (1, 2, 3)]
    hearing = world.started["sharing"]
    async with hearing.env.database.tx("*", lambda event: event) as tx:
        await tx.run("delete from inbox where subject = $1", org_id)
        await tx.run("delete from inbox_cursors where subject = $1", org_id)
    async with world.started["org"].env.database.tx("*", lambda event: event) as tx:
        await tx.run("update outbox set published_at = null where subject = $1", org_id)
    world.started["org"].relay._woken.set()
    await world.settle()
    async with hearing.env.database.read("*") as read:
        assert await read.value("select sequence from inbox_cursors where subject = $1", org_id) == 3
        assert not await read.value("select count(*) from inbox_parked")


async def test_what_isnt_published_yet_is_waited_for(world: World) -> None:
    ana = new_id("usr")
    await say(world, a_mail("ana@people.example", reader=ana))
    org = world.started["org"]
    await org.relay.stop()
    ctx = job_of(org)
    async with ctx.finishing(), ctx.tx("") as tx:
        await tx.emit(a_mail("ana@people.example", reader=ana))
        await begin_erasing(ctx, tx, ana)
    await erase_what_waits(job_of(org))
    done = "select count(*) from erasures where finished_at is not null"
    async with org.env.database.read("*") as read:
        assert not await read.value(done)
    org.relay.start()
    await world.settle()
    await erase_what_waits(job_of(org))
    async with org.env.database.read("*") as read:
        assert await read.value(done) == 1
    assert "org outbox" not in await names(world, "ana@people.example")


async def test_a_month_later_no_mail_says_anything_and_other_events_do(world: World) -> None:
    cleo = Actor("person", new_id("usr"), new_id("org"), "admin")
    (await world.ask("org", "POST", "/v1/notes", {"text": "kept for good"}, actor=cleo)).ok()
    await say(world, a_mail("old@people.example"), a_mail("young@people.example"))
    month = "set {} = {} - interval '31 days' where position('young'::bytea in body) = 0"
    for name, table, column in (("org", "outbox", "said_at"), ("sharing", "inbox", "received_at")):
        running = world.started[name]
        async with running.env.database.tx("*", lambda event: event) as tx:
            await tx.run(f"update {table} {month.format(column, column)}")
        ctx = job_of(running)
        async with ctx.finishing():
            await empty_old_mails(ctx)
    assert await names(world, "old@people.example") == set()
    assert await names(world, "young@people.example") == {"org outbox", "sharing inbox"}
    assert await names(world, "kept for good") == {"org outbox", "sharing inbox"}
    emptied = [event for event in await world.said("org") if event.type == "org.event.erased.v1"]
    assert [type(event) for event in emptied] == [Envelope]


async def test_each_of_these_is_found_by_an_index(world: World) -> None:
    asked = [
        (emptying.EMPTY_MAILS, ["t", "org", "usr_1", ["a@x"]], {"outbox_mails_by_reader", "outbox_mails_by_recipient"}),
        (emptying.EMPTY_HEARD_MAILS, ["usr_1", ["a@x"]], {"inbox_mails_by_reader", "inbox_mails_by_recipient"}),
        (emptying.EMPTY_OLD_MAILS, ["t", "org", emptying.MAILS_KEPT, 10], {"outbox_mails_by_age"}),
        (emptying.EMPTY_OLD_HEARD_MAILS, [emptying.MAILS_KEPT, 10], {"inbox_mails_by_age"}),
    ]
    async with world.started["sharing"].env.database.tx("*", lambda event: event) as tx:
        await tx.run(MANY.format("outbox (id, type, subject, sequence, body, published_at)", "now()"))
        await tx.run(
            MANY.format("inbox (id, type, subject, sequence, body, handler, source, state)", "'h', 'org', 'done'")
        )
        await tx.run("analyze outbox, inbox")
        for sql, values, indices in asked:
            plan = "\n".join(row[0] for row in await tx.rows(f"explain {sql}", *values))
            assert all(index in plan for index in indices), plan
