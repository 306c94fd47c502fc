"""An Admin ends a user's sessions, but only what is in the Admin's own organization."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.auth import Actor
from shared.events.identity import SessionEnded, SessionsEndedInOrganization
from shared.events.org import Organization, OrganizationCreated
from shared.ids import new_id
from tests.identity.people import (
    PASSWORD,
    Someone,
    introspect,
    is_deactivated,
    is_reactivated,
    is_removed,
    joins,
    mails,
    refresh,
    somebody,
)
from tests.world import Reply, World

Leaves = Callable[[World, str, str], Awaitable[None]]


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def an_admin(world: World, org_id: str) -> Actor:
    ada = await somebody(world)
    await joins(world, org_id, ada.user_id)
    return await ada.comes()


async def revokes(world: World, admin: Actor, user_id: str) -> Reply:
    return await world.ask("identity", "POST", f"/v1/users/{user_id}/session-revocations", actor=admin)


async def switches(world: World, actor: Actor, org_id: str) -> Reply:
    return await world.ask("identity", "POST", "/v1/me/active-organization", {"org_id": org_id}, actor=actor)


async def lives(world: World, actor: Actor) -> bool:
    return bool((await introspect(world, actor.session_id or ""))["live"])


async def a_member_of(world: World, *org_ids: str, language: str = "en") -> Someone:
    ben = await somebody(world, language=language)
    for org_id in org_ids:
        await joins(world, org_id, ben.user_id)
    return ben


async def test_all_sessions_in_the_organization_end_at_once_and_the_person_is_told(world: World) -> None:
    org_id = new_id("org")
    state = Organization(name="Northwind", location="eu", contact_email="ana@example.com", product_mails=False)
    await world.hear("org", OrganizationCreated(org_id=org_id, organization=state, created_by=new_id("usr")))
    admin, ben = await an_admin(world, org_id), await a_member_of(world, org_id, language="de")
    phone, laptop = await ben.comes(), await ben.comes(keep="cookie")
    assert (await revokes(world, admin, ben.user_id)).status == 204
    assert [await lives(world, actor) for actor in (phone, laptop, admin)] == [False, False, True]
    assert (await refresh(world, ben.held[0]["refresh_token"])).code == "session_ended"
    told = await world.said("identity", SessionEnded)
    assert [(e.subject, e.data["reason"], e.actor_id) for e in told] == [
        (ben.user_id, "revoked_by_admin", admin.user_id)
    ] * 2
    mail = (await mails(world))[-1]
    assert (mail.template, mail.to, mail.language, mail.values["organization"]) == (
        "sessions_revoked",
        ben.email,
        "de",
        "Northwind",
    )
    assert await lives(world, await ben.comes()), "the person may sign in again"


async def test_a_session_in_another_organization_goes_on_and_comes_back_only_with_a_new_proof(world: World) -> None:
    ours, theirs = new_id("org"), new_id("org")
    admin, ben = await an_admin(world, ours), await a_member_of(world, ours, theirs)
    elsewhere = await ben.comes()
    assert (await switches(world, elsewhere, theirs)).status == 200
    here = await ben.comes()
    assert (await switches(world, here, ours)).status == 200
    assert (await revokes(world, admin, ben.user_id)).status == 204
    assert [await lives(world, actor) for actor in (elsewhere, here)] == [True, False]
    refused = await switches(world, elsewhere, ours)
    assert (refused.status, refused.code) == (401, "insufficient_user_authentication")
    assert "max_age=600" in refused.headers["www-authenticate"]
    proof = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"password": PASSWORD}, actor=elsewhere)
    assert proof.status == 200
    assert (await switches(world, elsewhere, ours)).status == 200


async def test_tokens_that_a_session_got_here_before_it_went_elsewhere_are_refused_until_a_new_proof(
    world: World,
) -> None:
    ours, theirs = new_id("org"), new_id("org")
    admin, ben = await an_admin(world, ours), await a_member_of(world, ours, theirs)
    elsewhere = await ben.comes()
    assert (await switches(world, elsewhere, theirs)).status == 200
    world.clock.advance(timedelta(seconds=1))
    assert (await revokes(world, admin, ben.user_id)).status == 204

    async def barred() -> list[str]:
        standing = await introspect(world, elsewhere.session_id or "")
        assert (standing["live"], standing["org_id"]) == (True, theirs)
        return standing["barred_from"]  # type: ignore[no-any-return]

    assert await barred() == [ours]
    assert (await introspect(world, admin.session_id or ""))["barred_from"] == []
    world.clock.advance(timedelta(seconds=1))
    proof = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"password": PASSWORD}, actor=elsewhere)
    assert proof.status == 200
    assert await barred() == []


@pytest.mark.parametrize("leaves", [is_deactivated, is_removed])
async def test_who_leaves_and_comes_back_enters_with_a_new_proof(world: World, leaves: Leaves) -> None:
    ours, theirs = new_id("org"), new_id("org")
    ben = await a_member_of(world, ours, theirs)
    elsewhere = await ben.comes()
    assert (await switches(world, elsewhere, theirs)).status == 200
    world.clock.advance(timedelta(seconds=1))
    await leaves(world, ours, ben.user_id)
    await is_reactivated(world, ours, ben.user_id)
    assert (await introspect(world, elsewhere.session_id or ""))["barred_from"] == [ours]
    assert (await switches(world, elsewhere, ours)).code == "insufficient_user_authentication"
    world.clock.advance(timedelta(seconds=1))
    again = await ben.comes()
    assert (await introspect(world, again.session_id or ""))["barred_from"] == []
    assert (await switches(world, again, ours)).status == 200


async def test_without_a_session_nobody_is_mailed_and_what_was_done_is_said(world: World) -> None:
    org_id = new_id("org")
    admin, ben = await an_admin(world, org_id), await a_member_of(world, org_id)
    before = len(await mails(world))
    assert (await revokes(world, admin, ben.user_id)).status == 204
    assert (len(await mails(world)), await world.said("identity", SessionEnded)) == (before, [])
    told = await world.said("identity", SessionsEndedInOrganization)
    assert [(e.subject, e.org_id, e.actor_id) for e in told] == [(ben.user_id, org_id, admin.user_id)]


async def test_only_admins_may_and_only_for_people_of_their_organization(world: World) -> None:
    org_id = new_id("org")
    admin, ben = await an_admin(world, org_id), await a_member_of(world, org_id)
    stranger, gone = await a_member_of(world, new_id("org")), await a_member_of(world, org_id)
    await is_removed(world, org_id, gone.user_id)
    his = await ben.comes()
    for role in ("analyst", "viewer"):
        assert (await revokes(world, replace(admin, role=role), ben.user_id)).code == "forbidden"  # type: ignore[arg-type]
    missing = [await revokes(world, admin, user_id) for user_id in (stranger.user_id, gone.user_id, new_id("usr"), "x")]
    assert [reply.code for reply in missing] == ["not_found"] * 4
    assert len({reply.body.replace(reply.json["instance"].encode(), b"") for reply in missing}) == 1
    assert (await revokes(world, replace(admin, org_id=None, role=None), ben.user_id)).code == "not_found"
    assert await lives(world, his)


async def test_who_may_is_told_by_ones_capabilities(world: World) -> None:
    admin = await an_admin(world, new_id("org"))

    async def listed(actor: Actor) -> tuple[bool, str | None]:
        found = (await world.ask("identity", "GET", "/internal/capabilities", actor=actor)).ok()["capabilities"]
        one = next(row for row in found if row["action"] == "users.end_sessions")
        return one["allowed"], one["because"] and one["because"]["kind"]

    assert await listed(admin) == (True, None)
    assert await listed(replace(admin, role="viewer")) == (False, "role")
    assert await listed(replace(admin, org_id=None, role=None)) == (False, "state")
