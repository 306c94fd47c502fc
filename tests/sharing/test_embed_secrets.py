"""Embed secrets: reset with an overlap, revoked, revealed, warned of, and sealed anew under another master key."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.sharing.rules import embed_secrets as rules
from services.sharing.rules.embed_secrets import Secret
from services.sharing.store import secrets as store
from services.sharing.usecases.embed_secrets import seal_secrets_anew, tell_expired_secrets, warn_of_expiring_secrets
from shared.auth import FRESH_SECONDS
from shared.config import MasterKey, fresh_key
from shared.db import EVERY_ORG
from shared.events.courier import MailRequested
from shared.events.sharing import EmbedSecretExpired, EmbedSecretReset, EmbedSecretRevealed, EmbedSecretRevoked
from shared.ids import new_id
from tests.sharing.company import Company
from tests.world import Reply, World

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(hours=24)
PATH = "/v1/embed-secrets"


async def secrets_of(company: Company) -> list[Any]:
    return (await company.ask("ana", "GET", PATH)).ok()["data"]  # type: ignore[no-any-return]


async def reset(company: Company, **body: Any) -> Reply:
    return await company.ask("ana", "POST", PATH, body)


async def reveal(company: Company, secret_id: str) -> Reply:
    return await company.ask("ana", "POST", f"{PATH}/{secret_id}/reveal")


async def used(company: Company, secret_id: str, dashboard_id: str, at: datetime) -> str:
    """As if a token of this secret had opened a link of the dashboard."""
    made = await company.ask("ben", "POST", f"/v1/dashboards/{dashboard_id}/links", {"name": "For the wall"})
    database = company.world.started["sharing"].env.database
    async with database.tx(company.org_id, lambda event: event) as tx:
        await store.count_use(tx, company.org_id, secret_id, made.ok()["id"], dashboard_id, at)
    return str(made.ok()["id"])


async def run(world: World, use_case: Any) -> None:
    await world.run("sharing", use_case)


def test_an_old_secret_is_valid_until_its_own_moment_and_not_at_it() -> None:
    old = Secret("sec_x", NOON - DAY, superseded_at=NOON, expires_at=NOON + DAY)
    assert rules.state(old, NOON + DAY - TICK) == "expiring"
    assert rules.state(old, NOON + DAY) == "expired"
    assert not rules.is_alive(replace(old, revoked_at=NOON + TICK), NOON + timedelta(hours=1))


@pytest.mark.parametrize(("overlap", "before"), [(24, 6), (168, 6), (4, 1), (1, 0.25)])
def test_the_warning_comes_six_hours_before_or_in_the_last_quarter(overlap: float, before: float) -> None:
    old = Secret("sec_x", NOON - DAY, superseded_at=NOON, expires_at=NOON + timedelta(hours=overlap))
    since = NOON + timedelta(hours=overlap - before)
    assert rules.warned_from(old) == since
    assert rules.is_worth_a_warning(old, NOON, since)
    assert not rules.is_worth_a_warning(old, NOON, since - TICK)
    assert not rules.is_worth_a_warning(old, NOON - TICK, since), "nobody has used it since there is a newer one"
    assert not rules.is_worth_a_warning(old, None, since)
    assert not rules.is_worth_a_warning(old, NOON, NOON + timedelta(hours=overlap)), "it is dead already"


async def test_a_reset_leaves_the_old_secret_24_hours_and_each_older_one_its_own(company: Company) -> None:
    clock = company.world.clock
    (first,) = await secrets_of(company)
    second = (await reset(company)).ok()
    assert (second["state"], second["expires_at"], second["created_by"]) == ("current", None, company.id_of("ana"))
    clock.advance(timedelta(hours=10))
    third = (await reset(company)).ok()
    listed = {one["id"]: one for one in await secrets_of(company)}
    assert [one["id"] for one in await secrets_of(company)] == [third["id"], second["id"], first["id"]]
    for old, newer in ((first, second), (second, third)):
        assert listed[old["id"]]["state"] == "expiring"
        ends = datetime.fromisoformat(listed[old["id"]]["expires_at"])
        assert ends == datetime.fromisoformat(newer["created_at"]) + DAY
    told = (await company.world.said("sharing", EmbedSecretReset))[-1]
    assert (set(told.data["expiring"]), told.data["first"]) == ({first["id"], second["id"]}, False)
    clock.advance(timedelta(hours=14))
    states = [one["state"] for one in await secrets_of(company)]
    assert states == ["current", "expiring", "expired"]


@pytest.mark.parametrize("overlap", [0, 1, 3600, 604800])
async def test_the_overlap_is_chosen_to_the_second(company: Company, overlap: int) -> None:
    (first,) = await secrets_of(company)
    second = (await reset(company, overlap_seconds=overlap)).ok()
    old = (await company.ask("ana", "GET", f"{PATH}/{first['id']}")).ok()
    ends, began = (datetime.fromisoformat(text) for text in (old["expires_at"], second["created_at"]))
    assert ends - began == timedelta(seconds=overlap)
    if overlap == 0:
        assert old["state"] == "expired"


@pytest.mark.parametrize("overlap", [-1, 604801, 1.5, "3600", None, True])
async def test_no_other_overlap_is_taken(company: Company, overlap: Any) -> None:
    assert (await reset(company, overlap_seconds=overlap)).status == 422
    assert len(await secrets_of(company)) == 1


async def test_only_an_admin_who_has_just_proven_themselves_resets_and_reveals(company: Company) -> None:
    (first,) = await secrets_of(company)
    paths = (PATH, f"{PATH}/{first['id']}/reveal")
    stale = replace(company.actor("ana"), auth_time=int(time.time()) - FRESH_SECONDS - 5)
    for path in paths:
        for name in ("ben", "dan"):
            assert (await company.ask(name, "POST", path, {})).code == "forbidden"
        refused = await company.world.ask("sharing", "POST", path, {}, actor=stale)
        assert (refused.status, refused.code) == (401, "insufficient_user_authentication")
    revoked = await company.world.ask("sharing", "POST", f"{PATH}/{first['id']}/revocation", actor=stale)
    assert revoked.status == 200, "the emergency exit is open at once"


async def test_secrets_of_others_are_not_there(company: Company) -> None:
    other = await Company(company.world).found()
    (theirs,) = await secrets_of(other)
    for method, path in (("GET", ""), ("POST", "/reveal"), ("POST", "/revocation")):
        foreign = await company.ask("ana", method, f"{PATH}/{theirs['id']}{path}")
        missing = await company.ask("ana", method, f"{PATH}/{new_id('sec')}{path}")
        assert (foreign.status, foreign.json | {"instance": ""}) == (404, missing.json | {"instance": ""})


async def test_what_is_revealed_is_the_secret_and_that_it_was_is_told(company: Company) -> None:
    (first,) = await secrets_of(company)
    secret = (await reveal(company, first["id"])).ok()["secret"]
    assert len(secret) == 64
    assert (await reveal(company, first["id"])).ok()["secret"] == secret
    assert len(await company.world.said("sharing", EmbedSecretRevealed)) == 2
    second = (await reset(company)).ok()
    assert (await reveal(company, second["id"])).ok()["secret"] != secret
    async with company.world.started["sharing"].env.database.read("*") as read:
        tables = ("embed_secrets", "outbox", "idempotent_requests")
        dump = "".join([str(dict(row)) for table in tables for row in await read.rows(f"select * from {table}")])
    assert secret not in dump
    assert secret not in (await company.ask("ana", "GET", PATH)).body.decode()


async def test_revoking_shows_who_used_it_and_there_is_always_one_in_force(company: Company) -> None:
    for board in ("board-1", "board-2"):
        await company.register("ben", board)
    (first,) = await secrets_of(company)
    now = company.world.clock.now()
    recent = await used(company, first["id"], "board-1", now - timedelta(hours=23))
    await used(company, first["id"], "board-2", now - timedelta(hours=25))
    seen = (await company.ask("ana", "GET", f"{PATH}/{first['id']}")).ok()
    assert [(one["dashboard_title"], one["recent"], one["uses"]) for one in seen["used_by"]] == [
        ("Board-1", True, 1),
        ("Board-2", False, 1),
    ]
    assert (seen["used_by"][0]["link_id"], seen["uses"]) == (recent, 2)
    revoked = (await company.ask("ana", "POST", f"{PATH}/{first['id']}/revocation")).ok()
    assert (revoked["state"], revoked["used_by"]) == ("revoked", seen["used_by"])
    assert [one["state"] for one in await secrets_of(company)] == ["current", "revoked"]
    assert (await reveal(company, first["id"])).code == "gone"
    again = await company.ask("ana", "POST", f"{PATH}/{first['id']}/revocation")
    assert (again.status, "tenantry-change" in again.headers) == (200, False)
    assert len(await company.world.said("sharing", EmbedSecretRevoked)) == 1
    assert len(await company.world.said("sharing", EmbedSecretReset)) == 2


async def test_revoking_an_old_secret_makes_no_new_one(company: Company) -> None:
    (first,) = await secrets_of(company)
    await reset(company)
    await company.ask("ana", "POST", f"{PATH}/{first['id']}/revocation")
    assert [one["state"] for one in await secrets_of(company)] == ["current", "revoked"]


async def test_resets_at_the_same_time_leave_exactly_one_in_force(company: Company) -> None:
    replies = await asyncio.gather(*(reset(company) for _ in range(6)))
    assert {reply.status for reply in replies} == {201}
    states = [one["state"] for one in await secrets_of(company)]
    assert sorted(states) == ["current"] + ["expiring"] * 6


async def test_no_more_than_twenty_are_valid_at_once(company: Company) -> None:
    for _ in range(19):
        (await reset(company)).ok()
    refused = await reset(company)
    assert (refused.code, refused.json["meta"]["limit"]) == ("conflict", 20)


async def test_the_end_of_a_secret_is_told_once(company: Company, world: World) -> None:
    (first,) = await secrets_of(company)
    await reset(company, overlap_seconds=3600)
    await run(world, tell_expired_secrets)
    assert await world.said("sharing", EmbedSecretExpired) == []
    world.clock.advance(timedelta(hours=1))
    for _ in range(2):
        await run(world, tell_expired_secrets)
    (told,) = await world.said("sharing", EmbedSecretExpired)
    assert (told.data["secret_id"], told.subject) == (first["id"], company.org_id)


async def test_every_admin_is_warned_once_of_an_old_secret_that_is_still_used(company: Company, world: World) -> None:
    await company.join(fay="admin")
    await company.register("ben", "board-1", "Revenue")
    (first,) = await secrets_of(company)
    await reset(company)
    world.clock.advance(timedelta(hours=18, minutes=1))
    await run(world, warn_of_expiring_secrets)
    assert await world.said("sharing", MailRequested) == [], "nobody uses it"
    await used(company, first["id"], "board-1", world.clock.now())
    for _ in range(2):
        await run(world, warn_of_expiring_secrets)
    mails = await world.said("sharing", MailRequested)
    assert {mail.data["to"] for mail in mails} == {"ana@example.com", "fay@example.com"}
    assert len(mails) == 2
    values = mails[0].data["values"]
    assert (mails[0].data["template"], values["dashboards"], values["secret_id"]) == (
        "embed_secret_expiring",
        "Revenue",
        first["id"],
    )


async def test_under_a_new_master_key_secrets_are_sealed_anew_and_open_as_before(
    company: Company, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = await secrets_of(company)
    secret = (await reveal(company, first["id"])).ok()["secret"]
    env = world.started["sharing"].env
    before, new = env.settings.secrets, MasterKey(id="newer", key=fresh_key())

    def masters(*keys: MasterKey) -> None:
        changed = env.settings.secrets.model_copy(update={"master": list(keys)})
        monkeypatch.setattr(env, "settings", env.settings.model_copy(update={"secrets": changed}))

    async def sealed() -> Any:
        async with env.database.read(EVERY_ORG) as read:
            return await read.row("select sealed, sealing from embed_secrets where secret_id = $1", first["id"])

    old = await sealed()
    masters(new, *before.master)
    for _ in range(2):
        await run(world, seal_secrets_anew)
    assert (await sealed())["sealing"] == old["sealing"] + 1
    masters(new)
    assert (await reveal(company, first["id"])).ok()["secret"] == secret
    async with env.database.tx(company.org_id, lambda event: event) as tx:
        await tx.run("update embed_secrets set sealed = $2 where secret_id = $1", first["id"], old["sealed"])
    masters(new, *before.master)
    refused = await reveal(company, first["id"])
    assert (refused.status, refused.code) == (503, "unavailable"), "an older ciphertext that is put back doesn't open"
    masters(new)
    with capture_logs() as logs:
        await run(world, seal_secrets_anew)
        refused = await reveal(company, first["id"])
    assert (refused.status, secret in repr(logs)) == (503, False)
    assert {entry["event"] for entry in logs if entry["log_level"] == "error"} == {"an embed secret can't be opened"}


async def test_secrets_that_no_key_opens_keep_none_behind_them_from_being_sealed_anew(
    company: Company, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        (await reset(company)).ok()
    ids = sorted(one["id"] for one in await secrets_of(company))
    env = world.started["sharing"].env
    async with env.database.tx(company.org_id, lambda event: event) as tx:
        await tx.run("update embed_secrets set sealed = $2 where secret_id = any($1)", ids[:2], b"gone.nothing")
    master = [MasterKey(id="newer", key=fresh_key()), *env.settings.secrets.master]
    changed = env.settings.secrets.model_copy(update={"master": master})
    monkeypatch.setattr(env, "settings", env.settings.model_copy(update={"secrets": changed}))
    monkeypatch.setattr("services.sharing.usecases.embed_secrets.AT_ONCE", 1)
    await run(world, seal_secrets_anew)
    async with env.database.read(EVERY_ORG) as read:
        rows = await read.rows("select secret_id, sealed from embed_secrets order by secret_id")
    assert [bytes(row["sealed"]).partition(b".")[0] for row in rows] == [b"gone", b"gone", b"newer"]
