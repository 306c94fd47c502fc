"""Signing up: nobody learns who has an account, and every dead link is dead in the same way."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.events.courier import MailRequested
from shared.events.identity import UserRegistered
from shared.ids import is_id, new_id
from shared.links import link_token
from tests.identity.people import confirm, link_of, mails, sign_in, sign_up, somebody, wish
from tests.world import Reply, World


def shape(reply: Reply) -> tuple[int, list[str], list[str]]:
    return reply.status, sorted(reply.headers), sorted(reply.json)


async def test_a_confirmed_signup_is_an_account_and_is_told_with_what_the_organization_needs(world: World) -> None:
    signup_id, token = await sign_up(world, "Ana@Example.com", product_mails=True, location="us")
    mail = (await mails(world))[0]
    assert (mail.to, mail.template, mail.values) == (
        "Ana@example.com",
        "confirm_signup",
        {"name": "Ana Example", "company": "Northwind"},
    )
    assert await world.said("identity", UserRegistered) == []
    reply = await confirm(world, signup_id, token)
    assert (reply.status, reply.json["email"]) == (201, "Ana@example.com")
    told = (await world.said("identity", UserRegistered))[0]
    assert reply.change == told.id
    assert told.subject == reply.json["user_id"]
    assert told.data == {
        "person": {"email": "Ana@example.com", "name": "Ana Example"},
        "language": "en",
        "signup": {
            "company": "Northwind",
            "location": "us",
            "product_mails": True,
            "terms_accepted": True,
            "source_ip": "203.0.113.7",
        },
    }
    assert (await sign_in(world, "ana@EXAMPLE.com")).status == 201


async def test_a_known_address_answers_like_an_unknown_one_and_its_owner_is_mailed_at_the_spelling_they_once_used(
    world: World,
) -> None:
    await somebody(world, "Ana.Example@example.com")
    known = await world.ask("identity", "POST", "/v1/signups", wish("ana.example@EXAMPLE.com"))
    unknown = await world.ask("identity", "POST", "/v1/signups", wish("new@example.com"))
    assert shape(known) == shape(unknown)
    assert is_id(known.json["id"], "sgn")
    _, to_known, to_unknown = await mails(world)
    assert (to_known.template, to_known.to, to_known.link) == ("account_exists", "Ana.Example@example.com", None)
    assert (to_unknown.template, to_unknown.to) == ("confirm_signup", "new@example.com")


async def test_not_even_the_ids_of_what_was_said_tell_a_known_address(world: World) -> None:
    ana = await somebody(world, "ana@example.com")
    await sign_up_again(world, "ana@example.com")
    told = (await world.said("identity", MailRequested))[-1]
    assert told.subject != ana.user_id


async def sign_up_again(world: World, email: str) -> None:
    (await world.ask("identity", "POST", "/v1/signups", wish(email))).ok()


async def test_the_hasher_works_as_much_for_a_known_address_as_for_an_unknown_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await somebody(world, "ana@example.com")
    hasher = world.started["identity"].env.own.hasher
    calls: list[str] = []
    for name in ("hash", "is_guessable"):
        real = getattr(hasher, name)

        async def counted(*given: str, real=real, name=name) -> object:  # type: ignore[no-untyped-def]
            calls.append(name)
            return await real(*given)

        monkeypatch.setattr(hasher, name, counted)
    await sign_up_again(world, "ana@example.com")
    known, calls[:] = list(calls), []
    await sign_up_again(world, "new@example.com")
    assert known == calls == ["is_guessable", "hash"]


async def test_every_dead_link_is_gone_in_the_same_words(world: World) -> None:
    key = world.settings.secrets.bytes("links")
    used_id, used = await sign_up(world, "used@example.com")
    assert (await confirm(world, used_id, used)).status == 201
    old_id, old = await sign_up(world, "old@example.com")
    new_id_, new = await sign_up(world, "OLD@example.com")
    other_id, other = await sign_up(world, "other@example.com")
    dead = [
        await confirm(world, used_id, used),
        await confirm(world, old_id, old),
        await confirm(world, new_id_, old),
        await confirm(world, other_id, new),
        await confirm(world, other_id, other[:-1]),
        await confirm(world, other_id, other + "\n"),
        await confirm(world, other_id, ""),
        await confirm(world, other_id, "x" * 5000),
        await confirm(world, other_id, link_token(b"another key", "signup", other_id, 1)),
        await confirm(world, other_id, link_token(key, "invitation", other_id, 1)),
        await confirm(world, other_id, link_token(key, "signup", other_id, 2)),
        await confirm(world, new_id("sgn"), link_token(key, "signup", new_id("sgn"), 1)),
        await confirm(world, "sgn_nonsense", other),
    ]
    world.clock.advance(timedelta(hours=24))
    dead.append(await confirm(world, other_id, other))
    assert {reply.status for reply in dead} == {410}
    assert len({reply.body.replace(reply.json["instance"].encode(), b"") for reply in dead}) == 1
    assert (await sign_in(world, "other@example.com")).code == "invalid_credentials"


async def test_the_link_for_a_known_address_would_be_dead_if_anybody_could_make_it(world: World) -> None:
    await somebody(world, "ana@example.com")
    pending = (await world.ask("identity", "POST", "/v1/signups", wish("ana@example.com"))).ok()
    forged = link_token(world.settings.secrets.bytes("links"), "signup", pending["id"], 1)
    assert (await confirm(world, pending["id"], forged)).code == "gone"
    assert len(await world.said("identity", UserRegistered)) == 1


async def test_of_many_confirmations_at_once_one_counts(world: World) -> None:
    signup_id, token = await sign_up(world, "ana@example.com")
    replies = await asyncio.gather(*(confirm(world, signup_id, token) for _ in range(20)))
    assert sorted(reply.status for reply in replies) == [201] + [410] * 19
    assert len(await world.said("identity", UserRegistered)) == 1


async def test_signing_up_at_once_with_one_address_leaves_one_link_alive(world: World) -> None:
    replies = await asyncio.gather(
        *(world.ask("identity", "POST", "/v1/signups", wish("ana@example.com")) for _ in range(4))
    )
    assert {reply.status for reply in replies} == {202}
    links = [(mail.link.id, link_of(world, mail)) for mail in await mails(world) if mail.link]
    confirmed = [await confirm(world, *link) for link in links]
    assert sorted(reply.status for reply in confirmed) == [201, 410, 410, 410]


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("too short", "too_short"),
        ("x" * 257, "too_long"),
        ("e\u0301" * 11, "too_short"),
        ("Password1234", "password_common"),
        ("qwertyuiop12", "password_common"),
        ("aaaaaaaaaaaaaaaa", "password_common"),
        ("P@ssw0rd2024!", "password_common"),
        ("iloveyou2024!", "password_common"),
        ("XM82kejFv26K", "password_breached"),
        ("xm82KEJfv26k", "password_breached"),
        ("my NORTH-wind account", "password_personal"),
        ("walrus and other EXAMPLES", "password_personal"),
        ("one more Ex-ample here", "password_personal"),
        ("ana.example rules", "password_personal"),
        ("Tenantry is great", "password_personal"),
        ("a walrus called Carter", "password_personal"),
    ],
)
async def test_a_bad_password_is_refused_with_the_place_and_the_reason(world: World, password: str, code: str) -> None:
    reply = await world.ask("identity", "POST", "/v1/signups", wish("walrus@example.com", password=password))
    assert (reply.status, [(e["pointer"], e["code"]) for e in reply.json["errors"]]) == (422, [("/password", code)])
    assert password not in reply.body.decode()
    assert await world.said("identity") == []


@pytest.mark.parametrize(
    "password",
    [
        "correct zebra battery staple",
        "blauer himmel 77",
        "kx7Qm2vRt9Lp",
        "пароль из четырёх слов",
        "4@8({[</369&1!|70$5+%2" * 10,
    ],
)
async def test_a_good_password_needs_no_particular_signs(world: World, password: str) -> None:
    assert (
        await world.ask("identity", "POST", "/v1/signups", wish("ana@example.com", password=password))
    ).status == 202


async def test_a_password_is_the_same_however_a_keyboard_composes_it(world: World) -> None:
    await somebody(world, "ana@example.com", password="Bäume schlürfen 9")
    assert (await sign_in(world, "ana@example.com", "Ba\u0308ume schlu\u0308rfen 9")).status == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"accept_terms": False},
        {"location": "mars"},
        {"email": "no address"},
        {"email": "ana@example.com\r\nBcc: x@example.com"},
        {"name": "  "},
        {"name": "Ana\u202egnp"},
        {"company": "x" * 201},
        {"is_admin": True},
        {"password": None},
    ],
)
async def test_bad_input_is_refused_and_says_nothing(world: World, changes: dict[str, object]) -> None:
    reply = await world.ask("identity", "POST", "/v1/signups", {**wish("ana@example.com"), **changes})
    assert (reply.status, reply.code) == (422, "invalid")
    assert await world.said("identity") == []


async def test_one_address_gets_few_mails_and_one_source_makes_few_signups(world: World) -> None:
    spellings = ["ana@example.com", "ANA@example.com", "Ana@EXAMPLE.com", "aNa@example.com", "ana@example.COM"]
    for spelling in spellings:
        assert (await world.ask("identity", "POST", "/v1/signups", wish(spelling))).status == 202
    refused = await world.ask(
        "identity", "POST", "/v1/signups", wish("ana@example.com"), headers={"Tenantry-Source-Ip": "198.51.100.9"}
    )
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    world.clock.advance(timedelta(hours=1))
    assert (await world.ask("identity", "POST", "/v1/signups", wish("ana@example.com"))).status == 202


async def test_a_source_is_throttled_before_its_password_is_looked_at(world: World) -> None:
    bad = wish("ana@example.com", password="aaaaaaaaaaaaaaaa")
    source = {"Tenantry-Source-Ip": "2001:db8:1:2::7"}
    codes = [(await world.ask("identity", "POST", "/v1/signups", bad, headers=source)).code for _ in range(61)]
    assert codes == ["invalid"] * 60 + ["rate_limited"]
    neighbour = {"Tenantry-Source-Ip": "2001:db8:1:2:ffff::1"}
    assert (await world.ask("identity", "POST", "/v1/signups", bad, headers=neighbour)).code == "rate_limited"
    elsewhere = {"Tenantry-Source-Ip": "2001:db8:1:3::7"}
    assert (await world.ask("identity", "POST", "/v1/signups", bad, headers=elsewhere)).code == "invalid"
