"""Another address: only with the password, only when the new address says so, and the old one has the last word."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.auth import Actor
from shared.events.courier import MailRequested
from shared.events.identity import AllSessionsEnded, PasswordChanged, TwoFactorRemoved, UserEmailChanged
from shared.ids import new_id
from shared.links import link_token
from tests.identity.factors import answers, sets_up_totp
from tests.identity.people import PASSWORD, confirm, introspect, link_of, mails, sign_in, sign_up, somebody
from tests.identity.test_passkeys import asked_alone, has_passkey
from tests.world import Reply, World

NEW_PASSWORD = "Drei blaue Fahrräder"


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def asks(world: World, actor: Actor, email: str, password: str = PASSWORD) -> Reply:
    body = {"email": email, "password": password}
    return await world.ask("identity", "PUT", "/v1/me/email-change", body, actor=actor)


async def mail_of(world: World, template: str) -> MailRequested:
    return [mail for mail in await mails(world) if mail.template == template][-1]


async def follows(world: World, what: str, token: str) -> Reply:
    return await world.ask("identity", "POST", f"/v1/auth/email-changes/{token}/{what}")


async def links(world: World, actor: Actor, email: str) -> tuple[str, str]:
    """The tokens mailed to the new and to the old address."""
    (await asks(world, actor, email)).ok()
    return (
        link_of(world, await mail_of(world, "confirm_email_change")),
        link_of(world, await mail_of(world, "email_change_asked")),
    )


async def moved(world: World) -> list[tuple[str, dict[str, Any]]]:
    return [(told.subject, told.data) for told in await world.said("identity", UserEmailChanged)]


async def test_the_new_address_counts_once_it_has_confirmed_and_the_old_one_is_told_of_both_steps(world: World) -> None:
    ana = await somebody(world, "ana@example.com", language="de")
    actor = await ana.comes()
    asked = await asks(world, actor, "Ana@Elsewhere.example")
    assert asked.status == 202
    assert asked.json["email"] == "Ana@elsewhere.example"
    to_new, to_old = (await mails(world))[-2:]
    assert [(m.template, m.to, m.language) for m in (to_new, to_old)] == [
        ("confirm_email_change", "Ana@elsewhere.example", "de"),
        ("email_change_asked", "ana@example.com", "de"),
    ]
    assert (await world.ask("identity", "GET", "/v1/me/email-change", actor=actor)).ok() == asked.json
    assert (await moved(world), (await introspect(world, actor.session_id or ""))["email"]) == ([], "ana@example.com")
    reply = await follows(world, "confirmation", link_of(world, to_new))
    assert reply.ok() == {"email": "Ana@elsewhere.example"}
    person = {"email": "Ana@elsewhere.example", "name": "Ana Example"}
    assert await moved(world) == [(ana.user_id, {"person": person, "previous_email": "ana@example.com"})]
    assert (await mail_of(world, "email_changed")).to == "ana@example.com"
    standing = await introspect(world, actor.session_id or "")
    assert (standing["live"], standing["email"]) == (True, "Ana@elsewhere.example")
    assert (await sign_in(world, "ana@elsewhere.example")).status == 201
    assert (await sign_in(world, "ana@example.com")).code == "invalid_credentials"
    assert (await world.ask("identity", "GET", "/v1/me/email-change", actor=actor)).code == "not_found"


async def test_the_password_is_asked_for_and_the_address_must_be_another(world: World) -> None:
    ana = await somebody(world)
    actor = await ana.comes()
    before = len(await mails(world))
    assert (await asks(world, actor, "new@example.com", "not my password")).code == "invalid_credentials"
    same = await asks(world, actor, ana.email)
    assert (same.status, same.json["errors"][0]["code"]) == (422, "email_unchanged")
    assert len(await mails(world)) == before


async def test_an_address_that_has_an_account_gets_the_same_answer_and_its_owner_is_told(world: World) -> None:
    ana, ben = await somebody(world), await somebody(world, "ben@example.com")
    actor = await ana.comes()
    free, taken = await asks(world, actor, "free@example.com"), await asks(world, actor, "BEN@example.com")
    assert (free.status, sorted(free.headers), sorted(free.json)) == (
        taken.status,
        sorted(taken.headers),
        sorted(taken.json),
    )
    to_ben = await mail_of(world, "email_change_taken")
    assert (to_ben.link, to_ben.about) == (None, ana.user_id)
    undo = (await mail_of(world, "email_change_asked")).link
    assert undo is not None
    forged = link_token(world.settings.secrets.bytes("links"), "email_change", undo.id, 1)
    assert (await follows(world, "confirmation", forged)).code == "gone"
    assert (await sign_in(world, ben.email)).json["session_id"]
    assert await moved(world) == []


async def test_another_spelling_of_the_own_address_is_a_change_like_any_other(world: World) -> None:
    ana = await somebody(world, "ana@example.com")
    token, _ = await links(world, await ana.comes(), "Ana@example.com")
    assert (await follows(world, "confirmation", token)).ok() == {"email": "Ana@example.com"}


async def test_every_dead_link_is_gone_in_the_same_words(world: World) -> None:
    key = world.settings.secrets.bytes("links")
    ana, ben, cem, dora = [await somebody(world) for _ in range(4)]
    used, _ = await links(world, await ana.comes(), f"new-{ana.email}")
    assert (await follows(world, "confirmation", used)).status == 200
    actor = await ben.comes()
    old = await links(world, actor, f"old-{ben.email}")
    alive = await links(world, actor, f"new-{ben.email}")
    dropped = await links(world, await cem.comes(), f"new-{cem.email}")
    assert (await world.ask("identity", "DELETE", "/v1/me/email-change", actor=await cem.comes())).status == 204
    overtaken, _ = await links(world, await dora.comes(), "late@example.com")
    await confirm(world, *await sign_up(world, "late@example.com"))
    dead = [
        ("confirmation", used),
        ("confirmation", old[0]),
        ("undoing", old[1]),
        ("confirmation", dropped[0]),
        ("undoing", dropped[1]),
        ("confirmation", overtaken),
        ("confirmation", alive[1]),
        ("undoing", alive[0]),
        ("confirmation", alive[0][:-1]),
        ("confirmation", link_token(b"another key", "email_change", new_id("eml"), 1)),
        ("undoing", link_token(key, "email_change_undo", new_id("eml"), 1)),
        ("undoing", "x"),
    ]
    replies = [await follows(world, *one) for one in dead]
    world.clock.advance(timedelta(hours=24))
    replies += [await follows(world, "confirmation", alive[0]), await follows(world, "undoing", alive[1])]
    assert [reply.code for reply in replies] == ["gone"] * len(replies)
    assert len({reply.body.replace(reply.json["instance"].encode(), b"") for reply in replies}) == 1


async def test_the_old_address_undoes_the_change_and_whoever_made_it_is_out(own_world: World) -> None:
    ana = await somebody(own_world, "ana@example.com")
    actor = await ana.comes()
    token, _ = await links(own_world, actor, "eve@example.com")
    (await follows(own_world, "confirmation", token)).ok()
    onward, _ = await links(own_world, actor, "eve-again@example.com")
    undo = link_of(own_world, await mail_of(own_world, "email_changed"))
    assert (await follows(own_world, "undoing", undo)).ok() == {"email": "ana@example.com"}
    assert [data["previous_email"] for _, data in await moved(own_world)] == ["ana@example.com", "eve@example.com"]
    assert not (await introspect(own_world, actor.session_id or ""))["live"]
    assert [told.data["reason"] for told in await own_world.said("identity", AllSessionsEnded)] == ["password_changed"]
    assert len(await own_world.said("identity", PasswordChanged)) == 1
    for email in ("ana@example.com", "eve@example.com"):
        assert (await sign_in(own_world, email)).code == "invalid_credentials"
    assert (await follows(own_world, "confirmation", onward)).code == "gone"
    assert (await follows(own_world, "undoing", undo)).code == "gone"
    reset = await mail_of(own_world, "password_reset")
    assert reset.to == "ana@example.com"
    chosen = await own_world.ask(
        "identity", "PUT", f"/v1/auth/password-resets/{link_of(own_world, reset)}", {"new_password": NEW_PASSWORD}
    )
    assert chosen.status == 204
    assert (await sign_in(own_world, "ana@example.com", NEW_PASSWORD)).status == 201


async def test_a_change_that_waits_is_undone_in_the_same_way(own_world: World) -> None:
    ana = await somebody(own_world, "ana@example.com")
    actor = await ana.comes()
    token, undo = await links(own_world, actor, "eve@example.com")
    assert (await follows(own_world, "undoing", undo)).ok() == {"email": "ana@example.com"}
    assert (await follows(own_world, "confirmation", token)).code == "gone"
    assert (await moved(own_world), (await introspect(own_world, actor.session_id or ""))["live"]) == ([], False)
    assert (await mail_of(own_world, "password_reset")).to == "ana@example.com"


async def test_who_made_a_change_that_is_undone_keeps_no_second_factor(world: World) -> None:
    ana = await somebody(world)
    actor = await ana.comes()
    phone = await sets_up_totp(world, actor)
    to_new, to_old = await links(world, actor, f"eve-{ana.email}")
    world.clock.advance(timedelta(minutes=1))
    (await follows(world, "confirmation", to_new)).ok()
    device, _ = await has_passkey(world, actor)
    renewed = (await world.ask("identity", "POST", "/v1/me/recovery-codes", {}, actor=actor)).ok()["recovery_codes"]
    (await follows(world, "undoing", to_old)).ok()
    alone = await asked_alone(world)
    assert (await answers(world, alone, passkey=device.get(alone["passkey"]))).code == "invalid_code"
    told = TwoFactorRemoved.read((await world.said("identity", TwoFactorRemoved))[-1])
    assert (told.user_id, told.removed, told.factors) == (ana.user_id, ["passkey"], ["totp"])
    link = link_of(world, await mail_of(world, "password_reset"))
    body = {"new_password": NEW_PASSWORD}
    assert (await world.ask("identity", "PUT", f"/v1/auth/password-resets/{link}", body)).status == 204
    challenge = (await sign_in(world, ana.email, NEW_PASSWORD)).ok()["challenge"]
    assert challenge["factors"] == ["totp"], "the one of before is asked for as ever"
    assert (await answers(world, challenge, recovery_code=renewed[0])).code == "invalid_code"
    assert (await answers(world, challenge, totp=phone.code())).status == 201


async def test_an_app_of_who_made_a_change_that_is_undone_bars_nobody(world: World) -> None:
    ana = await somebody(world)
    actor = await ana.comes()
    _, to_old = await links(world, actor, f"eve-{ana.email}")
    await sets_up_totp(world, actor)
    (await follows(world, "undoing", to_old)).ok()
    link = link_of(world, await mail_of(world, "password_reset"))
    body = {"new_password": NEW_PASSWORD}
    assert (await world.ask("identity", "PUT", f"/v1/auth/password-resets/{link}", body)).status == 204
    assert (await sign_in(world, ana.email, NEW_PASSWORD)).ok()["challenge"] is None


async def test_after_a_week_a_change_stays(world: World) -> None:
    ana = await somebody(world)
    token, undo = await links(world, await ana.comes(), f"new-{ana.email}")
    (await follows(world, "confirmation", token)).ok()
    world.clock.advance(timedelta(days=7))
    assert (await follows(world, "undoing", undo)).code == "gone"


async def test_a_new_password_drops_a_change_that_waits(world: World) -> None:
    ana = await somebody(world)
    actor = await ana.comes()
    token, _ = await links(world, actor, f"new-{ana.email}")
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await world.ask("identity", "PUT", "/v1/me/password", change, actor=actor)).status == 204
    assert (await follows(world, "confirmation", token)).code == "gone"


async def test_of_two_people_who_want_one_address_one_gets_it(world: World) -> None:
    tokens = [(await links(world, await (await somebody(world)).comes(), "both@example.com"))[0] for _ in range(2)]
    replies = await asyncio.gather(*(follows(world, "confirmation", token) for token in tokens * 3))
    assert sorted(reply.status for reply in replies) == [200] + [410] * 5
    assert len(await moved(world)) == 1


async def test_a_stranger_is_mailed_five_times_an_hour_at_most(world: World) -> None:
    actor = await (await somebody(world)).comes()
    assert [(await asks(world, actor, "stranger@example.com")).status for _ in range(6)] == [202] * 5 + [429]
