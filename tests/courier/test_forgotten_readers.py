"""Whoever closed their account gets nothing twice: mails that are heard again are sent again to nobody who has gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.courier.app import service as courier
from shared.db import EVERY_ORG
from shared.events.courier import MailRequested
from shared.events.identity import UserClosed
from shared.ids import new_id
from shared.mailbox import FileMailbox
from shared.rewinding import rewind
from tests.system.remains import until_so
from tests.world import Databases, World, world_of


def a_mail(to: str, **more: Any) -> MailRequested:
    return MailRequested(**{"about": new_id("usr"), "to": to, "template": "no_account", "values": {}, **more})


async def left(world: World) -> list[str]:
    async with world.started["courier"].env.database.read(EVERY_ORG) as read:
        return [row["recipient"] for row in await read.rows("select recipient from mails order by recipient")]


async def closed(world: World, user_id: str) -> bool:
    async with world.started["courier"].env.database.read(EVERY_ORG) as read:
        done = "select exists (select from erasures where subject = $1 and finished_at is not null)"
        return bool(await read.value(done, user_id))


async def test_a_closed_accounts_mails_go_also_those_from_before_it_was_opened(
    databases: Databases, tmp_path: Path
) -> None:
    async with world_of([courier], databases, tmp_path) as world:
        ana, bea = new_id("usr"), new_id("usr")
        await world.hear(
            "identity",
            a_mail("Ana@people.example"),
            a_mail("ana@people.example", reader=ana),
            a_mail("bea@people.example", reader=bea),
            a_mail("ana@people.example", about=ana, template="account_closed", values={"name": "Ana"}),
            UserClosed(user_id=ana),
        )
        await until_so(lambda: closed(world, ana))
        assert await left(world) == ["bea@people.example"]


async def test_a_mail_that_is_heard_again_isnt_sent_to_who_has_gone(databases: Databases, tmp_path: Path) -> None:
    async with world_of([courier], databases, tmp_path) as world:
        ana, bea, org_id = new_id("usr"), new_id("usr"), new_id("org")
        said = [
            a_mail(f"{name}@people.example", reader=who, about=org_id) for name, who in (("ana", ana), ("bea", bea))
        ]
        await world.hear("sharing", *said)
        await world.hear("identity", UserClosed(user_id=ana))
        await until_so(lambda: closed(world, ana))
        sent = len(FileMailbox(tmp_path / "mail").list())
        async with world.started["courier"].env.database.tx(EVERY_ORG, lambda event: event) as tx:
            await tx.run("delete from mails")
            await rewind(tx.connection, source="sharing")
        world._sequences.clear()
        await world.hear("sharing", *said)
        assert await left(world) == ["bea@people.example"]

        async def sent_again() -> bool:
            return len(FileMailbox(tmp_path / "mail").list()) == sent + 1

        await until_so(sent_again)
