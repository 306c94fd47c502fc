"""Who signs out at an OpenID Connect provider is signed out here, and who signs out here is shown the way there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from services.identity.rules.oidc_sign_out import EVENT
from services.identity.usecases.housekeeping import forget_the_past
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events.identity import SessionEnded
from shared.ids import new_id
from tests.identity.factors import sets_up_totp
from tests.identity.people import introspect, somebody
from tests.identity.provider import CLIENT, Provider, rsa_key
from tests.identity.saml_house import FORM
from tests.identity.sso_house import SsoHouse, sso_house
from tests.world import Reply, World


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


async def comes(house: SsoHouse, subject: str, sid: str | None = None) -> str:
    """The id of a session that begins at the provider."""
    claims = {"sid": sid} if sid else {}
    return str((await house.signs_in(subject, f"{subject}@{house.domain}", **claims)).ok()["session_id"])


def word(house: SsoHouse, **changes: Any) -> dict[str, Any]:
    """The claims of a logout token; None takes one out."""
    now = int(house.world.clock.now().timestamp())
    claims = {
        "iss": house.provider.url,
        "aud": CLIENT[0],
        "iat": now,
        "exp": now + 120,
        "jti": new_id("sfl"),
        "events": {EVENT: {}},
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


async def tells(house: SsoHouse, token: str) -> Reply:
    path = f"/v1/auth/sso/{house.connection}/backchannel-logout"
    return await house.world.ask(
        "identity", "POST", path, raw=urlencode({"logout_token": token}).encode(), headers=FORM
    )


async def says(house: SsoHouse, **changes: Any) -> Reply:
    return await tells(house, house.provider.signed(word(house, **changes), typ="logout+jwt"))


async def lives(house: SsoHouse, *session_ids: str) -> list[bool]:
    return [(await introspect(house.world, one))["live"] for one in session_ids]


async def actor_of(world: World, session_id: str) -> Actor:
    known = await introspect(world, session_id)
    return Actor("person", known["user_id"], None, None, session_id, ("sso",), known["auth_time"])


async def signs_out(world: World, actor: Actor) -> Reply:
    return await world.ask("identity", "POST", "/v1/me/sign-out", actor=actor)


async def test_the_session_that_began_by_the_one_that_ended_there_ends_and_no_other(
    world: World, house: SsoHouse
) -> None:
    first, second, other = await comes(house, "ivy", "s1"), await comes(house, "ivy", "s2"), await comes(house, "joe")
    heard = await says(house, sid="s1")
    assert (heard.status, heard.json, heard.headers["cache-control"]) == (200, {"heard": True}, "no-store")
    assert await lives(house, first, second, other) == [False, True, True]
    (told,) = [one for one in await world.said("identity", SessionEnded) if one.data["session_id"] == first]
    assert (told.data["reason"], told.actor_id) == ("provider_signed_out", None)
    assert (await says(house, sid="s1")).status == 200, "who has left already is no error"
    assert (await says(house, sub="ivy", sid="s2")).status == 200
    assert await lives(house, second, other) == [False, True]


async def test_a_subject_without_a_session_means_all_that_began_by_this_provider(house: SsoHouse) -> None:
    named, unnamed = await comes(house, "ivy", "s1"), await comes(house, "ivy")
    by_password = house.boss.held[0]["session_id"]
    assert (await says(house, sub="the-boss")).status == 200
    assert (await says(house, sub="IVY")).status == 200
    assert await lives(house, named, unnamed, by_password) == [True, True, True]
    assert (await says(house, sub="ivy", sid="s1")).status == 200
    assert await lives(house, named, unnamed) == [False, False], "which one an unnamed session was, nobody can tell"
    again = await comes(house, "ivy", "s3")
    assert (await says(house, sub="ivy")).status == 200
    assert await lives(house, again, by_password) == [False, True]


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        ("audience", {"aud": "another-client"}),
        ("issuer", {"iss": "https://elsewhere.example"}),
        ("expiry", {"exp": -120}),
        ("expiry", {"iat": 3600}),
        ("expiry", {"iat": -25 * 3600}),
        ("claims", {"exp": None}),
        ("claims", {"iat": None}),
        ("claims", {"jti": None}),
        ("claims", {"jti": ""}),
        ("claims", {"jti": "j" * 257}),
        ("claims", {"events": None}),
        ("claims", {"events": [EVENT]}),
        ("claims", {"events": {"https://example.com/other": {}}}),
        ("claims", {"events": {EVENT: True}}),
        ("claims", {"nonce": "n"}),
        ("claims", {"sid": None}),
        ("claims", {"sid": ""}),
        ("claims", {"sid": ["s1"]}),
        ("claims", {"sid": "s1\x00"}),
        ("claims", {"sub": {"$ne": ""}}),
    ],
)
async def test_what_is_not_right_in_every_respect_ends_nothing(
    house: SsoHouse, step: str, changes: dict[str, Any]
) -> None:
    session = await comes(house, "ivy", "s1")
    now = int(house.world.clock.now().timestamp())
    moved = {name: now + value if name in ("exp", "iat") and value else value for name, value in changes.items()}
    refused = await says(house, **{"sid": "s1", **moved})
    assert (refused.status, refused.code, refused.json["meta"]) == (400, "sign_out_refused", {"step": step})
    assert await lives(house, session) == [True]


async def test_only_the_providers_signature_is_its_word(house: SsoHouse) -> None:
    session = await comes(house, "ivy", "s1")
    claims, kid = word(house, sid="s1"), {"kid": "k1"}
    public = house.provider.signed(claims).rpartition(".")[0]
    forged = [
        jwt.encode(claims, rsa_key(7), algorithm="RS256", headers=kid),
        jwt.encode(claims, rsa_key(), algorithm="RS256", headers={"kid": "unknown"}),
        jwt.encode(claims, rsa_key(), algorithm="RS512", headers=kid),
        jwt.encode(claims, CLIENT[1] * 3, algorithm="HS256", headers=kid),
        jwt.encode(claims, None, algorithm="none"),
        f"{public}.",
        "nonsense",
    ]
    for token in forged:
        refused = await tells(house, token)
        assert (refused.code, refused.json["meta"]["step"]) == ("sign_out_refused", "signature"), token
    other_kind = await tells(house, house.provider.signed(claims, typ="at+jwt"))
    assert other_kind.json["meta"]["step"] == "claims"
    assert (await tells(house, "")).code == "sign_out_refused"
    assert (await tells(house, "x" * 20_000)).status == 422
    assert await lives(house, session) == [True]
    assert (await tells(house, house.provider.signed(claims))).status == 200, "without a type it is one by its event"
    assert await lives(house, session) == [False]


async def test_logout_tokens_that_name_unknown_keys_make_nobody_ask_the_provider_all_the_time(house: SsoHouse) -> None:
    session = await comes(house, "ivy", "s1")
    keys, claims = house.world.started["identity"].env.own.providers.keys, word(house, sid="s1")
    served = house.provider.key_sets_served

    def junk(number: int) -> str:
        return jwt.encode(claims, rsa_key(7), algorithm="RS256", headers={"kid": f"junk-{number}"})

    for later in (0, 61):
        real, now = keys.monotonic, keys.monotonic() + later
        keys.monotonic = lambda now=now: now
        try:
            told = await asyncio.gather(*(tells(house, junk(number)) for number in range(25)))
        finally:
            keys.monotonic = real
        assert {(one.code, one.json["meta"]["step"]) for one in told} == {("sign_out_refused", "signature")}
        assert house.provider.key_sets_served == served + bool(later)
    assert await lives(house, session) == [True]
    assert (await says(house, sid="s1")).status == 200


async def test_a_logout_token_counts_once_and_one_that_was_refused_is_not_used_up(house: SsoHouse) -> None:
    token = house.provider.signed(word(house, sub="ivy"), typ="logout+jwt")
    assert (await tells(house, token)).status == 200
    session = await comes(house, "ivy")
    again = await tells(house, token)
    assert (again.code, again.json["meta"]) == ("sign_out_refused", {"step": "replay"})
    assert await lives(house, session) == [True]


async def test_a_providers_word_for_one_organization_ends_nothing_in_another(
    world: World, house: SsoHouse, provider: Provider
) -> None:
    """The same provider and client, by which the same subjects and sessions come into both."""
    neighbour = await (await sso_house(world, provider)).set_up()
    mine, theirs = await comes(house, "ivy", "s1"), await comes(neighbour, "ivy", "s1")
    assert (await says(neighbour, sub="ivy", sid="s1")).status == 200
    assert await lives(house, mine) == [True]
    assert await lives(neighbour, theirs) == [False]
    unknown = SsoHouse(**{**vars(house), "connection": new_id("sso")})
    assert (await says(unknown, sub="ivy")).code == "not_found"
    saml = await house.begins(protocol="saml", name="By SAML")
    assert (await says(house, sub="ivy")).code == "not_found", saml["id"]


async def test_a_sign_in_that_waits_for_its_second_factor_or_its_browser_ends_as_well(
    world: World, house: SsoHouse
) -> None:
    email = f"ivy@{house.domain}"
    opened = (await house.signs_in("ivy", email, sid="s0")).ok()
    phone = await sets_up_totp(world, await actor_of(world, opened["session_id"]))
    headers = {"Tenantry-Source-Ip": "203.0.113.7", "User-Agent": "Tester/1.0"}
    for meant in ({"sid": "s1"}, {"sub": "ivy"}):
        world.clock.advance(timedelta(minutes=1))
        asked = (await house.signs_in("ivy", email, sid="s1")).ok()["challenge"]
        assert (await says(house, **meant)).status == 200
        body = {"token": asked["token"], "totp": phone.code()}
        path = f"/v1/auth/challenges/{asked['id']}/answers"
        assert (await world.ask("identity", "POST", path, body, headers=headers)).code == "challenge_ended"
    browser, _ = await house.goes("joe", f"joe@{house.domain}", sid="s2")
    assert (await says(house, sid="s2")).status == 200
    assert (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).code == "challenge_ended"


async def test_who_signs_out_here_is_shown_the_way_to_do_so_there(world: World, house: SsoHouse) -> None:
    session = await comes(house, "ivy", "s1")
    ivy = await actor_of(world, session)
    there = (await signs_out(world, ivy)).ok()["at_provider"]
    assert (there["name"], there["provider"]) == ("Northwind IdP", "generic")
    parts = urlsplit(there["url"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{house.provider.url}/leave"
    shown = (await house.ask("GET", house.path())).ok()
    assert query["post_logout_redirect_uri"] == shown["service_provider"]["post_logout_redirect_uri"]
    assert (query["client_id"], shown["sign_out_url"]) == (CLIENT[0], f"{house.provider.url}/leave")
    hint = jwt.decode(query["id_token_hint"], options={"verify_signature": False})
    assert (hint["sub"], hint["sid"]) == ("ivy", "s1")
    assert await lives(house, session) == [False]
    (told,) = [one for one in await world.said("identity", SessionEnded) if one.data["session_id"] == session]
    assert (told.data["reason"], told.actor_id) == ("signed_out", ivy.user_id)
    assert (await signs_out(world, ivy)).code == "session_ended"
    by_password = await (await somebody(world)).comes()
    assert (await signs_out(world, by_password)).ok() == {"at_provider": None}


async def test_signing_out_takes_the_consoles_cookie_and_a_provider_without_a_place_for_it_is_not_named(
    world: World, provider: Provider
) -> None:
    provider.document = {"end_session_endpoint": None}
    house = await (await sso_house(world, provider)).set_up()
    done = await house.signs_in("ivy", f"ivy@{house.domain}", keep="cookie")
    left = await signs_out(world, await actor_of(world, done.ok()["session_id"]))
    assert left.ok() == {"at_provider": None}
    assert left.headers["set-cookie"].startswith("__Host-session=; ")
    assert "Max-Age=0" in left.headers["set-cookie"]


async def test_a_fresh_proof_ties_the_session_there_too_and_a_connection_that_is_off_still_takes_away(
    world: World, house: SsoHouse
) -> None:
    browser, _ = await house.goes("ivy", f"ivy@{house.domain}", sid="s1")
    session = (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()["session_id"]
    actor = await actor_of(world, session)
    begun = await browser.ask("POST", "/v1/auth/sso/proofs", {}, actor=actor)
    await house.returns(browser, begun.ok()["url"], "ivy", f"ivy@{house.domain}", {"sid": "s2"})
    assert (await browser.ask("POST", "/v1/auth/reauthentications", {"sso": True}, actor=actor)).status == 200
    (await house.ask("POST", house.path("/deactivation"))).ok()
    assert (await says(house, sid="s2")).status == 200
    assert await lives(house, session) == [False]


async def test_what_a_provider_calls_a_session_is_kept_for_nobody_to_read(world: World, house: SsoHouse) -> None:
    await comes(house, "ivy", "a-session-id-that-stands-out")
    async with world.started["identity"].env.database.read(EVERY_ORG) as read:
        rows = await read.rows(
            "select * from sso_sessions where connection_id = $1 and session_id is not null", house.connection
        )
        (row,) = [one for one in rows if one["subject"] == "ivy"]
        assert b"stands-out" not in bytes(row["digest"]) + bytes(row["sealed"])
    browser, _ = await house.goes("joe", f"joe@{house.domain}", sid="s2")
    world.clock.advance(timedelta(hours=2))
    await world.run("identity", forget_the_past)
    async with world.started["identity"].env.database.read(EVERY_ORG) as read:
        assert (
            await read.value(
                "select count(*) from sso_sessions where subject = 'joe' and connection_id = $1", house.connection
            )
            == 0
        )
    assert (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).code == "challenge_ended"
