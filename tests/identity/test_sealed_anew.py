"""After a new master key, whatever identity keeps sealed opens without the old one."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from services.identity.app import service
from services.identity.store.sealed import SEALED
from services.identity.usecases.opened import Keys
from shared import sealed_columns
from shared.config import MasterKey, fresh_key
from shared.db import EVERY_ORG
from shared.sealing import Sealer
from tests.identity.factors import answers, challenged, sets_up_totp
from tests.identity.people import somebody
from tests.identity.provider import Provider
from tests.identity.sso_house import SsoHouse, sso_house
from tests.identity.test_sign_outs import actor_of, signs_out
from tests.world import World


@pytest.fixture
async def house(world: World, provider: Provider) -> SsoHouse:
    """With a client secret, a key of SAML, and somebody who came by the provider."""
    house = await sso_house(world, provider)
    await house.begins(name="SAML", protocol="saml")
    await house.set_up()
    (await house.signs_in("joe", f"joe@{house.domain}")).ok()
    return house


def masters(world: World, monkeypatch: pytest.MonkeyPatch, *keys: MasterKey) -> None:
    """As if identity had been started with these."""
    env = world.started["identity"].env
    secrets = env.settings.secrets.model_copy(update={"master": list(keys)})
    monkeypatch.setattr(env, "settings", env.settings.model_copy(update={"secrets": secrets}))
    changed = {"sealer": Sealer(keys), "keys": Keys.of(secrets)}
    monkeypatch.setattr(env, "own", type(env.own)(**{**vars(env.own), **changed}))


async def seals_anew(world: World) -> None:
    (seal,) = [job.use_case for job in service.jobs if job.use_case.__name__ == "seal_anew"]
    for _ in range(2):
        await world.run("identity", seal)


async def heads(world: World) -> set[str]:
    """Under which keys there is anything."""
    found: set[str] = set()
    async with world.started["identity"].env.database.read(EVERY_ORG) as read:
        for one in SEALED:
            rows: list[Any] = await read.rows(
                f"select {one.column} as sealed from {one.table} where {one.column} is not null"
            )
            assert rows, one.table
            found |= {bytes(row["sealed"]).partition(b".")[0].decode() for row in rows}
    return found


async def test_second_factors_and_connections_work_without_the_old_master_key(
    world: World, house: SsoHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    kim = await somebody(world)
    phone = await sets_up_totp(world, await kim.comes())
    joe = await actor_of(world, (await house.signs_in("joe", f"joe@{house.domain}")).ok()["session_id"])
    old = world.settings.secrets.master[0]
    new = MasterKey(id="newer", key=fresh_key())
    assert await heads(world) == {old.id}
    masters(world, monkeypatch, new, old)
    await seals_anew(world)
    assert await heads(world) == {"newer"}
    masters(world, monkeypatch, new)
    assert (await house.signs_in("ivy", f"ivy@{house.domain}")).ok()["access_token"], "the client secret opens"
    assert (await answers(world, await challenged(kim), totp=phone.code())).status == 201
    there = (await signs_out(world, joe)).ok()["at_provider"]
    assert "id_token_hint=" in there["url"], "what the provider wants to be shown opens"


@pytest.mark.parametrize("at_once", [1, sealed_columns.AT_ONCE])
async def test_what_no_key_opens_is_left_as_it_is_and_holds_nothing_up(
    world: World, house: SsoHouse, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(sealed_columns, "AT_ONCE", at_once)
    kim, lee = sorted([await somebody(world), await somebody(world)], key=lambda one: one.user_id)
    for one in (kim, lee):
        await sets_up_totp(world, await one.comes())
    old = world.settings.secrets.master[0]
    async with world.started["identity"].env.database.tx("", lambda event: event) as tx:
        await tx.run(
            "update totp set sealed = convert_to($2, 'UTF8') where user_id = $1",
            kim.user_id,
            f"{old.id}.spoiled by somebody",
        )
    masters(world, monkeypatch, MasterKey(id="newer", key=fresh_key()), old)
    with capture_logs() as logs:
        await seals_anew(world)
    assert await heads(world) == {"newer", old.id}
    async with world.started["identity"].env.database.read(EVERY_ORG) as read:
        found = await read.row("select sealed from totp where user_id = $1", lee.user_id)
    assert found is not None
    assert bytes(found["sealed"]).startswith(b"newer."), "however many stand before it"
    told = [entry for entry in logs if entry["log_level"] == "error"]
    assert {(entry["event"], entry["table"]) for entry in told} == {("a sealed secret can't be opened", "totp")}
    assert "spoiled" not in repr(logs)
