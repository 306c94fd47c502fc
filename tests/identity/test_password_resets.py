"""Forgotten passwords: nobody learns who has an account, and a link works once, soon, and for nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.events.courier import MailRequested
from shared.events.identity import AllSessionsEnded, PasswordChanged
from shared.ids import new_id
from shared.links import link_token
from tests.identity.people import PASSWORD, introspect, link_of, mails, refresh, sign_in, somebody
from tests.world import Reply, World, standing_still

NEW_PASSWORD = "Drei blaue Fahrräder"


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def asks(world: World, email: str, **more: str) -> Reply:
    headers = {"Tenantry-Source-Ip": more.pop("source", "203.0.113.7")}
    return await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": email, **more}, headers=headers)


async def mailed(world: World) -> list[MailRequested]:
    return [mail for mail in await mails(world) if mail.template == "password_reset"]


async def link_for(world: World, email: str) -> str:
    (await asks(world, email)).ok()
    return link_of(world, (await mailed(world))[-1])


async def looks(world: World, token: str) -> Reply:
    return await world.ask("identity", "GET", f"/v1/auth/password-resets/{token}")


async def resets(world: World, token: str, password: str = NEW_PASSWORD) -> Reply:
    return await world.ask("identity", "PUT", f"/v1/auth/password-resets/{token}", {"new_password": password})


def bare(reply: Reply) -> bytes:
    return reply.body.replace(reply.json["instance"].encode(), b"")


async def test_a_mailed_link_sets_a_new_password_ends_every_session_and_signs_nobody_in(world: World) -> None:
    ana = await somebody(world, "Ana@Example.com", language="de")
    first, second = await ana.comes(), await ana.comes(keep="cookie")
    asked = await asks(world, "ana@EXAMPLE.com")
    assert (asked.status, set(asked.json)) == (202, {"expires_at"})
    mail = (await mailed(world))[0]
    assert (mail.to, mail.language, set(mail.values)) == ("Ana@example.com", "de", {"name", "expires_at"})
    token = link_of(world, mail)
    assert (await looks(world, token)).ok() == {"email": "Ana@example.com", "expires_at": asked.json["expires_at"]}
    reply = await resets(world, token)
    assert (reply.status, reply.body, "set-cookie" in reply.headers) == (204, b"", False)
    assert [(await introspect(world, one.session_id or ""))["live"] for one in (first, second)] == [False, False]
    assert (await refresh(world, ana.held[0]["refresh_token"])).code == "session_ended"
    assert [(e.subject, e.data) for e in await world.said("identity", PasswordChanged)] == [(ana.user_id, {})]
    told = (await world.said("identity", AllSessionsEnded))[0]
    assert told.data == {"reason": "password_changed", "except_session_id": None}
    note = (await mails(world))[-1]
    assert (note.template, note.to, note.about, note.language) == (
        "password_changed",
        "Ana@example.com",
        ana.user_id,
        "de",
    )
    assert (await sign_in(world, ana.email, PASSWORD)).code == "invalid_credentials"
    assert (await sign_in(world, ana.email, NEW_PASSWORD)).status == 201


async def test_an_unknown_address_gets_the_same_answer_and_a_mail_that_says_so(world: World) -> None:
    ana = await somebody(world)
    known, unknown = await asks(world, ana.email), await asks(world, "nobody@example.com", language="de")
    assert (known.status, sorted(known.headers), sorted(known.json)) == (
        unknown.status,
        sorted(unknown.headers),
        sorted(unknown.json),
    )
    to_known, to_unknown = (await mails(world))[-2:]
    assert (to_known.template, to_known.to) == ("password_reset", ana.email)
    assert (to_unknown.template, to_unknown.to, to_unknown.link, to_unknown.language) == (
        "no_account",
        "nobody@example.com",
        None,
        "de",
    )
    assert ana.user_id not in (to_known.about, to_unknown.about), "the id of a change would tell"


async def test_both_take_the_same_statements(own_world: World) -> None:
    ana = await somebody(own_world)
    for email in (ana.email, "nobody@example.com"):
        (await asks(own_world, email)).ok()
    async with own_world.started["identity"].env.database.read("") as read:
        rows = await read.rows("select user_id from password_resets order by user_id nulls last")
    assert [row["user_id"] for row in rows] == [ana.user_id, None]


async def test_every_dead_link_is_gone_in_the_same_words(world: World) -> None:
    key = world.settings.secrets.bytes("links")
    people = [await somebody(world) for _ in range(5)]
    used, old, changed, closed, late = [await link_for(world, person.email) for person in people]
    assert (await resets(world, used)).status == 204
    alive = await link_for(world, people[1].email)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    actor = await people[2].comes()
    assert (await world.ask("identity", "PUT", "/v1/me/password", change, actor=actor)).status == 204
    async with world.started["identity"].env.database.tx("", lambda event: event) as tx:
        await tx.run("update accounts set closed_at = now() where user_id = $1", people[3].user_id)
    unknown = (await asks(world, "nobody@example.com")).ok() and await reset_id(world, "nobody@example.com")
    dead = {
        "used": used,
        "superseded": old,
        "the password was changed": changed,
        "the account was closed": closed,
        "truncated": alive[:-1],
        "longer": alive + "A",
        "without address": link_token(key, "password_reset", unknown, 1),
        "of another key": link_token(b"another key", "password_reset", unknown, 1),
        "of another purpose": link_token(key, "signup", unknown, 1),
        "of another version": link_token(key, "password_reset", await reset_id(world, people[1].email), 2),
        "never mailed": link_token(key, "password_reset", new_id("rst"), 1),
        "nonsense": "x",
    }
    replies = {why: [await resets(world, token), await looks(world, token)] for why, token in dead.items()}
    world.clock.advance(timedelta(minutes=30))
    replies["expired"] = [await resets(world, late), await looks(world, late)]
    for why, both in replies.items():
        assert [reply.code for reply in both] == ["gone", "gone"], why
    assert len({bare(reply) for both in replies.values() for reply in both}) == 1
    assert (await sign_in(world, people[1].email)).status == 201


async def reset_id(world: World, email: str) -> str:
    async with world.started["identity"].env.database.read("") as read:
        return str(await read.value("select reset_id from password_resets where canonical_email = $1", email))


async def test_of_many_resets_with_one_link_one_counts(world: World) -> None:
    ana = await somebody(world)
    token = await link_for(world, ana.email)
    replies = await asyncio.gather(*(resets(world, token, f"{NEW_PASSWORD} {n}") for n in range(8)))
    assert sorted(reply.status for reply in replies) == [204] + [410] * 7
    winner = next(n for n, reply in enumerate(replies) if reply.status == 204)
    assert (await sign_in(world, ana.email, f"{NEW_PASSWORD} {winner}")).status == 201
    assert len(await world.said("identity", PasswordChanged)) == 1


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("too short", "too_short"),
        ("passwordpassword", "password_common"),
        ("Ana Example rides 77", "password_personal"),
    ],
)
async def test_a_bad_new_password_is_refused_and_the_link_still_works(world: World, password: str, code: str) -> None:
    token = await link_for(world, (await somebody(world)).email)
    refused = await resets(world, token, password)
    assert refused.status == 422
    assert [(error["pointer"], error["code"]) for error in refused.json["errors"]] == [("/new_password", code)]
    assert (await resets(world, token)).status == 204


async def test_whoever_was_locked_out_by_strangers_comes_in_with_the_new_password(world: World) -> None:
    ana = await somebody(world)
    for n in range(10):
        await sign_in(world, ana.email, "wrong wrong wrong", source=f"198.51.100.{n}")
    assert (await sign_in(world, ana.email)).code == "rate_limited"
    assert (await resets(world, await link_for(world, ana.email))).status == 204
    assert (await sign_in(world, ana.email, NEW_PASSWORD)).status == 201


@pytest.mark.parametrize("exists", [True, False])
async def test_an_address_is_mailed_three_times_in_half_an_hour(world: World, exists: bool) -> None:
    email = (await somebody(world)).email if exists else "nobody@example.com"
    replies = [await asks(world, email, source=f"198.51.100.{n}") for n in range(4)]
    assert [reply.status for reply in replies] == [202] * 3 + [429]
    world.clock.advance(timedelta(seconds=int(replies[-1].headers["retry-after"])))
    assert (await asks(world, email)).status == 202


async def test_strangers_who_ask_for_links_keep_nobody_from_one_that_works(world: World) -> None:
    ana = await somebody(world)
    with standing_still(world.clock):
        for n in range(3):
            token = await link_for(world, ana.email)
            world.clock.advance(timedelta(minutes=n))
        refused = await asks(world, ana.email)
        assert refused.status == 429
        world.clock.advance(timedelta(seconds=int(refused.headers["retry-after"]) - 1))
        assert (await asks(world, ana.email)).status == 429
        assert (await resets(world, token)).status == 204, "for as long as nobody can ask again"


async def test_a_link_can_not_be_used_to_make_the_hasher_work(world: World) -> None:
    token = await link_for(world, (await somebody(world)).email)
    codes = [(await resets(world, token, "passwordpassword")).code for _ in range(21)]
    assert codes == ["invalid"] * 20 + ["rate_limited"]


async def test_no_token_is_in_the_database(own_world: World) -> None:
    token = await link_for(own_world, (await somebody(own_world)).email)
    async with own_world.started["identity"].env.database.read("") as read:
        rows = await read.rows("select to_jsonb(t)::text as row from password_resets as t")
    assert len(rows) == 1
    assert token.partition("-")[2] not in rows[0]["row"]
