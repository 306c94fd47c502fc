"""What identity makes of org's news: which organization a session is in, when it ends, and who may open an invited account."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.db import EVERY_ORG
from shared.events.identity import SessionChanged, SessionEnded, UserRegistered
from shared.events.org import (
    Invitation,
    InvitationAccepted,
    InvitationExpired,
    InvitationResent,
    InvitationRevoked,
    OrgEvent,
)
from shared.ids import new_id
from tests.identity.people import (
    PASSWORD,
    confirm,
    cookie_of,
    introspect,
    introspect_cookie,
    invitation,
    invitation_token,
    is_deactivated,
    is_invited,
    is_reactivated,
    is_removed,
    joins,
    member,
    proven_but_held,
    refresh,
    sign_in,
    sign_up,
    somebody,
    until,
    verified_claims,
    waits,
)
from tests.world import Reply, World


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def test_a_session_begins_in_the_organization_joined_first_or_chosen_last(world: World) -> None:
    ana = await somebody(world)
    first, second = new_id("org"), new_id("org")
    await joins(world, first, ana.user_id)
    world.clock.advance(timedelta(minutes=1))
    await joins(world, second, ana.user_id)
    mine = await ana.comes()
    assert mine.org_id == first
    assert (await verified_claims(world, ana.held[0]["access_token"]))["org"] == first
    chosen = (await world.ask("identity", "POST", "/v1/me/active-organization", {"org_id": second}, actor=mine)).ok()
    assert (chosen["org_id"], (await verified_claims(world, chosen["access_token"]))["org"]) == (second, second)
    assert (await introspect(world, mine.session_id or ""))["org_id"] == second
    assert (await ana.comes()).org_id == second
    changed = await world.said("identity", SessionChanged)
    assert [(e.org_id, e.data["org_id"], e.data["reason"]) for e in changed] == [(second, second, "switched")]


async def test_one_can_not_switch_to_an_organization_that_one_is_not_an_active_member_of(world: World) -> None:
    ana = await somebody(world)
    mine_org, foreign, left = new_id("org"), new_id("org"), new_id("org")
    await joins(world, mine_org, ana.user_id)
    await joins(world, foreign, new_id("usr"))
    await joins(world, left, ana.user_id)
    await is_deactivated(world, left, ana.user_id)
    mine = await ana.comes()
    replies = [
        await world.ask("identity", "POST", "/v1/me/active-organization", {"org_id": o}, actor=mine)
        for o in (foreign, left, new_id("org"))
    ]
    assert {(reply.status, reply.code) for reply in replies} == {(404, "not_found")}
    assert len({reply.body.replace(reply.json["instance"].encode(), b"") for reply in replies}) == 1
    assert (await introspect(world, mine.session_id or ""))["org_id"] == mine_org


async def test_who_signed_in_before_the_organization_was_ready_is_in_it_then(world: World) -> None:
    ana = await somebody(world)
    cookie = cookie_of(await sign_in(world, ana.email, keep="cookie"))
    mine = await ana.comes()
    assert mine.org_id is None
    org_id = new_id("org")
    await joins(world, org_id, ana.user_id)
    assert (await introspect_cookie(world, cookie))["org_id"] == org_id
    renewed = (await refresh(world, ana.held[0]["refresh_token"])).ok()
    assert (await verified_claims(world, renewed["access_token"]))["org"] == org_id
    told = await world.said("identity", SessionChanged)
    assert {(e.org_id, e.data["reason"]) for e in told} == {(org_id, "entered")}


async def hears_while_held(world: World) -> None:
    """Waits until the news either was applied or waits for the sign-in to end."""

    async def applied_or_waiting() -> bool:
        async with world.started["identity"].env.database.read("") as read:
            waiting = await read.value("select count(*) from inbox where state = 'waiting'")
            arrived = await read.value("select count(*) from inbox where type like 'org.member.%'")
        return bool(arrived) and (not waiting or await waits(world, 2))

    await until(applied_or_waiting)


async def test_joining_while_signing_in_never_leaves_a_session_without_its_organization(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, org_id = await somebody(world), new_id("org")
    async with proven_but_held(world, monkeypatch, ana.email, "select 1 from throttles for update") as (signing_in, _):
        news = asyncio.create_task(joins(world, org_id, ana.user_id))
        await hears_while_held(world)
    session = (await signing_in).ok()
    await news
    assert (await introspect(world, session["session_id"]))["org_id"] == org_id


@pytest.mark.parametrize("leaves", [is_deactivated, is_removed])
async def test_who_leaves_has_no_session_there_any_more_though_they_belong_elsewhere_too(
    world: World, leaves: Any
) -> None:
    ana, ben = await somebody(world), await somebody(world)
    here, there = new_id("org"), new_id("org")
    for org_id in (here, there):
        await joins(world, org_id, ana.user_id)
        world.clock.advance(timedelta(minutes=1))
    await joins(world, here, ben.user_id)
    in_here, in_there, bens = await ana.comes(), await ana.comes(), await ben.comes()
    await world.ask("identity", "POST", "/v1/me/active-organization", {"org_id": there}, actor=in_there)
    await leaves(world, here, ana.user_id)
    assert [(await introspect(world, a.session_id or ""))["live"] for a in (in_here, in_there, bens)] == [
        False,
        True,
        True,
    ]
    assert (await refresh(world, ana.held[0]["refresh_token"])).code == "session_ended"
    ended = await world.said("identity", SessionEnded)
    assert [(e.org_id, e.data["session_id"], e.data["reason"]) for e in ended] == [
        (here, in_here.session_id, "member_deactivated")
    ]
    assert (await ana.comes()).org_id == there


async def test_coming_back_revives_no_session(world: World) -> None:
    ana = await somebody(world)
    org_id = new_id("org")
    await joins(world, org_id, ana.user_id)
    old = await ana.comes()
    await is_deactivated(world, org_id, ana.user_id)
    assert (await ana.comes()).org_id is None
    await is_reactivated(world, org_id, ana.user_id)
    assert not (await introspect(world, old.session_id or ""))["live"]
    assert (await ana.comes()).org_id == org_id


async def test_a_sign_in_under_way_leaves_no_session_for_who_is_deactivated_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, org_id = await somebody(world), new_id("org")
    async with world.started["identity"].env.database.tx(EVERY_ORG, lambda event: event) as tx:
        await tx.run("insert into memberships values ($1, $2, 'active', now())", org_id, ana.user_id)
    async with proven_but_held(world, monkeypatch, ana.email, "select 1 from throttles for update") as (signing_in, _):
        news = asyncio.create_task(is_deactivated(world, org_id, ana.user_id))
        await hears_while_held(world)
    session = (await signing_in).ok()
    await news
    assert not (await introspect(world, session["session_id"]))["live"]
    assert [e.data["reason"] for e in await world.said("identity", SessionEnded)] == ["member_deactivated"]


async def opens(world: World, token: str, **changes: Any) -> Reply:
    body = {"name": "Gast Muster", "password": PASSWORD, **changes}
    return await world.ask("identity", "POST", f"/v1/invitation-tokens/{token}/account", body)


async def test_an_invited_person_opens_an_account_for_exactly_the_invited_address(world: World) -> None:
    signup_id, signup_token = await sign_up(world, "guest@example.com")
    token = await is_invited(world, new_id("org"), invitation(world, "Guest@example.com"))
    reply = await opens(world, token)
    assert (reply.status, reply.json["email"]) == (201, "Guest@example.com")
    told = (await world.said("identity", UserRegistered))[0]
    assert told.data == {
        "person": {"email": "Guest@example.com", "name": "Gast Muster"},
        "signup": None,
        "language": "en",
    }
    assert (await sign_in(world, "guest@example.com")).status == 201
    assert (await confirm(world, signup_id, signup_token)).code == "gone", (
        "the address is taken, so the sign-up is over"
    )


async def test_an_address_that_has_an_account_signs_in_and_accepts(world: World) -> None:
    ana = await somebody(world, "ana@example.com")
    token = await is_invited(world, new_id("org"), invitation(world, "ANA@example.com"))
    assert ((await opens(world, token)).status, (await opens(world, token)).code) == (409, "already_exists")
    assert (await sign_in(world, ana.email)).status == 201


async def test_of_many_who_open_the_invited_account_at_once_one_does(own_world: World) -> None:
    invited = invitation(own_world, "guest@example.com")
    token = await is_invited(own_world, new_id("org"), invited)
    signup = await sign_up(own_world, "guest@example.com")
    replies = await asyncio.gather(
        *(opens(own_world, token) for _ in range(6)), *(confirm(own_world, *signup) for _ in range(6))
    )
    assert sorted(reply.status for reply in replies).count(201) == 1
    assert {reply.status for reply in replies} <= {201, 409, 410}
    assert len(await own_world.said("identity", UserRegistered)) == 1


def dead(event: type[OrgEvent], status: str) -> Any:
    def make(world: World, org_id: str, invited: Invitation) -> OrgEvent:
        facts = {"org_id": org_id, "invitation": invited.model_copy(update={"status": status})}
        return event(**facts, **({"user_id": new_id("usr")} if event is InvitationAccepted else {}))

    return make


async def test_every_dead_invitation_is_gone_in_the_same_words(world: World) -> None:
    replies = []
    for make in (
        dead(InvitationRevoked, "revoked"),
        dead(InvitationExpired, "expired"),
        dead(InvitationAccepted, "accepted"),
    ):
        org_id, invited = new_id("org"), invitation(world, "guest@example.com")
        token = await is_invited(world, org_id, invited)
        await world.hear("org", make(world, org_id, invited))
        replies.append(await opens(world, token))
    org_id, invited = new_id("org"), invitation(world, "guest@example.com")
    first = await is_invited(world, org_id, invited)
    await world.hear("org", InvitationResent(org_id=org_id, invitation=invited.model_copy(update={"link_version": 2})))
    second = invitation_token(world, invited.invitation_id, 2)
    replies += [
        await opens(world, first),
        await opens(world, second[:-1]),
        await opens(world, "tms_x"),
        await opens(world, "x" * 3000),
    ]
    world.clock.advance(timedelta(days=14))
    replies.append(await opens(world, second))
    assert {(reply.status, reply.code) for reply in replies} == {(410, "gone")}
    assert len({reply.body.replace(reply.json["instance"].encode(), b"") for reply in replies}) == 1


async def test_a_link_that_is_newer_than_what_was_heard_is_not_called_dead(world: World) -> None:
    reply = await opens(world, invitation_token(world, new_id("inv"), 1))
    assert (reply.status, reply.code) == (503, "not_yet_consistent")


async def test_a_bad_password_does_not_use_the_invitation_up(world: World) -> None:
    token = await is_invited(world, new_id("org"), invitation(world, "walrus@example.com"))
    for password in ("Password1234", "a walrus called Bob", "short"):
        assert (await opens(world, token, password=password)).status == 422
    assert (await opens(world, token)).status == 201


async def test_memberships_are_kept_apart_by_the_database_itself(own_world: World) -> None:
    ours, theirs = new_id("org"), new_id("org")
    for org_id in (ours, theirs):
        await joins(own_world, org_id, new_id("usr"))
        await is_invited(own_world, org_id, invitation(own_world, "guest@example.com"))
    database = own_world.started["identity"].env.database
    for table in ("memberships", "invitations"):
        async with database.read(ours) as read:
            rows = await read.rows(f"select org_id from {table}")
            assert [row["org_id"] for row in rows] == [ours]
        async with database.read("") as read:
            assert await read.rows(f"select org_id from {table}") == []
        async with database.read(EVERY_ORG) as read:
            assert len(await read.rows(f"select org_id from {table}")) == 2


async def test_news_of_people_whom_identity_does_not_know_harm_nothing(world: World) -> None:
    org_id, stranger = new_id("org"), new_id("usr")
    await is_removed(world, org_id, stranger)
    await joins(world, org_id, stranger)
    assert member(world, stranger).user_id == stranger
