"""Signed heads: they leave audit's database, are kept where the log isn't, and show what was done to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.audit.app import service as audit
from services.audit.usecases import heads
from services.audit.usecases.heads import sign_heads
from services.courier.app import service as courier
from shared import audit_chain as chain
from shared.audit_chain import SignedHead
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events.audit import HeadSigned
from tests.audit.test_log import exported, group, joined
from tests.world import Databases, World, an_admin, world_of


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([replace(audit, jobs=()), courier], databases, tmp_path) as world:
        yield world


async def signed(world: World) -> None:
    await world.run("audit", sign_heads)
    await world.settle()


async def kept(world: World, actor: Actor) -> list[SignedHead]:
    """As an Admin gets them from who keeps them, the newest first."""
    page: Any = (await world.ask("courier", "GET", "/v1/audit-heads", actor=actor)).ok()
    return [SignedHead(**{name: value for name, value in head.items() if name != "id"}) for head in page["data"]]


async def tampered(world: World, *statements: str) -> None:
    """What somebody does who owns the database."""
    async with world.started["audit"].env.database.tx(EVERY_ORG, lambda e: e) as tx:
        await tx.run("alter table audit_entries disable trigger only_added")
        for statement in statements:
            await tx.run(statement)
        await tx.run("alter table audit_entries enable trigger only_added")


async def test_each_log_that_has_grown_is_signed_once_and_kept_elsewhere(world: World) -> None:
    ada, eve = an_admin(), an_admin()
    await world.hear("org", joined(ada), group(ada, "Finance"), joined(eve))
    await signed(world)
    await signed(world)
    (head,) = await kept(world, ada)
    entries = await exported(world, ada)
    assert (head.number, head.digest) == (2, entries[-1]["hash"])
    assert chain.verify(entries, first_previous_hash=chain.BEGINNING, heads=[head], key=head.key).intact
    assert [one.number for one in await kept(world, eve)] == [1]
    said = await world.said("audit", HeadSigned)
    assert sorted(one.subject for one in said) == sorted([ada.org(), eve.org()])
    world.clock.advance(timedelta(days=1))
    await world.hear("org", group(ada, "Sales"), group(ada, "Support"))
    await signed(world)
    assert [one.number for one in await kept(world, ada)] == [4, 2]


@pytest.mark.parametrize("how", ["cut off", "changed"])
async def test_a_log_that_its_database_no_longer_holds_as_it_was_is_found_by_heads_kept_elsewhere(
    world: World, how: str
) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada), *(group(ada, f"G{n}") for n in range(5)))
    await signed(world)
    heads_kept = await kept(world, ada)
    whole = await exported(world, ada)
    if how == "cut off":
        await tampered(
            world,
            "delete from audit_entries where number > 3",
            f"update chains set number = 3, hash = '{whole[2]['hash']}', signed = 0",
        )
    else:
        forged = [dict(entry) for entry in whole]
        forged[-1]["target_name"] = "forged"
        digest = chain.hash_of(forged[-1]["previous_hash"], forged[-1])
        await tampered(
            world,
            f"update audit_entries set target_name = 'forged', hash = '{digest}' where number = 6",
            f"update chains set hash = '{digest}', signed = 0",
        )
    found = await exported(world, ada)
    assert chain.verify(found, first_previous_hash=chain.BEGINNING).intact
    assert chain.verify(found, heads=heads_kept).what == how
    await signed(world)
    assert await kept(world, ada) == heads_kept


async def test_heads_are_for_admins_of_their_own_organization(world: World) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada))
    await signed(world)
    assert await kept(world, an_admin()) == []
    viewer = replace(ada, role="viewer")
    assert (await world.ask("courier", "GET", "/v1/audit-heads", actor=viewer)).code == "forbidden"
    async with world.started["courier"].env.database.read(an_admin().org()) as read:
        assert await read.value("select count(*) from audit_heads") == 0


async def test_more_logs_than_are_signed_at_once_are_signed_in_turns(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MOST_AT_ONCE", 2)
    admins = [an_admin() for _ in range(5)]
    await world.hear("org", *(joined(admin) for admin in admins))
    for _ in range(3):
        await signed(world)
    assert [len(await kept(world, admin)) for admin in admins] == [1] * 5
