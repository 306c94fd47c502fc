"""Organizations that require a second factor: who is reminded, who has to set one up, and that nobody loses a membership."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.identity.usecases.requirements import require_two_factor
from shared.auth import Actor
from shared.events.identity import SessionEnded, TwoFactorEnabled
from shared.events.org import SecurityPolicy, SecurityPolicyChanged
from shared.ids import new_id
from tests.identity.authenticator import Authenticator
from tests.identity.factors import Phone, answers, sets_up_totp
from tests.identity.people import introspect, is_deactivated, joins, mails, sign_in, somebody, verified_claims
from tests.world import Reply, World

NOTHING = SecurityPolicy(two_factor_required=False)


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def requires(world: World, org_id: str, deadline: datetime | None) -> None:
    policy = SecurityPolicy(two_factor_required=deadline is not None, two_factor_deadline=deadline)
    await world.hear("org", SecurityPolicyChanged(org_id=org_id, policy=policy, previous=NOTHING))


async def looks_after(world: World) -> None:
    await world.run("identity", require_two_factor)


async def begins_at_sign_in(world: World, challenge: dict[str, str]) -> Reply:
    path = f"/v1/auth/challenges/{challenge['id']}/totp"
    return await world.ask("identity", "POST", path, {"token": challenge["token"]})


async def sent(world: World) -> list[tuple[str, str]]:
    return [(mail.template, mail.to) for mail in await mails(world) if mail.template.startswith("two_factor_")]


@pytest.fixture
def org_id() -> str:
    return new_id("org")


async def test_before_the_deadline_people_sign_in_as_ever_and_are_reminded_once_per_stage(
    world: World, org_id: str
) -> None:
    ana, ben = await somebody(world), await somebody(world)
    for one in (ana, ben):
        await joins(world, org_id, one.user_id)
    await sets_up_totp(world, await ben.comes())
    before = len(await sent(world))
    await requires(world, org_id, world.clock.now() + timedelta(days=10))
    for _ in range(3):
        await looks_after(world)
    assert (await sent(world))[before:] == [("two_factor_required", ana.email)]
    assert (await sign_in(world, ana.email)).ok()["session_id"]
    for days, count in ((4, 2), (5, 3)):
        world.clock.advance(timedelta(days=days))
        await looks_after(world)
        await looks_after(world)
        assert (await sent(world))[before:] == [("two_factor_required", ana.email)] * count


async def test_when_it_is_due_sessions_end_and_signing_in_asks_to_set_a_second_factor_up(
    world: World, org_id: str
) -> None:
    ana = await somebody(world)
    await joins(world, org_id, ana.user_id)
    mine = await ana.comes()
    await requires(world, org_id, world.clock.now())
    await looks_after(world)
    assert not (await introspect(world, mine.session_id or ""))["live"]
    assert (await world.said("identity", SessionEnded))[-1].data["reason"] == "two_factor_required"
    assert (await sent(world))[-1] == ("two_factor_due", ana.email)
    asked = (await sign_in(world, ana.email)).ok()
    challenge = asked["challenge"]
    assert (asked["session_id"], challenge["factors"], challenge["enrolment"]) == (None, [], True)
    assert (await answers(world, challenge, totp="123456")).code == "invalid_code"
    begun = (await begins_at_sign_in(world, challenge)).ok()
    phone = Phone(world, begun["secret"], [])
    assert (await answers(world, challenge, totp=phone.wrong())).code == "invalid_code"
    session = (await answers(world, challenge, totp=phone.code())).ok()
    assert len(session["recovery_codes"]) == 10
    claims = await verified_claims(world, session["access_token"])
    assert (claims["org"], claims["amr"]) == (org_id, ["pwd", "otp", "mfa"])
    assert len(await world.said("identity", TwoFactorEnabled)) == 1
    await looks_after(world)
    assert (await introspect(world, session["session_id"]))["live"]
    assert (await sign_in(world, ana.email)).ok()["challenge"]["enrolment"] is False


async def test_a_passkey_made_at_sign_in_is_as_good_as_an_app(world: World, org_id: str) -> None:
    ana = await somebody(world)
    await joins(world, org_id, ana.user_id)
    await requires(world, org_id, world.clock.now())
    challenge = (await sign_in(world, ana.email)).ok()["challenge"]
    path = f"/v1/auth/challenges/{challenge['id']}/passkey"
    begun = await world.ask("identity", "POST", path, {"token": challenge["token"]})
    device = Authenticator(world.settings.public_url)
    other = Authenticator("https://elsewhere.example")
    assert begun.status == 201
    options = begun.json["passkey"]
    for wrong in (other.create(options), {"id": "x"}, device.create({**options, "challenge": "AAAA"})):
        shown = {"new_passkey": {"name": "Laptop", "credential": wrong}}
        assert (await answers(world, challenge, **shown)).code == "invalid_code"
    made = {"new_passkey": {"name": "Laptop", "credential": device.create(options)}}
    session = (await answers(world, challenge, **made)).ok()
    assert len(session["recovery_codes"]) == 10
    claims = await verified_claims(world, session["access_token"])
    assert (claims["org"], claims["amr"]) == (org_id, ["pwd", "hwk", "mfa"])
    told = TwoFactorEnabled.read((await world.said("identity", TwoFactorEnabled))[-1])
    assert (told.user_id, told.factor) == (ana.user_id, "passkey")
    assert (await answers(world, challenge, **made)).code == "challenge_ended"
    again = (await sign_in(world, ana.email)).ok()["challenge"]
    assert (again["factors"], again["enrolment"]) == (["passkey"], False)
    assert (await answers(world, again, passkey=device.get(again["passkey"]))).status == 201


async def test_a_new_passkey_answers_no_challenge_but_one_for_enrolment(world: World, org_id: str) -> None:
    ben = await somebody(world)
    await sets_up_totp(world, await ben.comes())
    challenge = (await sign_in(world, ben.email)).ok()["challenge"]
    path = f"/v1/auth/challenges/{challenge['id']}/passkey"
    begun = await world.ask("identity", "POST", path, {"token": challenge["token"]})
    assert begun.code == "challenge_ended"
    options = {"user": {"id": "eA"}, "rp": {"id": "localhost"}, "challenge": "AAAA"}
    made = {"name": "Mallory's", "credential": Authenticator(world.settings.public_url).create(options)}
    assert (await answers(world, challenge, new_passkey=made)).code == "invalid_code"
    passkey = await answers(world, challenge, totp="000000", new_passkey=made)
    assert passkey.status == 422


async def test_an_enrolment_is_begun_with_its_own_challenge_alone(world: World, org_id: str) -> None:
    ana, ben = await somebody(world), await somebody(world)
    await joins(world, org_id, ana.user_id)
    await sets_up_totp(world, await ben.comes())
    await requires(world, org_id, world.clock.now())
    challenge = (await sign_in(world, ana.email)).ok()["challenge"]
    other = (await sign_in(world, ben.email)).ok()["challenge"]
    for wrong in (other, {**challenge, "token": other["token"]}, {**challenge, "id": new_id("chl")}):
        assert (await begins_at_sign_in(world, wrong)).code == "challenge_ended"
    for shown in ({"recovery_code": "0000-0000-0000-0000"}, {"passkey": {}}):
        assert (await answers(world, challenge, **shown)).code == "invalid_code"


async def test_who_has_a_second_factor_notices_nothing(own_world: World, org_id: str) -> None:
    ana = await somebody(own_world)
    await joins(own_world, org_id, ana.user_id)
    mine = await ana.comes()
    phone = await sets_up_totp(own_world, mine)
    before = len(await sent(own_world))
    await requires(own_world, org_id, own_world.clock.now())
    await looks_after(own_world)
    assert (await introspect(own_world, mine.session_id or ""))["live"]
    assert len(await sent(own_world)) == before
    assert (
        await answers(own_world, (await sign_in(own_world, ana.email)).ok()["challenge"], totp=phone.code())
    ).status == 201


async def test_other_organizations_and_their_sessions_are_left_alone(world: World, org_id: str) -> None:
    elsewhere = new_id("org")
    ana = await somebody(world)
    await joins(world, elsewhere, ana.user_id)
    there = await ana.comes()
    await joins(world, org_id, ana.user_id)
    await requires(world, org_id, world.clock.now())
    await looks_after(world)
    assert (await introspect(world, there.session_id or ""))["live"]
    switch = await world.ask("identity", "POST", "/v1/me/active-organization", {"org_id": org_id}, actor=there)
    assert (switch.status, switch.code) == (403, "two_factor_required")
    await sets_up_totp(world, there)
    switch = await world.ask("identity", "POST", "/v1/me/active-organization", {"org_id": org_id}, actor=there)
    assert switch.status == 200


async def test_nothing_is_asked_of_who_left_nor_when_it_is_no_longer_required(world: World, org_id: str) -> None:
    ana, ben = await somebody(world), await somebody(world)
    for one in (ana, ben):
        await joins(world, org_id, one.user_id)
    await is_deactivated(world, org_id, ben.user_id)
    await requires(world, org_id, world.clock.now())
    assert (await sign_in(world, ben.email)).ok()["session_id"]
    assert (await sign_in(world, ana.email)).ok()["challenge"]["enrolment"]
    await requires(world, org_id, None)
    assert (await sign_in(world, ana.email)).ok()["session_id"]


async def test_the_roster_says_who_has_a_second_factor_and_only_of_ones_own_members(world: World, org_id: str) -> None:
    people = [await somebody(world) for _ in range(3)]
    stranger = await somebody(world)
    await joins(world, new_id("org"), stranger.user_id)
    for one in people:
        await joins(world, org_id, one.user_id)
    admin = await people[0].comes()
    await sets_up_totp(world, admin)
    path = "/v1/security-policy/roster"
    first = (await world.ask("identity", "GET", f"{path}?limit=2", actor=admin)).ok()
    rest = (
        await world.ask("identity", "GET", f"{path}?limit=2&cursor={first['page']['next_cursor']}", actor=admin)
    ).ok()
    rows = first["data"] + rest["data"]
    assert [row["id"] for row in rows] == sorted(one.user_id for one in people)
    assert first["page"]["total"] == 3
    assert {row["email"] for row in rows if row["two_factor"]} == {people[0].email}
    lacking = (await world.ask("identity", "GET", f"{path}?two_factor=false", actor=admin)).ok()
    assert {row["email"] for row in lacking["data"]} == {people[1].email, people[2].email}
    wanted = ",".join((people[1].user_id, stranger.user_id))
    named = (await world.ask("identity", "GET", f"{path}?user_ids={wanted}", actor=admin)).ok()
    assert ([row["id"] for row in named["data"]], named["page"]["total"]) == ([people[1].user_id], 1)
    assert (await world.ask("identity", "GET", f"{path}?user_ids=usr_1,", actor=admin)).status == 422
    viewer = Actor("person", people[1].user_id, org_id, "viewer", new_id("ses"), ("pwd",), admin.auth_time)
    assert (await world.ask("identity", "GET", path, actor=viewer)).code == "forbidden"
