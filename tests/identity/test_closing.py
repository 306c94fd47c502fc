"""Closing one's account: with the password, out of every organization first, and nothing of the person is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from services.identity.app import service
from shared.auth import Actor
from shared.erasure import erase_what_waits
from shared.errors import Problem
from shared.events import Envelope
from shared.events.courier import MailRequested
from shared.events.identity import AllSessionsEnded, UserClosed
from shared.fields import Message
from shared.ids import PATTERN, new_id
from shared.service import Ctx, Service, get, on_everything, post
from shared.service import service as services_only
from tests.identity.factors import challenged, sets_up_totp
from tests.identity.people import (
    PASSWORD,
    confirm,
    cookie_of,
    introspect,
    introspect_cookie,
    link_of,
    mails,
    refresh,
    sign_in,
    sign_up,
    somebody,
)
from tests.identity.test_secrets import whole_database
from tests.world import Databases, Reply, World, world_of


@dataclass
class Org:
    """A stand-in for org: whom it let go, and what it says against it."""

    left: list[str] = field(default_factory=list)
    refusal: Problem | None = None
    belongings: list[dict[str, Any]] = field(default_factory=list)


class Who(Message):
    user_id: str


def org_with(folder: Path, org: Org) -> Service:
    async def preview(ctx: Ctx, who: Who) -> dict[str, Any]:
        """What a person would leave."""
        return {"organizations": org.belongings}

    async def leave(ctx: Ctx, who: Who) -> None:
        """Lets a person go."""
        if org.refusal is not None:
            raise org.refusal
        org.left.append(who.user_id)

    async def listen(ctx: Ctx, told: Envelope) -> None:
        """Hears, for events that nobody hears stay in the outbox."""

    folder.mkdir(exist_ok=True)
    return Service(
        name="org",
        migrations=folder,
        routes=[
            get("/internal/departures/{user_id}", preview, services_only("departures.read")),
            post("/internal/departures/{user_id}", leave, services_only("departures.begin"), status=204),
        ],
        consumers=[on_everything(listen)],
        sources=["identity"],
    )


@pytest.fixture
def org() -> Org:
    return Org()


@pytest.fixture
async def world(databases: Databases, tmp_path: Path, org: Org) -> AsyncIterator[World]:
    async with world_of([replace(service, jobs=()), org_with(tmp_path / "org", org)], databases, tmp_path) as world:
        yield world


async def closes(world: World, actor: Actor, password: str = PASSWORD) -> Reply:
    return await world.ask("identity", "POST", "/v1/me/closure", {"password": password}, actor=actor)


async def test_a_closed_account_has_no_session_no_password_and_no_personal_data(world: World, org: Org) -> None:
    ana = await somebody(world, "ana@example.com", name="Ana Unmistakable", language="de")
    actor = await ana.comes()
    cookie = cookie_of(await sign_in(world, ana.email, keep="cookie"))
    await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": ana.email})
    reset = link_of(world, (await mails(world))[-1])
    body = {"email": "ana@elsewhere.example", "password": PASSWORD}
    await world.ask("identity", "PUT", "/v1/me/email-change", body, actor=actor)
    async with world.without("identity", erase_what_waits):  # what was said of the person is emptied soon
        reply = await closes(world, actor)
        *_, ended, mailed, closed = await world.said("identity")
    assert (reply.status, reply.body, org.left) == (204, b"", [ana.user_id])
    assert (closed.type, closed.subject, closed.data) == (UserClosed.TYPE, ana.user_id, {})
    assert (ended.type, ended.data["reason"]) == (AllSessionsEnded.TYPE, "account_closed")
    mail = MailRequested.read(mailed)
    assert (mail.template, mail.to, mail.language) == ("account_closed", "ana@example.com", "de")
    assert not (await introspect(world, actor.session_id or ""))["live"]
    assert not (await introspect_cookie(world, cookie))["live"]
    assert (await refresh(world, ana.held[0]["refresh_token"])).code == "session_ended"
    assert (await sign_in(world, ana.email)).code == "invalid_credentials"
    path = f"/v1/auth/password-resets/{reset}"
    assert (await world.ask("identity", "PUT", path, {"new_password": "Drei blaue Fahrräder"})).code == "gone"
    await world.settle()
    async with world.started["identity"].env.database.read("*") as read:
        for table in ("accounts", "sessions", "password_resets", "email_changes", "signups"):
            rows = await read.rows(f"select to_jsonb(t)::text as row from {table} as t")
            assert not [row["row"] for row in rows if "ana" in PATTERN.sub("", row["row"]).lower()], "but for ids"
    assert ana.user_id in await whole_database(world)


async def test_second_factors_go_with_the_account(world: World) -> None:
    ana = await somebody(world)
    actor = await ana.comes()
    await sets_up_totp(world, actor)
    await challenged(ana)
    assert (await closes(world, actor)).status == 204
    async with world.started["identity"].env.database.read("") as read:
        for table in ("totp", "recovery_codes", "passkeys", "challenges", "known_devices"):
            assert await read.value(f"select count(*) from {table}") == 0, table


async def test_the_address_is_free_for_another_account(world: World) -> None:
    ana = await somebody(world, "ana@example.com")
    assert (await closes(world, await ana.comes())).status == 204
    again = (await confirm(world, *await sign_up(world, "ana@example.com"))).ok()
    assert again["user_id"] != ana.user_id
    assert (await sign_in(world, "ana@example.com")).status == 201


async def test_without_the_password_nothing_happens(world: World, org: Org) -> None:
    actor = await (await somebody(world)).comes()
    assert (await closes(world, actor, "not my password")).code == "invalid_credentials"
    assert (org.left, await world.said("identity", UserClosed)) == ([], [])
    assert (await introspect(world, actor.session_id or ""))["live"]


async def test_a_last_admin_is_told_where_and_keeps_the_account(world: World, org: Org) -> None:
    actor = await (await somebody(world)).comes()
    theirs = {"org_id": new_id("org"), "name": "Northwind"}
    org.refusal = Problem(
        "last_admin",
        "You are the last active Admin of Northwind.",
        meta={"organizations": [theirs]},
        remedy=["Do this."],
    )
    refused = await closes(world, actor)
    assert (refused.status, refused.code, refused.json["meta"], refused.json["remedy"]) == (
        409,
        "last_admin",
        {"organizations": [theirs]},
        ["Do this."],
    )
    assert (await introspect(world, actor.session_id or ""))["live"]
    org.refusal = None
    assert (await closes(world, actor)).status == 204


async def test_while_org_is_away_the_account_stays(world: World, org: Org) -> None:
    actor = await (await somebody(world)).comes()
    org.refusal = Problem("unavailable", retry_after=2)
    assert (await closes(world, actor)).status == 503
    assert (await introspect(world, actor.session_id or ""))["live"]


async def test_the_preview_says_what_one_would_leave_and_whether_one_may(world: World, org: Org) -> None:
    actor = await (await somebody(world)).comes()

    async def preview() -> Any:
        return (await world.ask("identity", "GET", "/v1/me/closure-preview", actor=actor)).ok()

    assert await preview() == {"possible": True, "organizations": []}
    org.belongings = [{"org_id": new_id("org"), "name": "Northwind", "role": "admin", "last_admin": True}]
    assert await preview() == {"possible": False, "organizations": org.belongings}
