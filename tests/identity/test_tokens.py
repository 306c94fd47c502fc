"""Refresh tokens: one live branch whatever races, and a copy ends the session. No token is good for anything but its own use."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta

import jwt
import pytest

from services.identity.usecases.opened import Keys
from shared.auth import Actor
from shared.config import MasterKey, fresh_key
from shared.events.identity import SessionEnded
from shared.ids import new_id
from shared.web.address import Address
from shared.web.client import Client
from tests.identity.people import (
    PASSWORD,
    confirm,
    cookie_of,
    holding,
    introspect,
    introspect_cookie,
    invitation,
    is_invited,
    link_of,
    mails,
    refresh,
    sign_in,
    sign_up,
    somebody,
    until,
    verified_claims,
    waits,
)
from tests.world import World


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def a_session(world: World) -> dict[str, str]:
    return (await sign_in(world, (await somebody(world)).email)).ok()  # type: ignore[no-any-return]


async def test_a_refresh_token_is_traded_for_the_next_pair(world: World) -> None:
    session = await a_session(world)
    world.clock.advance(timedelta(minutes=5))
    reply = await refresh(world, session["refresh_token"])
    assert reply.status == 200
    assert reply.json["refresh_token"] != session["refresh_token"]
    assert reply.json["session_id"] == session["session_id"]
    claims = await verified_claims(world, reply.json["access_token"])
    assert claims["sid"] == session["session_id"]
    assert claims["iat"] - claims["auth_time"] >= 300


async def test_fifty_uses_at_once_leave_one_live_branch_round_after_round(own_world: World) -> None:
    session = await a_session(own_world)
    token = session["refresh_token"]
    spent = [token]
    for _ in range(12):
        replies = await asyncio.gather(*(refresh(own_world, token) for _ in range(50)))
        assert {reply.status for reply in replies} == {200}
        (token,) = {reply.json["refresh_token"] for reply in replies}
        assert token not in spent
        spent.append(token)
    async with own_world.started["identity"].env.database.read("") as read:
        rows = await read.rows("select generation from sessions")
    assert [row["generation"] for row in rows] == [12]
    assert await own_world.said("identity", SessionEnded) == []


async def test_within_the_grace_the_replaced_token_gets_the_same_successor(world: World) -> None:
    session = await a_session(world)
    first = (await refresh(world, session["refresh_token"])).ok()
    world.clock.advance(timedelta(seconds=9))
    again = (await refresh(world, session["refresh_token"])).ok()
    assert again["refresh_token"] == first["refresh_token"]


async def test_a_refresh_that_had_to_wait_judges_by_what_has_happened_since(world: World) -> None:
    session = await a_session(world)
    async with holding(world, "select 1 from sessions for update") as tx:
        late = asyncio.create_task(refresh(world, session["refresh_token"]))
        await until(lambda: waits(world))
        await tx.run("update sessions set generation = 5")
    assert (await late).code == "session_ended"
    assert [e.data["reason"] for e in await world.said("identity", SessionEnded)] == ["token_reused"]


@pytest.mark.parametrize("age", [1, 2, 5])
async def test_reuse_outside_the_grace_ends_the_session_whichever_ancestor_it_is(world: World, age: int) -> None:
    session = await a_session(world)
    chain = [session["refresh_token"]]
    for _ in range(age):
        chain.append((await refresh(world, chain[-1])).ok()["refresh_token"])
    if age == 1:
        world.clock.advance(timedelta(seconds=11))
    reused = await refresh(world, chain[0])
    assert (reused.status, reused.code) == (401, "session_ended")
    ended = await world.said("identity", SessionEnded)
    assert [(e.data["session_id"], e.data["reason"]) for e in ended] == [(session["session_id"], "token_reused")]
    assert (await refresh(world, chain[-1])).code == "session_ended"
    assert (await introspect(world, session["session_id"]))["live"] is False
    assert len(await world.said("identity", SessionEnded)) == 1


async def test_a_thief_and_the_owner_can_not_both_go_on(world: World) -> None:
    session = await a_session(world)
    stolen = session["refresh_token"]
    thief = (await refresh(world, stolen)).ok()["refresh_token"]
    owner = (await refresh(world, stolen)).ok()["refresh_token"]
    assert thief == owner
    await refresh(world, thief)
    world.clock.advance(timedelta(minutes=5))
    assert (await refresh(world, owner)).code == "session_ended"
    assert [e.data["reason"] for e in await world.said("identity", SessionEnded)] == ["token_reused"]


async def test_a_token_of_a_state_that_the_database_lost_ends_the_session(world: World) -> None:
    session = await a_session(world)
    newest = (await refresh(world, session["refresh_token"])).ok()["refresh_token"]
    async with world.started["identity"].env.database.tx("", lambda event: event) as tx:
        await tx.run("update sessions set generation = 0")
    assert (await refresh(world, newest)).code == "session_ended"
    assert len(await world.said("identity", SessionEnded)) == 1


async def test_a_family_lives_thirty_days_however_often_it_is_refreshed(world: World) -> None:
    token = (await a_session(world))["refresh_token"]
    for _ in range(29):
        world.clock.advance(timedelta(days=1))
        token = (await refresh(world, token)).ok()["refresh_token"]
    world.clock.advance(timedelta(days=1))
    assert (await refresh(world, token)).code == "session_ended"


async def test_what_is_wrong_with_a_refresh_token_is_not_told(world: World) -> None:
    session = await a_session(world)
    other = (await a_session(world))["refresh_token"]
    token = session["refresh_token"]
    used = (await refresh(world, token)).ok()["refresh_token"]
    swapped = token.partition("-")[0] + "-" + other.partition("-")[2]
    further = token.replace(f"{session['session_id'][4:]}0-", f"{session['session_id'][4:]}7-")
    assert further != token
    bad = [
        "",
        "trt_",
        token[:-1],
        token + "\n",
        token.upper(),
        swapped,
        further,
        token.replace("trt_", "tcs_"),
        f"trt_{new_id('ses')[4:]}0-{'A' * 43}",
        "x" * 9999,
    ]
    replies = [await refresh(world, value) for value in bad]
    assert {(reply.status, reply.code) for reply in replies} == {(401, "session_ended")}
    assert len({reply.body.replace(reply.json["instance"].encode(), b"") for reply in replies}) == 1
    assert (await refresh(world, used)).status == 200, "a guess must not end somebody's session"


async def mailed_tokens(world: World) -> tuple[str, str, str]:
    """For a new password, for a new address, and for undoing that: of two people who do nothing else."""
    ben, cem = await somebody(world), await somebody(world)
    await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": ben.email})
    body = {"email": f"new-{cem.email}", "password": PASSWORD}
    await world.ask("identity", "PUT", "/v1/me/email-change", body, actor=await cem.comes())
    reset, change, undo = (await mails(world))[-3:]
    return link_of(world, reset), link_of(world, change), link_of(world, undo)


async def test_no_token_is_accepted_where_another_kind_is_expected(world: World) -> None:
    ana = await somebody(world)
    session = (await sign_in(world, ana.email)).ok()
    cookie_reply = await sign_in(world, ana.email, keep="cookie")
    signup_id, signup = await sign_up(world, "new@example.com")
    invited = await is_invited(world, new_id("org"), invitation(world, "guest@example.com"))
    reset, change, undo = await mailed_tokens(world)
    internal = world.settings.secrets.keyring("gateway").issue(
        Actor("person", ana.user_id, session_id=session["session_id"]), "identity"
    )
    _, claims, _ = session["access_token"].split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=") + f".{claims}."
    public = (await world.ask("identity", "GET", "/.well-known/jwks.json")).ok()["keys"][0]["x"]
    confused = jwt.encode({"act": {"kind": "service", "service": "gateway"}}, public.ljust(32, "x"), algorithm="HS256")
    tokens = {
        "access": session["access_token"], "refresh": session["refresh_token"], "cookie": cookie_of(cookie_reply), "signup": signup,
        "invitation": invited, "internal": internal, "unsigned": unsigned, "confused": confused, "session id": session["session_id"],
        "reset": reset, "change": change, "undo": undo,
    }  # fmt: skip

    async def as_refresh(token: str) -> bool:
        return (await refresh(world, token)).status == 200

    async def as_cookie(token: str) -> bool:
        return bool((await introspect_cookie(world, token))["live"])

    async def as_signup(token: str) -> bool:
        return (await confirm(world, signup_id, token)).status == 201

    async def as_invitation(token: str) -> bool:
        body = {"name": "Guest", "password": "Gelber Regenmantel 41"}
        return (await world.ask("identity", "POST", f"/v1/invitation-tokens/{token}/account", body)).status == 201

    async def as_reset(token: str) -> bool:
        path = f"/v1/auth/password-resets/{token}"
        return (await world.ask("identity", "PUT", path, {"new_password": "Drei blaue Fahrräder"})).status == 204

    async def as_change(token: str) -> bool:
        return (await world.ask("identity", "POST", f"/v1/auth/email-changes/{token}/confirmation")).status == 200

    async def as_undo(token: str) -> bool:
        return (await world.ask("identity", "POST", f"/v1/auth/email-changes/{token}/undoing")).status == 200

    async def as_internal(token: str) -> bool:
        client = Client(Address.parse(world.settings.urls["identity"]))
        try:
            answer = await client.send(
                "GET", "/v1/me/sessions", [(b"Authorization", f"Bearer {token}".encode())], b"", deadline=5
            )
        finally:
            await client.close()
        assert answer.status in (200, 401)
        return answer.status == 200

    uses: dict[str, Callable[[str], Awaitable[bool]]] = {
        "refresh": as_refresh, "cookie": as_cookie, "internal": as_internal, "signup": as_signup, "invitation": as_invitation,
        "reset": as_reset, "change": as_change, "undo": as_undo,
    }  # fmt: skip
    accepted = {(kind, use) for use, accepts in uses.items() for kind, token in tokens.items() if await accepts(token)}
    assert accepted == {(use, use) for use in uses}


async def test_tokens_of_an_older_master_key_work_until_that_key_is_gone(world: World) -> None:
    session = await a_session(world)
    env, secrets = world.started["identity"].env, world.settings.secrets
    newer = MasterKey(id="newer", key=fresh_key())
    object.__setattr__(env.own, "keys", Keys.of(secrets.model_copy(update={"master": [newer, *secrets.master]})))
    renewed = (await refresh(world, session["refresh_token"])).ok()["refresh_token"]
    object.__setattr__(env.own, "keys", Keys.of(secrets.model_copy(update={"master": [newer]})))
    assert (await refresh(world, renewed)).status == 200
    assert (await refresh(world, session["refresh_token"])).code == "session_ended"


async def test_all_access_keys_are_published_and_the_first_signs(world: World) -> None:
    env, secrets = world.started["identity"].env, world.settings.secrets
    before = (await a_session(world))["access_token"]
    newer = secrets.access[0].model_copy(update={"kid": "newer", "seed": fresh_key()})
    object.__setattr__(env.own, "keys", Keys.of(secrets.model_copy(update={"access": [newer, *secrets.access]})))
    after = (await a_session(world))["access_token"]
    assert (jwt.get_unverified_header(before)["kid"], jwt.get_unverified_header(after)["kid"]) == (
        secrets.access[0].kid,
        "newer",
    )
    assert (await verified_claims(world, before))["aud"] == (await verified_claims(world, after))["aud"] == "tenantry"
    jwks = await world.ask("identity", "GET", "/.well-known/jwks.json")
    assert jwks.headers["cache-control"] == "public, max-age=300"
    assert all(set(key) == {"kid", "x", "kty", "crv", "alg", "use"} for key in jwks.json["keys"])
