"""Signing in: one refusal for all that can be wrong, and a bounded number of guesses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from services.identity.app import service
from shared import hashing
from shared.events.identity import SessionStarted, SignInFailed
from shared.ids import is_id
from tests.identity.people import (
    PASSWORD,
    cookie_of,
    epoch,
    introspect,
    introspect_cookie,
    sign_in,
    sign_up,
    somebody,
    verified_claims,
)
from tests.identity.sso_house import BYSTANDER
from tests.world import Databases, Reply, World, standing_still, world_of


@pytest.fixture(scope="module")
async def one_world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Where a password takes the work that it really takes."""
    async with world_of([replace(service, jobs=()), BYSTANDER], databases, tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


def bare(reply: Reply) -> tuple[int, bytes, list[str]]:
    return reply.status, reply.body.replace(reply.json["instance"].encode(), b""), sorted(reply.headers)


async def close(world: World, user_id: str) -> None:
    async with world.started["identity"].env.database.tx("", lambda event: event) as tx:
        await tx.run("update accounts set closed_at = now() where user_id = $1", user_id)


async def test_a_program_gets_tokens_that_the_published_keys_prove(world: World) -> None:
    ana = await somebody(world)
    reply = await sign_in(world, ana.email)
    session = reply.ok()
    assert (reply.status, session["token_type"], session["expires_in"]) == (201, "Bearer", 300)
    assert "set-cookie" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"
    claims = await verified_claims(world, session["access_token"])
    assert (claims["sub"], claims["sid"], claims["amr"]) == (ana.user_id, session["session_id"], ["pwd"])
    assert "org" not in claims
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["auth_time"] - epoch()) < 30
    told = (await world.said("identity", SessionStarted))[0]
    assert told.data == {
        "session_id": session["session_id"], "org_id": None, "amr": ["pwd"], "source_ip": "203.0.113.7", "user_agent": "Tester/1.0",
    }  # fmt: skip


async def test_who_signs_in_did_it_themselves_and_who_fails_is_nobody_known(world: World) -> None:
    ana = await somebody(world)
    (await sign_in(world, ana.email)).ok()
    await sign_in(world, ana.email, password="not-her-password-at-all")
    began = (await world.said("identity", SessionStarted))[-1]
    assert (began.actor_id, began.actor_amr, began.source_ip) == (ana.user_id, ("pwd",), "203.0.113.7")
    failed = (await world.said("identity", SignInFailed))[-1]
    assert (failed.subject, failed.actor_id, failed.actor_amr) == (ana.user_id, None, ())


async def test_the_console_gets_a_cookie_and_no_tokens(world: World) -> None:
    ana = await somebody(world)
    reply = await sign_in(world, ana.email, keep="cookie")
    value = cookie_of(reply)
    assert reply.headers["set-cookie"] == f"__Host-session={value}; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert {name for name, held in reply.json.items() if held is not None} == {"session_id"}
    standing = await introspect_cookie(world, value)
    assert (standing["live"], standing["user_id"], standing["email"]) == (True, ana.user_id, ana.email)
    assert await introspect(world, reply.json["session_id"]) == standing


async def test_whatever_is_wrong_the_refusal_is_the_same(world: World) -> None:
    ana = await somebody(world)
    closed = await somebody(world)
    await close(world, closed.user_id)
    await sign_up(world, "pending@example.com")
    refused = [
        await sign_in(world, ana.email, "not my password"),
        await sign_in(world, ana.email, ""),
        await sign_in(world, "nobody@example.com"),
        await sign_in(world, "pending@example.com"),
        await sign_in(world, closed.email),
    ]
    assert {reply.status for reply in refused} == {401}
    assert len({str(bare(reply)) for reply in refused}) == 1
    assert refused[0].code == "invalid_credentials"


async def test_known_and_unknown_addresses_cost_the_same_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await somebody(world)
    seen: list[str] = []
    real = hashing._fits
    monkeypatch.setattr(hashing, "_fits", lambda known, given: seen.append(known) or real(known, given))
    await sign_in(world, ana.email, "not my password")
    await sign_in(world, "nobody@example.com", "not my password")
    own, stranger = seen
    assert own != stranger
    assert own.split("$")[:4] == stranger.split("$")[:4] == ["", "argon2id", "v=19", "m=19456,t=2,p=1"]


async def test_a_failure_is_told_of_existing_accounts_only_although_the_answer_is_a_refusal(world: World) -> None:
    ana = await somebody(world)
    await sign_in(world, ana.email, "not my password")
    await sign_in(world, "nobody@example.com")
    failures = await world.said("identity", SignInFailed)
    assert [(f.subject, f.data["reason"]) for f in failures] == [(ana.user_id, "password")]


async def test_discovery_says_password_whatever_the_address(world: World) -> None:
    ana = await somebody(world)
    for email in (ana.email, "nobody@example.com"):
        assert (await world.ask("identity", "POST", "/v1/auth/discovery", {"email": email})).ok() == {
            "method": "password",
            "sso": None,
            "password_works": True,
        }


@pytest.mark.parametrize("exists", [True, False])
async def test_after_ten_failures_even_the_right_password_waits_and_longer_each_time(
    world: World, exists: bool
) -> None:
    email = (await somebody(world)).email if exists else "nobody@example.com"
    with standing_still(world.clock):
        codes = [(await sign_in(world, email, "wrong wrong wrong", source=f"198.51.100.{n}")).code for n in range(11)]
        assert codes == ["invalid_credentials"] * 10 + ["rate_limited"]
        waits = []
        for n in range(8):
            blocked = await sign_in(world, email, source=f"192.0.2.{n}")
            assert (blocked.status, blocked.code) == (429, "rate_limited")
            waits.append(int(blocked.headers["retry-after"]))
            world.clock.advance(timedelta(seconds=waits[-1]))
            assert (
                await sign_in(world, email, "wrong wrong wrong", source=f"192.0.2.{n}")
            ).code == "invalid_credentials"
        assert waits == sorted(waits)
        assert 25 <= waits[0] <= 30
        assert waits[-1] <= 900
        world.clock.advance(timedelta(seconds=900))
        assert (await sign_in(world, email)).status == (201 if exists else 401)


async def test_being_blocked_looks_the_same_for_a_known_and_an_unknown_address(own_world: World) -> None:
    known, unknown = (await somebody(own_world)).email, "nobody@example.com"
    with standing_still(own_world.clock):
        for email in (known, unknown):
            await asyncio.gather(
                *(sign_in(own_world, email, "wrong wrong wrong", source=f"198.51.100.{n}") for n in range(10))
            )
        one, other = await sign_in(own_world, known), await sign_in(own_world, unknown)
    assert bare(one) == bare(other)
    assert abs(int(one.headers["retry-after"]) - int(other.headers["retry-after"])) <= 5


async def test_a_thousand_guesses_at_once_are_ten_guesses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await somebody(world)
    looked: list[str] = []
    real = hashing._fits
    monkeypatch.setattr(hashing, "_fits", lambda known, given: looked.append(given) or real(known, given))
    codes: list[str | None] = []
    with standing_still(world.clock):
        for batch in range(10):
            codes += [
                r.code
                for r in await asyncio.gather(
                    *(sign_in(world, ana.email, f"guess number {n}", source=f"10.{batch}.{n}.1") for n in range(20))
                )
            ]
    assert len(looked) <= 10
    assert set(codes) <= {"invalid_credentials", "rate_limited", "overloaded"}
    reasons = [f.data["reason"] for f in await world.said("identity", SignInFailed)]
    assert reasons.count("throttled") == 1


async def test_the_right_password_clears_the_account_but_not_the_source(world: World) -> None:
    ana, ben = await somebody(world), await somebody(world)
    for _ in range(9):
        await sign_in(world, ana.email, "wrong wrong wrong", source="198.51.100.1")
    assert (await sign_in(world, ana.email, source="198.51.100.1")).status == 201
    for _ in range(9):
        assert (
            await sign_in(world, ana.email, "wrong wrong wrong", source="198.51.100.2")
        ).code == "invalid_credentials"
    async with world.started["identity"].env.database.read("") as read:
        spent = await read.rows("select spent from throttles where spent > 0 order by spent")
    assert 9 in [row["spent"] for row in spent]
    assert (await sign_in(world, ben.email, source="198.51.100.1")).status == 201


async def test_a_source_has_a_hundred_failures_an_hour_over_all_accounts(own_world: World) -> None:
    ana = await somebody(own_world)
    for ten in range(10):
        guesses = (sign_in(own_world, f"n{ten}.{n}@example.com", source="2001:db8::1") for n in range(10))
        assert [reply.code for reply in await asyncio.gather(*guesses)] == ["invalid_credentials"] * 10
    blocked = await sign_in(own_world, ana.email, source="2001:db8::ffff")
    assert (blocked.status, blocked.code) == (429, "rate_limited")
    assert (await sign_in(own_world, ana.email, source="2001:db8:0:1::1")).status == 201
    own_world.clock.advance(timedelta(seconds=int(blocked.headers["retry-after"])))
    assert (await sign_in(own_world, ana.email, source="2001:db8::ffff")).status == 201


async def test_who_comes_when_the_line_is_full_is_sent_away_and_has_lost_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await somebody(world)
    hasher = world.started["identity"].env.own.hasher
    monkeypatch.setattr(hasher, "_inside", hasher._most)
    for _ in range(15):
        reply = await sign_in(world, ana.email)
        assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "overloaded", "2")
    monkeypatch.setattr(hasher, "_inside", 0)
    assert (await sign_in(world, ana.email)).status == 201


async def test_a_flood_is_answered_at_once_and_the_line_stays_short(world: World) -> None:
    replies = await asyncio.gather(*(sign_in(world, f"n{n}@example.com", source=f"10.0.{n}.1") for n in range(120)))
    assert {reply.status for reply in replies} <= {401, 503}
    assert world.started["identity"].env.own.hasher._inside == 0


async def test_a_hash_of_older_parameters_is_renewed_at_the_next_sign_in(world: World) -> None:
    ana = await somebody(world)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    database = world.started["identity"].env.database
    async with database.tx("", lambda event: event) as tx:
        await tx.run("update accounts set password_hash = $2 where user_id = $1", ana.user_id, weak)
    assert (await sign_in(world, ana.email, "wrong wrong wrong")).status == 401
    async with database.read("") as read:
        assert await read.value("select password_hash from accounts where user_id = $1", ana.user_id) == weak
    assert (await sign_in(world, ana.email)).status == 201
    async with database.read("") as read:
        renewed = await read.value("select password_hash from accounts where user_id = $1", ana.user_id)
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await sign_in(world, ana.email)).status == 201


async def test_a_strange_user_agent_harms_nothing(world: World) -> None:
    ana = await somebody(world)
    body = {"email": ana.email, "password": PASSWORD}
    for agent in ("\x80\xff\u202e" * 10, "x" * 5000, " "):
        reply = await world.ask("identity", "POST", "/v1/auth/sessions", body, headers={"User-Agent": agent})
        assert reply.status == 201
    told = [e.data["user_agent"] for e in await world.said("identity", SessionStarted)]
    assert all(agent is None or (agent.isascii() and len(agent) <= 300) for agent in told)


async def test_many_devices_may_sign_in_at_once(world: World) -> None:
    ana = await somebody(world)
    replies = await asyncio.gather(*(sign_in(world, ana.email) for _ in range(8)))
    assert {reply.status for reply in replies} == {201}
    assert len({reply.json["session_id"] for reply in replies}) == 8
    assert all(is_id(reply.json["session_id"], "ses") for reply in replies)
