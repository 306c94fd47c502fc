"""Passkeys: added, named, used as second factor, for a fresh proof and alone, removed; and what doesn't pass for one."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from typing import Any

import pytest

from services.identity import rules
from shared.auth import Actor
from shared.events.identity import SessionStarted, TwoFactorEnabled, TwoFactorRemoved
from shared.ids import new_id
from tests.identity.authenticator import Authenticator, b64
from tests.identity.factors import answers, challenged, sets_up_totp
from tests.identity.people import PASSWORD, Someone, cookie_of, introspect, mails, sign_in, somebody, verified_claims
from tests.world import Reply, World


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def begins(world: World, actor: Actor) -> dict[str, Any]:
    return (await world.ask("identity", "POST", "/v1/me/passkeys/options", {}, actor=actor)).ok()  # type: ignore[no-any-return]


async def adds(world: World, actor: Actor, begun: dict[str, Any], credential: dict[str, Any], name: str) -> Reply:
    body = {"challenge_id": begun["id"], "token": begun["token"], "name": name, "credential": credential}
    return await world.ask("identity", "POST", "/v1/me/passkeys", body, actor=actor)


async def has_passkey(
    world: World, actor: Actor, name: str = "Laptop", **kind: bool
) -> tuple[Authenticator, dict[str, Any]]:
    device = Authenticator(world.settings.public_url, **kind)
    begun = await begins(world, actor)
    return device, (await adds(world, actor, begun, device.create(begun["passkey"]), name)).ok()


async def asked_alone(world: World, **more: Any) -> dict[str, Any]:
    return (await world.ask("identity", "POST", "/v1/auth/challenges", more)).ok()  # type: ignore[no-any-return]


async def who_has_one(world: World, **kind: bool) -> tuple[Someone, Actor, Authenticator]:
    ana = await somebody(world)
    mine = await ana.comes()
    device, _ = await has_passkey(world, mine, **kind)
    return ana, mine, device


async def test_a_passkey_is_asked_for_after_the_password(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    device, added = await has_passkey(world, mine)
    assert (added["name"], added["last_used_at"], len(added["recovery_codes"])) == ("Laptop", None, 10)
    told = await world.said("identity", TwoFactorEnabled)
    assert [e.data for e in told] == [{"factor": "passkey", "factors": ["passkey"]}]
    assert (await mails(world))[-1].template == "two_factor_enabled"
    challenge = await challenged(ana)
    assert challenge["factors"] == ["passkey"]
    assert [one["id"] for one in challenge["passkey"]["allowCredentials"]] == [b64(device.credential_id)]
    session = (await answers(world, challenge, passkey=device.get(challenge["passkey"]))).ok()
    assert (await verified_claims(world, session["access_token"]))["amr"] == ["pwd", "hwk", "mfa"]
    listed = (await world.ask("identity", "GET", "/v1/me/passkeys", actor=mine)).ok()["data"]
    assert listed[0]["last_used_at"] is not None


async def test_who_has_app_and_passkey_answers_with_either_or_with_a_recovery_code(world: World) -> None:
    ana, mine, device = await who_has_one(world, synced=True)
    phone = await sets_up_totp(world, mine)
    assert phone.recovery_codes == [], "there are some already"
    challenge = await challenged(ana)
    assert challenge["factors"] == ["totp", "passkey"]
    assert (await answers(world, challenge, totp=phone.code())).status == 201
    challenge = await challenged(ana)
    session = (await answers(world, challenge, passkey=device.get(challenge["passkey"]))).ok()
    assert (await introspect(world, session["session_id"]))["amr"] == ["pwd", "swk", "mfa"]


async def test_a_passkey_that_knows_its_person_signs_in_without_address_and_password(world: World) -> None:
    ana, _, device = await who_has_one(world)
    challenge = await asked_alone(world)
    assert (challenge["factors"], challenge["passkey"]["userVerification"]) == (["passkey"], "required")
    assert challenge["passkey"].get("allowCredentials", []) == []
    session = (await answers(world, challenge, passkey=device.get(challenge["passkey"]))).ok()
    claims = await verified_claims(world, session["access_token"])
    assert (claims["sub"], claims["amr"]) == (ana.user_id, ["hwk", "mfa"])
    assert (await world.said("identity", SessionStarted))[-1].data["amr"] == ["hwk", "mfa"]
    again = await answers(world, challenge, passkey=device.get(challenge["passkey"]))
    assert again.code == "challenge_ended"
    console = await asked_alone(world, keep="cookie")
    assert cookie_of(await answers(world, console, passkey=device.get(console["passkey"]))).startswith("tcs_")


async def test_a_passkey_that_does_not_know_its_person_is_a_second_factor_only(world: World) -> None:
    ana, _, device = await who_has_one(world, verifies=False)
    alone = await asked_alone(world)
    assert (await answers(world, alone, passkey=device.get(alone["passkey"]))).code == "invalid_code"
    challenge = await challenged(ana)
    assert (await answers(world, challenge, passkey=device.get(challenge["passkey"]))).status == 201


async def test_a_challenge_for_a_passkey_alone_takes_nothing_else(world: World) -> None:
    ana, mine, _ = await who_has_one(world)
    phone = await sets_up_totp(world, mine)
    for shown in ({"totp": phone.code()}, {"recovery_code": "0000-0000-0000-0000"}):
        assert (await answers(world, await asked_alone(world), **shown)).code == "invalid_code"
    assert (await sign_in(world, ana.email)).ok()["challenge"]


async def test_a_challenge_for_a_new_passkey_signs_nobody_in(world: World) -> None:
    _, mine, device = await who_has_one(world)
    phone = await sets_up_totp(world, mine)
    begun = await begins(world, mine)
    options = {"rpId": begun["passkey"]["rp"]["id"], "challenge": begun["passkey"]["challenge"]}
    for shown in ({"totp": phone.code()}, {"passkey": device.get(options)}):
        assert (await answers(world, begun, **shown)).code == "challenge_ended"


async def test_a_passkey_is_a_fresh_proof_for_its_own_person_alone(world: World) -> None:
    _, mine, device = await who_has_one(world)
    _, _, hers = await who_has_one(world)
    for used, status in ((hers, 401), (device, 200)):
        challenge = await asked_alone(world)
        shown = {
            "challenge_id": challenge["id"],
            "token": challenge["token"],
            "credential": used.get(challenge["passkey"]),
        }
        reply = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"passkey": shown}, actor=mine)
        assert reply.status == status
    assert (await introspect(world, mine.session_id or ""))["amr"] == ["pwd", "hwk", "mfa"]
    again = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"passkey": shown}, actor=mine)
    assert again.code == "challenge_ended"


async def test_somebody_elses_passkey_answers_no_challenge_of_mine(world: World) -> None:
    ana, _, _ = await who_has_one(world)
    _, _, hers = await who_has_one(world)
    challenge = await challenged(ana)
    assert (await answers(world, challenge, passkey=hers.get(challenge["passkey"]))).code == "invalid_code"


@pytest.mark.parametrize("wrong", ["challenge", "origin", "rp", "key", "count", "kind", "handle"])
async def test_an_answer_that_is_wrong_in_one_place_is_wrong(world: World, wrong: str) -> None:
    ana, _, device = await who_has_one(world)
    challenge = await challenged(ana)
    right = await answers(world, challenge, passkey=device.get(challenge["passkey"]))
    assert right.status == 201
    challenge = await challenged(ana)
    options = copy.deepcopy(challenge["passkey"])
    if wrong == "challenge":
        options["challenge"] = (await challenged(ana))["passkey"]["challenge"]
    if wrong == "origin":
        device.origin = "https://evil.example"
    if wrong == "rp":
        options["rpId"] = "evil.example"
    if wrong == "key":
        device.key = Authenticator("").key
    if wrong == "count":
        device.count = 0
    if wrong == "handle":
        device.user_handle = b64(new_id("usr").encode())
    shown = device.get(options)
    if wrong == "kind":
        shown["response"]["clientDataJSON"] = b64(device._client("webauthn.create", options["challenge"]))
    reply = await answers(world, challenge, passkey=shown)
    assert (reply.status, reply.code) == (401, "invalid_code")


NASTY: tuple[Any, ...] = (
    None,
    "",
    "%",
    "A" * 5000,
    7,
    [],
    {},
    b64(b"[" * 20_000),
    b64(b"\x9b" + b"\xff" * 8),
    "\ud7ff",
)


async def test_no_mutation_of_an_answer_is_more_than_a_wrong_one(world: World) -> None:
    ana, mine, device = await who_has_one(world)
    places = [("id",), ("rawId",), ("type",), ("response",), ("authenticatorAttachment",)]
    places += [("response", name) for name in ("clientDataJSON", "authenticatorData", "signature")]
    for place in places:
        for value in NASTY:
            challenge = await asked_alone(world)
            shown = device.get(challenge["passkey"])
            within = shown["response"] if len(place) == 2 else shown
            within[place[-1]] = value
            reply = await answers(world, challenge, passkey=shown)
            harmless = place == ("authenticatorAttachment",) or (place == ("id",) and reply.status == 201)
            assert reply.status in ((201, 401) if harmless else (401, 429)), (place, value, reply)
    for name in ("clientDataJSON", "attestationObject"):
        for value in NASTY:
            begun = await begins(world, mine)
            made = Authenticator(world.settings.public_url).create(begun["passkey"])
            made["response"][name] = value
            assert (await adds(world, mine, begun, made, "Evil")).status == 401, (name, value)
    assert (await sign_in(world, ana.email)).ok()["challenge"]


async def test_one_answer_sent_many_times_starts_one_session(world: World) -> None:
    _, _, device = await who_has_one(world)
    challenge = await asked_alone(world)
    shown = device.get(challenge["passkey"])
    replies = await asyncio.gather(*(answers(world, challenge, passkey=shown) for _ in range(5)))
    assert [reply.status for reply in replies].count(201) == 1


async def test_what_was_begun_by_another_or_before_or_twice_adds_nothing(world: World) -> None:
    ana, eve = await somebody(world), await somebody(world)
    mine, hers = await ana.comes(), await eve.comes()
    device = Authenticator(world.settings.public_url)
    begun = await begins(world, mine)
    assert (await adds(world, hers, begun, device.create(begun["passkey"]), "Stolen")).code == "challenge_ended"
    assert (await adds(world, mine, begun, device.create(begun["passkey"]), "Laptop")).status == 201
    assert (await adds(world, mine, begun, device.create(begun["passkey"]), "Laptop")).code == "challenge_ended"
    again = await begins(world, mine)
    assert [one["id"] for one in again["passkey"]["excludeCredentials"]] == [b64(device.credential_id)]
    assert (await adds(world, mine, again, device.create(again["passkey"]), "Twice")).code == "already_exists"
    other = await begins(world, hers)
    assert (await adds(world, hers, other, device.create(other["passkey"]), "Hers")).code == "already_exists"


async def test_passkeys_are_listed_renamed_and_nobody_elses(world: World) -> None:
    ana, eve = await somebody(world), await somebody(world)
    mine, hers = await ana.comes(), await eve.comes()
    for name in ("One", "Two", "Three"):
        await has_passkey(world, mine, name)
    first = (await world.ask("identity", "GET", "/v1/me/passkeys?limit=2", actor=mine)).ok()
    path = f"/v1/me/passkeys?limit=2&cursor={first['page']['next_cursor']}"
    rows = first["data"] + (await world.ask("identity", "GET", path, actor=mine)).ok()["data"]
    assert ([row["name"] for row in rows], first["page"]["total"]) == (["One", "Two", "Three"], 3)
    one = f"/v1/me/passkeys/{rows[0]['id']}"
    assert (await world.ask("identity", "PATCH", one, {"name": "Desk"}, actor=mine)).ok()["name"] == "Desk"
    missing = await world.ask("identity", "PATCH", f"/v1/me/passkeys/{new_id('psk')}", {"name": "x"}, actor=hers)
    foreign = await world.ask("identity", "PATCH", one, {"name": "x"}, actor=hers)
    assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found")
    body = {"password": PASSWORD}
    assert (await world.ask("identity", "POST", f"{one}/removal", body, actor=hers)).code == "not_found"


async def test_a_passkey_is_removed_with_the_password_and_the_codes_go_with_the_last_factor(world: World) -> None:
    ana = await somebody(world)
    other, mine = await ana.comes(), await ana.comes()
    device, added = await has_passkey(world, mine)
    _, second = await has_passkey(world, mine, "Phone")
    path = "/v1/me/passkeys/{}/removal"
    wrong = {"password": "not my password"}
    refused = await world.ask("identity", "POST", path.format(added["id"]), wrong, actor=mine)
    assert refused.code == "invalid_credentials"
    body = {"password": PASSWORD}
    assert (await world.ask("identity", "POST", path.format(added["id"]), body, actor=mine)).status == 204
    assert [(await introspect(world, a.session_id or ""))["live"] for a in (other, mine)] == [False, True]
    alone = await asked_alone(world)
    assert (await answers(world, alone, passkey=device.get(alone["passkey"]))).code == "invalid_code"
    assert (await world.ask("identity", "GET", "/v1/me/recovery-codes", actor=mine)).ok()["left"] == 10
    assert (await world.ask("identity", "POST", path.format(second["id"]), body, actor=mine)).status == 204
    assert (await world.ask("identity", "GET", "/v1/me/recovery-codes", actor=mine)).ok()["left"] == 0
    assert [e.data["factors"] for e in await world.said("identity", TwoFactorRemoved)] == [["passkey"], []]
    assert (await sign_in(world, ana.email)).ok()["session_id"]


async def test_an_old_proof_begins_no_passkey_and_nobody_has_more_than_twenty(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await (await somebody(world)).comes()
    old = await world.ask("identity", "POST", "/v1/me/passkeys/options", {}, actor=replace(mine, auth_time=0))
    assert old.code == "insufficient_user_authentication"
    monkeypatch.setattr(rules, "MOST_PASSKEYS", 1)
    await has_passkey(world, mine)
    begun = await begins(world, mine)
    device = Authenticator(world.settings.public_url)
    assert (await adds(world, mine, begun, device.create(begun["passkey"]), "Second")).code == "conflict"
