"""Upgrades of org where it ran before: members are looked up in pieces, and second factors are heard again by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.identity.app import service as identity
from services.org.app import service as org
from shared import migrate as migrating
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events.identity import Person, TwoFactorEnabled, TwoFactorRemoved, UserNameChanged, UserRegistered
from shared.ids import new_id
from shared.migrate import CannotMigrate, migrate
from shared.service import Ctx
from tests.system.remains import until_so
from tests.upgrading import as_before, asked
from tests.world import Databases, World, world_of

BEFORE_FILTERS = "0018"
PEOPLE = 5_003
FILL = """
insert into organizations (org_id, name, contact_email, product_mails, location, created_by, created_at, changed_at)
    values ('org_1', 'Crowd', 'a@x.example', false, 'eu', 'usr_1', now(), now());
insert into members (org_id, user_id, email, email_key, name, name_key, role, status, joined_at, changed_at, last_active_at)
    select 'org_1', 'usr_' || n, 'p' || n || '@x.example', 'p' || n || '@x.example', 'P', 'p', case n when 1 then 'admin' else 'viewer' end, 'active',
        now(), now(), now() + case when n % 2 = 0 then interval '1 hour' else interval '0' end from generate_series(1, 5003) n;
insert into invitations (org_id, invitation_id, email, email_key, role, group_ids, status, invited_by, invited_at, sent_at, expires_at)
    values ('org_1', 'inv_1', 'p7@x.example', 'p7@x.example', 'viewer', '{}', 'accepted', 'usr_1', now(), now(), now());
"""


async def test_who_was_ever_here_is_looked_up_in_pieces_past_an_interruption(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with as_before(databases, tmp_path, org, BEFORE_FILTERS, FILL) as url:
        real, pieces = migrating._piece, []

        async def dies(connection: Any, migration: migrating.Migration) -> bool:
            pieces.append(migration.name)
            if len(pieces) == 2:
                raise asyncpg.ConnectionDoesNotExistError("killed")
            return await real(connection, migration)

        monkeypatch.setattr(migrating, "_piece", dies)
        with pytest.raises(CannotMigrate):
            await migrate(url, org.migrations)
        assert await asked(url, "select count(*) from members where seen is null") == [(PEOPLE - 2_000,)]
        await migrate(url, org.migrations)
        assert pieces.count("service/0019_seen.pieces.sql") == 5, "2,000 and 1,003 were left, and then nobody"
        seen = {row[0] for row in await asked(url, "select user_id from members where seen")}
        assert seen == {f"usr_{n}" for n in range(1, PEOPLE + 1) if n % 2 == 0 or n in (1, 7)}
        valid = "select count(*) from pg_index where indrelid = 'members'::regclass and indisvalid"
        assert (await asked(url, f"{valid} and indexrelid::regclass::text = 'members_by_activity'")) == [(1,)]


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([identity, org], databases, tmp_path) as world:
        yield world


async def test_second_factors_from_before_are_heard_again_and_nothing_else(world: World) -> None:
    """org had passed over what identity said of them; the upgrade alone brings it back."""
    ana, bea, cleo = (new_id("usr") for _ in range(3))
    ctx = Ctx(world.started["identity"].env, Actor("system", service="identity"))
    async with ctx.finishing(), ctx.tx("") as tx:
        for user_id in (ana, bea, cleo):
            await tx.emit(UserRegistered(user_id=user_id, person=Person(email=f"{user_id}@x.example", name="Some")))
        await tx.emit(TwoFactorEnabled(user_id=ana, factor="totp", factors=["totp"]))
        await tx.emit(
            UserNameChanged(user_id=ana, person=Person(email=f"{ana}@x.example", name="Ana"), previous_name="Some")
        )
        await tx.emit(TwoFactorEnabled(user_id=bea, factor="totp", factors=["totp"]))
        await tx.emit(TwoFactorRemoved(user_id=bea, removed=["totp"], factors=[]))
    await world.settle()
    database = world.started["org"].env.database

    async def factors() -> dict[str, bool]:
        async with database.read(EVERY_ORG) as read:
            return {row["user_id"]: row["two_factor"] for row in await read.rows("select * from persons")}

    async def replayed() -> dict[str, int]:
        async with database.read("") as read:
            rows = await read.rows("select subject, replayed from inbox_cursors where replayed > 0")
        return {row["subject"]: row["replayed"] for row in rows}

    async with database.tx(EVERY_ORG, lambda event: event) as tx:
        await tx.run("update persons set two_factor = false")
        await tx.run("update inbox set handler = '', body = null, state = 'skipped' where handler = 'keep_two_factor'")
        assert org.migrations is not None
        await tx.connection.execute((org.migrations / "0021_factors_heard_again.sql").read_text())

    async def again() -> bool:
        return (await factors())[ana]

    await until_so(again)
    await world.settle()
    assert await factors() == {ana: True, bea: False, cleo: False}
    assert set(await replayed()) == {ana, bea}


async def test_names_of_groups_are_compared_as_they_look_and_who_has_two_alike_keeps_both(
    databases: Databases, tmp_path: Path
) -> None:
    async with as_before(databases, tmp_path, org, BEFORE_FILTERS, FILL) as url:
        named = ("sales  team", "\u2764\ufe0f", "board", "board\ufe0f")
        rows = ", ".join(
            f"('org_1', 'grp_{n}', 'custom', 'G', '{key}', '', now(), now())" for n, key in enumerate(named)
        )
        columns = "org_id, group_id, kind, name, name_key, description, created_at, changed_at"
        await asked(url, f"insert into groups ({columns}) values {rows}")
        await migrate(url, org.migrations)
        keys = [key for (key,) in await asked(url, "select name_key from groups order by group_id")]
        assert keys == ["sales team", "\u2764", "board", "board\ufe0f"]
