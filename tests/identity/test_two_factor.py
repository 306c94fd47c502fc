"""The authenticator app and recovery codes: set up, asked for at sign-in, counted once, guessed at in vain, taken away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from xml.etree import ElementTree

import pyotp
import pytest

from services.identity import rules
from services.identity.usecases.housekeeping import forget_the_past
from shared.events.identity import (
    AllSessionsEnded,
    RecoveryCodesRenewed,
    RecoveryCodeUsed,
    SessionStarted,
    SignInFailed,
    TwoFactorEnabled,
    TwoFactorRemoved,
)
from shared.ids import new_id
from tests.identity.factors import activates_totp, answers, begins_totp, challenged, sets_up_totp, time_passes
from tests.identity.people import PASSWORD, cookie_of, introspect, mails, sign_in, somebody, verified_claims
from tests.identity.test_secrets import whole_database
from tests.world import World

NEW_PASSWORD = "Drei blaue Fahrräder"


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def test_an_app_counts_only_after_a_code_of_it_was_shown(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    begun = await begins_totp(world, mine)
    assert (await world.ask("identity", "GET", "/v1/me/totp", actor=mine)).ok()["status"] == "begun"
    assert (await sign_in(world, ana.email)).ok()["challenge"] is None
    app = pyotp.TOTP(begun["secret"])
    assert pyotp.parse_uri(begun["uri"]).secret == begun["secret"]
    assert ElementTree.fromstring(begun["qr_svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    active = (await activates_totp(world, mine, app.at(int(world.clock.now().timestamp())))).ok()
    assert len(set(active["recovery_codes"])) == 10
    assert all(len(code.replace("-", "")) == 16 for code in active["recovery_codes"])
    assert (await world.ask("identity", "GET", "/v1/me/totp", actor=mine)).ok()["status"] == "active"
    assert (await sign_in(world, ana.email)).ok()["challenge"]["factors"] == ["totp"]
    told = await world.said("identity", TwoFactorEnabled)
    assert [(e.subject, e.data) for e in told] == [(ana.user_id, {"factor": "totp", "factors": ["totp"]})]
    assert [mail.template for mail in await mails(world)][-1] == "two_factor_enabled"


async def test_a_wrong_code_activates_nothing_and_beginning_again_replaces_the_secret(world: World) -> None:
    mine = await (await somebody(world)).comes()
    assert (await activates_totp(world, mine, "000000")).code == "conflict"
    first = pyotp.TOTP((await begins_totp(world, mine))["secret"])
    second = await begins_totp(world, mine)
    stale = await activates_totp(world, mine, first.at(int(world.clock.now().timestamp())))
    assert (stale.status, stale.code) == (401, "invalid_code")
    assert (await world.ask("identity", "GET", "/v1/me/totp", actor=mine)).ok()["status"] == "begun"
    code = pyotp.TOTP(second["secret"]).at(int(world.clock.now().timestamp()))
    assert (await activates_totp(world, mine, code)).status == 201
    assert (await activates_totp(world, mine, code)).code == "already_exists"
    assert (await world.ask("identity", "POST", "/v1/me/totp", {}, actor=mine)).code == "already_exists"


async def test_no_token_leaves_before_the_second_factor_and_the_session_says_how_it_was_proven(world: World) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    before = len(await world.said("identity", SessionStarted))
    asked = await sign_in(world, ana.email)
    challenge = asked.ok()["challenge"]
    assert "set-cookie" not in asked.headers
    assert len(await world.said("identity", SessionStarted)) == before
    session = (await answers(world, challenge, totp=phone.code())).ok()
    assert (await verified_claims(world, session["access_token"]))["amr"] == ["pwd", "otp", "mfa"]
    assert (await introspect(world, session["session_id"]))["amr"] == ["pwd", "otp", "mfa"]
    assert (await world.said("identity", SessionStarted))[-1].data["amr"] == ["pwd", "otp", "mfa"]
    assert (await answers(world, challenge, totp=phone.code())).code == "challenge_ended"


async def test_the_console_gets_its_cookie_with_the_answer(world: World) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    reply = await answers(world, await challenged(ana, keep="cookie"), totp=phone.code())
    assert reply.ok()["access_token"] is None
    assert cookie_of(reply).startswith("tcs_")


async def test_a_code_is_typed_with_spaces_or_a_step_late_but_not_later(world: World) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    for _ in range(3):
        time_passes(world)
    challenge = await challenged(ana)
    assert (await answers(world, challenge, totp=phone.code(-2))).code == "invalid_code"
    assert (await answers(world, challenge, totp=phone.code(+1))).code == "invalid_code"
    late = phone.code(-1)
    assert (await answers(world, challenge, totp=f"{late[:3]} {late[3:]}")).status == 201


async def test_no_code_counts_twice_nor_one_that_is_older_than_one_that_counted(world: World) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    time_passes(world)
    used, older = phone.code(), phone.code(-1)
    assert (await answers(world, await challenged(ana), totp=used)).status == 201
    for code in (used, older):
        assert (await answers(world, await challenged(ana), totp=code)).code == "invalid_code"
    time_passes(world)
    assert (await answers(world, await challenged(ana), totp=used)).code == "invalid_code"
    assert (await answers(world, await challenged(ana), totp=phone.code())).status == 201


async def test_the_code_that_activated_the_app_does_not_sign_in(world: World) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    assert (await answers(world, await challenged(ana), totp=phone.code(-1))).code == "invalid_code"


async def test_of_many_who_show_one_code_at_once_one_gets_in(world: World) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    challenges = [await challenged(ana) for _ in range(5)]
    code = phone.code()
    replies = await asyncio.gather(*(answers(world, one, totp=code) for one in challenges for _ in range(4)))
    assert sorted(reply.status for reply in replies).count(201) == 1
    assert {reply.code for reply in replies if reply.status != 201} <= {
        "invalid_code",
        "challenge_ended",
        "rate_limited",
        "second_factor_locked",
    }


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "١٢٣٤٥٦", "12345\u200b6", "-12345"])
async def test_whatever_is_typed_for_a_code_is_a_wrong_one(world: World, code: str) -> None:
    ana = await somebody(world)
    await sets_up_totp(world, await ana.comes())
    reply = await answers(world, await challenged(ana), totp=code)
    assert (reply.status, reply.code) == (401, "invalid_code")
    assert (await world.said("identity", SignInFailed))[-1].data["reason"] == "second_factor"


async def test_the_sixth_answer_after_five_wrong_ones_is_not_looked_at_and_the_challenge_is_void(world: World) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    challenge = await challenged(ana)
    wrong = [(await answers(world, challenge, totp=phone.wrong())).code for _ in range(3)]
    wrong += [(await answers(world, challenge, recovery_code="0000-0000-0000-0000")).code for _ in range(2)]
    assert wrong == ["invalid_code"] * 5
    sixth = await answers(world, challenge, totp=phone.code())
    assert (sixth.status, sixth.code) == (429, "rate_limited")
    assert int(sixth.headers["retry-after"]) > 0
    assert (await answers(world, challenge, totp=phone.code())).code == "challenge_ended"
    assert (await answers(world, await challenged(ana), totp=phone.code())).status == 201


async def test_all_challenges_and_factors_of_a_person_share_ten_wrong_answers_an_hour(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    phone = await sets_up_totp(world, mine)
    codes = []
    for _ in range(3):
        challenge = await challenged(ana)
        codes += [(await answers(world, challenge, totp=phone.wrong())).code for _ in range(3)]
    again = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"totp": phone.wrong()}, actor=mine)
    assert [*codes, again.code] == ["invalid_code"] * 10
    told = [one.data["reason"] for one in await world.said("identity", SignInFailed) if one.subject == mine.user_id]
    assert told == ["second_factor"] * 9 + ["second_factor_locked"], "the lock-out is told by its own name"
    blocked = await answers(world, await challenged(ana), recovery_code=phone.recovery_codes[0])
    assert (blocked.status, blocked.code) == (429, "second_factor_locked")
    assert int(blocked.headers["retry-after"]) <= 3600
    assert datetime.fromisoformat(blocked.json["meta"]["until"]) <= world.clock.now() + timedelta(hours=1)
    world.clock.advance(timedelta(hours=1))
    assert (await answers(world, await challenged(ana), recovery_code=phone.recovery_codes[0])).status == 201


async def test_a_thousand_guesses_at_once_over_many_challenges_are_at_most_ten_guesses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    challenges = [await challenged(ana) for _ in range(20)]
    looked: list[str] = []
    real = rules.step_of
    monkeypatch.setattr(rules, "step_of", lambda secret, code, now: looked.append(code) or real(secret, code, now))
    wrong = phone.wrong()
    for _ in range(10):
        await asyncio.gather(*(answers(world, one, totp=wrong) for one in challenges for _ in range(5)))
    assert 0 < len(looked) <= 10


async def test_after_a_hundred_wrong_codes_in_a_row_the_app_is_frozen_until_a_recovery_code_thaws_it(
    world: World,
) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    phone = await sets_up_totp(world, mine)
    async with world.started["identity"].env.database.tx("", lambda event: event) as tx:
        await tx.run("update totp set wrong_in_a_row = 99 where user_id = $1", ana.user_id)
    assert (await answers(world, await challenged(ana), totp=phone.wrong())).code == "invalid_code"
    frozen = await answers(world, await challenged(ana), totp=phone.code())
    assert (frozen.status, frozen.code) == (401, "factor_frozen")
    again = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"totp": phone.code()}, actor=mine)
    assert again.code == "factor_frozen"
    told = [one.data["reason"] for one in await world.said("identity", SignInFailed) if one.subject == ana.user_id]
    assert told == ["second_factor", "second_factor_frozen", "second_factor_frozen"]
    guessed = await answers(world, {**await challenged(ana), "token": "tch_x"}, totp=phone.code())
    assert guessed.code == "challenge_ended", "whoever hasn't shown the password isn't told"
    assert (await world.ask("identity", "GET", "/v1/me/totp", actor=mine)).ok()["status"] == "frozen"
    assert (await answers(world, await challenged(ana), recovery_code=phone.recovery_codes[0])).status == 201
    assert (await answers(world, await challenged(ana), totp=phone.code())).status == 201


async def test_a_challenge_of_another_or_none_or_without_its_token_answers_alike(world: World) -> None:
    ana, eve = await somebody(world), await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    await sets_up_totp(world, await eve.comes())
    hers, mine = await challenged(eve), await challenged(ana)
    refused = [
        await answers(world, {**mine, "token": hers["token"]}, totp=phone.code()),
        await answers(world, {**mine, "token": "tch_x"}, totp=phone.code()),
        await answers(world, {**mine, "id": new_id("chl")}, totp=phone.code()),
        await answers(world, hers, totp=phone.code()),
    ]
    assert [reply.code for reply in refused] == ["challenge_ended"] * 3 + ["invalid_code"]
    assert (await answers(world, mine, totp=phone.code())).status == 201


async def test_a_challenge_ends_by_itself_and_with_the_password_that_began_it(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    phone = await sets_up_totp(world, mine)
    stale = await challenged(ana)
    world.clock.advance(timedelta(minutes=10))
    assert (await answers(world, stale, totp=phone.code())).code == "challenge_ended"
    begun = await challenged(ana)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await world.ask("identity", "PUT", "/v1/me/password", change, actor=mine)).status == 204
    assert (await answers(world, begun, totp=phone.code())).code == "challenge_ended"


@pytest.mark.parametrize("shown", [{}, {"totp": "123456", "recovery_code": "x"}, {"totp": 123456}, {"totp": "1" * 65}])
async def test_an_answer_shows_exactly_one_factor(world: World, shown: dict[str, object]) -> None:
    ana = await somebody(world)
    await sets_up_totp(world, await ana.comes())
    reply = await answers(world, await challenged(ana), **shown)
    assert (reply.status, reply.code) == (422, "invalid")


async def test_a_recovery_code_counts_once_however_it_is_typed_and_its_person_is_told(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    phone = await sets_up_totp(world, mine)
    code = phone.recovery_codes[3]
    session = (await answers(world, await challenged(ana), recovery_code=code.upper().replace("-", " "))).ok()
    assert (await introspect(world, session["session_id"]))["amr"] == ["pwd", "otp", "mfa"]
    assert (await answers(world, await challenged(ana), recovery_code=code)).code == "invalid_code"
    assert (await world.ask("identity", "GET", "/v1/me/recovery-codes", actor=mine)).ok()["left"] == 9
    assert [e.data["left"] for e in await world.said("identity", RecoveryCodeUsed)] == [9]
    mail = (await mails(world))[-1]
    assert (mail.template, mail.to, mail.values["left"]) == ("recovery_code_used", ana.email, "9")


async def test_of_many_who_show_one_recovery_code_at_once_one_gets_in(world: World) -> None:
    ana = await somebody(world)
    phone = await sets_up_totp(world, await ana.comes())
    challenges = [await challenged(ana) for _ in range(8)]
    replies = await asyncio.gather(*(answers(world, one, recovery_code=phone.recovery_codes[0]) for one in challenges))
    assert sorted(reply.status for reply in replies) == [201] + [401] * 7


async def test_somebody_elses_recovery_code_is_a_wrong_one(world: World) -> None:
    ana, eve = await somebody(world), await somebody(world)
    await sets_up_totp(world, await ana.comes())
    hers = await sets_up_totp(world, await eve.comes())
    assert (await answers(world, await challenged(ana), recovery_code=hers.recovery_codes[0])).code == "invalid_code"


async def test_new_recovery_codes_end_the_old_ones(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    assert (await world.ask("identity", "POST", "/v1/me/recovery-codes", {}, actor=mine)).code == "conflict"
    phone = await sets_up_totp(world, mine)
    renewed = (await world.ask("identity", "POST", "/v1/me/recovery-codes", {}, actor=mine)).ok()["recovery_codes"]
    assert len({*renewed, *phone.recovery_codes}) == 20
    assert (await answers(world, await challenged(ana), recovery_code=phone.recovery_codes[0])).code == "invalid_code"
    assert (await answers(world, await challenged(ana), recovery_code=renewed[0])).status == 201
    assert len(await world.said("identity", RecoveryCodesRenewed)) == 1
    assert "recovery_codes_renewed" in [mail.template for mail in await mails(world)]


async def test_removing_the_app_takes_the_password_and_ends_all_other_sessions(world: World) -> None:
    ana = await somebody(world)
    other, mine = await ana.comes(), await ana.comes()
    phone = await sets_up_totp(world, mine)
    pending = await challenged(ana)
    wrong = await world.ask("identity", "POST", "/v1/me/totp/removal", {"password": "not my password"}, actor=mine)
    assert wrong.code == "invalid_credentials"
    body = {"password": PASSWORD}
    assert (await world.ask("identity", "POST", "/v1/me/totp/removal", body, actor=mine)).status == 204
    assert [(await introspect(world, a.session_id or ""))["live"] for a in (other, mine)] == [False, True]
    assert [e.data["removed"] for e in await world.said("identity", TwoFactorRemoved)] == [["totp"]]
    assert (await world.said("identity", AllSessionsEnded))[-1].data["reason"] == "two_factor_removed"
    assert (await mails(world))[-1].template == "two_factor_removed"
    assert (await world.ask("identity", "GET", "/v1/me/recovery-codes", actor=mine)).ok()["left"] == 0
    assert (await answers(world, pending, totp=phone.code())).code == "challenge_ended"
    assert (await sign_in(world, ana.email)).ok()["session_id"]
    assert (await world.ask("identity", "POST", "/v1/me/totp/removal", body, actor=mine)).code == "conflict"


async def test_a_code_is_a_fresh_proof_and_makes_the_session_a_two_factor_one(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    phone = await sets_up_totp(world, mine)
    world.clock.advance(timedelta(hours=1))
    reply = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"totp": phone.code()}, actor=mine)
    claims = await verified_claims(world, reply.ok()["access_token"])
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    assert claims["auth_time"] > mine.auth_time
    assert (await introspect(world, mine.session_id or ""))["amr"] == ["pwd", "otp", "mfa"]
    again = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"totp": phone.code()}, actor=mine)
    assert (again.status, again.code) == (401, "invalid_code")


@pytest.mark.parametrize("shown", [{}, {"password": PASSWORD, "totp": "123456"}])
async def test_a_fresh_proof_is_exactly_one(world: World, shown: dict[str, str]) -> None:
    mine = await (await somebody(world)).comes()
    reply = await world.ask("identity", "POST", "/v1/auth/reauthentications", shown, actor=mine)
    assert (reply.status, reply.code) == (422, "invalid")


async def test_who_has_no_app_proves_nothing_with_a_code(world: World) -> None:
    mine = await (await somebody(world)).comes()
    await begins_totp(world, mine)
    reply = await world.ask("identity", "POST", "/v1/auth/reauthentications", {"totp": "123456"}, actor=mine)
    assert (reply.status, reply.code) == (401, "invalid_code")


async def test_an_old_proof_begins_no_app_and_no_codes(world: World) -> None:
    mine = replace(await (await somebody(world)).comes(), auth_time=0)
    for path in ("/v1/me/totp", "/v1/me/recovery-codes"):
        refused = await world.ask("identity", "POST", path, {}, actor=mine)
        assert (refused.status, refused.code) == (401, "insufficient_user_authentication")


async def test_an_ended_session_changes_no_factor(world: World) -> None:
    ana = await somebody(world)
    gone, mine = await ana.comes(), await ana.comes()
    await sets_up_totp(world, mine)
    await world.ask("identity", "DELETE", "/v1/me/sessions/current", actor=gone)
    for path, body in (
        ("/v1/me/totp", {}),
        ("/v1/me/totp/activation", {"code": "123456"}),
        ("/v1/me/totp/removal", {"password": PASSWORD}),
        ("/v1/me/recovery-codes", {}),
    ):
        assert (await world.ask("identity", "POST", path, body, actor=gone)).code == "session_ended"


async def test_no_secret_code_or_challenge_token_is_in_the_database_or_the_events(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    phone = await sets_up_totp(world, mine)
    challenge = await challenged(ana)
    await answers(world, await challenged(ana), recovery_code=phone.recovery_codes[0])
    dump = await whole_database(world)
    said = "\n".join(envelope.body().decode() for envelope in await world.said("identity"))
    plain = [code.replace("-", "") for code in phone.recovery_codes]
    for secret in (phone.secret, challenge["token"], *phone.recovery_codes, *plain):
        assert secret not in dump
        assert secret not in said


async def test_challenges_that_nobody_answers_are_cleared_away(world: World) -> None:
    ana = await somebody(world)
    await sets_up_totp(world, await ana.comes())
    await challenged(ana)
    world.clock.advance(timedelta(minutes=11))
    await world.run("identity", forget_the_past)
    async with world.started["identity"].env.database.read("") as read:
        assert await read.value("select count(*) from challenges") == 0
