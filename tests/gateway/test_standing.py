"""Sessions and memberships: believed while the owners are heard, asked for when they aren't, and never a yes on a guess."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from shared.bus import Message
from shared.events import PersonEvent
from shared.events.identity import (
    AllSessionsEnded,
    PasswordChanged,
    SessionEnded,
    SessionsEndedInOrganization,
    UserClosed,
)
from shared.events.org import MemberDeactivated, MemberReactivated, MemberRemoved, MemberRoleChanged
from shared.ids import new_event_id, new_id
from tests.gateway.standins import House, Somebody, seen, somebody


async def status(house: House, ana: Somebody, headers: dict[str, str] | None = None) -> tuple[int, str | None]:
    reply = await house.ask("GET", "/v1/echo/x", headers or ana.bearer)
    return reply.status, reply.code


def by_cookie(ana: Somebody) -> dict[str, str]:
    return {"Cookie": f"__Host-session={ana.cookie}"}


async def test_standing_is_asked_once_and_then_remembered(house: House) -> None:
    ana = somebody(house.people)
    before = len(house.people.asked)
    for _ in range(5):
        assert await status(house, ana) == (200, None)
    assert sorted(set(house.people.asked[before:]) - {"jwks"}) == ["session", "standing"]
    assert len(house.people.asked) <= before + 3


async def test_session_and_membership_are_asked_at_the_same_time(own_house: House) -> None:
    ana = somebody(own_house.people)
    session, standing = own_house.people.hold_back("session"), own_house.people.hold_back("standing")
    asking = asyncio.create_task(status(own_house, ana))
    async with asyncio.timeout(60):
        await asyncio.gather(session.wait(), standing.wait())
    own_house.people.let_go("session")
    own_house.people.let_go("standing")
    assert await asking == (200, None)


async def test_many_requests_of_one_moment_ask_once(own_house: House) -> None:
    ana = somebody(own_house.people)
    held = own_house.people.hold_back("session")
    asking = [asyncio.create_task(status(own_house, ana)) for _ in range(20)]
    await held.wait()
    own_house.people.let_go("session")
    assert set(await asyncio.gather(*asking)) == {(200, None)}
    assert own_house.people.asked.count("session") == own_house.people.asked.count("standing") == 1


# Revocation by event


@pytest.mark.parametrize("proof", ["token", "cookie"])
async def test_an_ended_session_is_refused_from_the_event_on_without_asking(house: House, proof: str) -> None:
    ana, ben = somebody(house.people), somebody(house.people)
    headers = ana.bearer if proof == "token" else by_cookie(ana)
    assert await status(house, ana, headers) == (200, None)
    assert await status(house, ben) == (200, None)
    before = len(house.people.asked)
    await house.hear("identity", SessionEnded(user_id=ana.user_id, session_id=ana.session_id, reason="revoked"))
    assert await status(house, ana, headers) == (401, "session_ended")
    assert await status(house, ben) == (200, None)
    assert len(house.people.asked) == before
    assert (await house.ask("GET", "/v1/open", headers)).ok()["actor"]["kind"] == "anonymous"


@pytest.mark.parametrize("proof", ["token", "cookie"])
async def test_all_sessions_of_a_person_end_but_for_the_named_one(house: House, proof: str) -> None:
    ana = somebody(house.people)
    other = somebody(house.people, user_id=ana.user_id)
    pick = (lambda one: {"Authorization": f"Bearer {one.token(iat=1)}"}) if proof == "token" else by_cookie
    for one in (ana, other):
        assert await status(house, one, pick(one)) == (200, None)
    told = AllSessionsEnded(user_id=ana.user_id, reason="password_changed", except_session_id=ana.session_id)
    await house.hear("identity", PasswordChanged(user_id=ana.user_id), told)
    house.people.away |= {"session", "cookie"}
    try:
        assert await status(house, other, pick(other)) == (401, "session_ended")
    finally:
        house.people.away.clear()
    assert await status(house, ana, pick(ana)) == (200, None)
    later = somebody(house.people, user_id=ana.user_id)
    assert await status(house, later, pick(later) if proof == "cookie" else None) == (200, None)


async def test_a_closed_account_has_no_session_left(house: House) -> None:
    ana = somebody(house.people)
    assert await status(house, ana) == (200, None)
    await house.hear("identity", UserClosed(user_id=ana.user_id))
    assert await status(house, ana) == (401, "session_ended")


@pytest.mark.parametrize(("event", "now"), [(MemberDeactivated, "inactive"), (MemberRemoved, "removed")])
async def test_a_deactivated_or_removed_members_live_session_is_refused_at_once(
    house: House, event: Any, now: str
) -> None:
    ana = somebody(house.people)
    assert await status(house, ana) == (200, None)
    await house.hear_member(ana, event, status=now)
    for headers in (ana.bearer, by_cookie(ana)):
        assert await status(house, ana, headers) == (401, "session_ended")
        assert (await house.ask("GET", "/v1/me", headers)).code == "session_ended"
    await house.hear_member(ana, MemberReactivated, status="active")
    assert await status(house, ana) == (200, None)


async def test_a_changed_role_counts_from_the_event_on(house: House) -> None:
    ana = somebody(house.people)
    assert seen(house, await house.ask("GET", "/v1/echo/x", ana.bearer)).role == "admin"
    await house.hear_member(ana, MemberRoleChanged, role="viewer", effective_role="viewer")
    assert seen(house, await house.ask("GET", "/v1/echo/x", ana.bearer)).role == "viewer"


class SessionTouched(PersonEvent):
    """News of a session that this version knows nothing of."""

    TYPE: ClassVar[str] = "identity.session.touched.v9"


async def test_any_news_of_a_persons_sessions_makes_the_gateway_ask_again(house: House) -> None:
    ana = somebody(house.people)
    headers = by_cookie(ana)
    assert (await house.ask("GET", "/v1/me", headers)).ok()["user"]["name"] == "Ana"
    ana.session["name"] = "Anna"
    await house.hear("identity", SessionTouched(user_id=ana.user_id))
    assert (await house.ask("GET", "/v1/me", headers)).ok()["user"]["name"] == "Anna"


# An event overtakes an answer


@pytest.mark.parametrize("proof", ["token", "cookie"])
async def test_an_answer_that_an_event_overtook_is_asked_for_again(own_house: House, proof: str) -> None:
    """The owner looked before the change; its answer arrives after the event."""
    ana = somebody(own_house.people)
    headers = ana.bearer if proof == "token" else by_cookie(ana)
    held = own_house.people.hold_back("standing")
    asking = asyncio.create_task(own_house.ask("GET", "/v1/echo/x", headers))
    await held.wait()
    await own_house.hear_member(ana, MemberRoleChanged, role="viewer", effective_role="viewer")
    own_house.people.let_go("standing")
    assert seen(own_house, await asking).role == "viewer"
    assert seen(own_house, await own_house.ask("GET", "/v1/echo/x", headers)).role == "viewer"
    assert own_house.people.asked.count("standing") == 2


async def test_a_session_that_ends_while_it_is_looked_up_is_refused(own_house: House) -> None:
    ana = somebody(own_house.people)
    held = own_house.people.hold_back("session")
    asking = asyncio.create_task(status(own_house, ana))
    await held.wait()
    await own_house.hear("identity", SessionEnded(user_id=ana.user_id, session_id=ana.session_id, reason="revoked"))
    own_house.people.let_go("session")
    assert await asking == (401, "session_ended")


async def test_a_cookie_whose_session_ends_while_it_is_looked_up_is_refused(own_house: House) -> None:
    ana = somebody(own_house.people)
    held = own_house.people.hold_back("cookie")
    asking = asyncio.create_task(status(own_house, ana, by_cookie(ana)))
    await held.wait()
    await own_house.hear("identity", SessionEnded(user_id=ana.user_id, session_id=ana.session_id, reason="revoked"))
    own_house.people.let_go("cookie")
    assert await asking == (401, "session_ended")
    assert await status(own_house, ana, by_cookie(ana)) == (401, "session_ended")


# Silence


@pytest.mark.parametrize("silent", ["identity", "org"])
async def test_when_an_owner_is_silent_each_request_asks_both(own_house: House, silent: str) -> None:
    ana = somebody(own_house.people)
    assert await status(own_house, ana) == (200, None)
    own_house.ears.mute(silent)
    own_house.watch.offset += 3.1
    await heard_from(own_house, ({"identity", "org"} - {silent}).pop())
    assert own_house.running.feed.silent() == [silent]
    assert silent in (await own_house.running.remark() or "")
    before = list(own_house.people.asked)
    for _ in range(3):
        assert await status(own_house, ana) == (200, None)
    asked = own_house.people.asked[len(before) :]
    assert (asked.count("session"), asked.count("standing")) == (3, 3)
    ana.membership["effective_role"] = "viewer"
    assert seen(own_house, await own_house.ask("GET", "/v1/echo/x", ana.bearer)).role == "viewer"
    ana.session["live"] = False
    assert await status(own_house, ana) == (401, "session_ended")


async def test_silent_requests_of_one_moment_share_only_questions_put_after_they_came(own_house: House) -> None:
    ana = somebody(own_house.people)
    own_house.ears.mute("identity", "org")
    own_house.watch.offset += 3.1
    held = own_house.people.hold_back("standing")
    first = asyncio.create_task(own_house.ask("GET", "/v1/echo/x", ana.bearer))
    await held.wait()
    ana.membership["effective_role"] = "viewer"
    later = [asyncio.create_task(own_house.ask("GET", "/v1/echo/x", ana.bearer)) for _ in range(10)]
    async with asyncio.timeout(60):
        while own_house.people.asked.count("session") < 2:
            await asyncio.sleep(0.001)
    own_house.people.let_go("standing")
    assert seen(own_house, await first).role == "admin"
    assert {seen(own_house, reply).role for reply in await asyncio.gather(*later)} == {"viewer"}
    assert own_house.people.asked.count("standing") < 11


@pytest.mark.parametrize("away", ["session", "standing"])
async def test_silent_and_away_is_503_and_never_yes(own_house: House, away: str) -> None:
    ana = somebody(own_house.people)
    assert await status(own_house, ana) == (200, None)
    own_house.people.away.add(away)
    assert await status(own_house, ana) == (200, None), "while the feed is alive what is remembered counts"
    own_house.ears.mute("identity", "org")
    own_house.watch.offset += 3.1
    reply = await own_house.ask("GET", "/v1/echo/x", ana.bearer)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "auth_unavailable", "1")
    assert (await own_house.ask("GET", "/v1/open", ana.bearer)).ok()["actor"]["kind"] == "anonymous"
    own_house.people.away.clear()
    assert await status(own_house, ana) == (200, None)


async def test_a_stopped_owner_is_503_for_who_is_not_remembered(own_house: House) -> None:
    ana = somebody(own_house.people)
    await own_house.ask("GET", "/v1/open", ana.bearer)
    await own_house.world.started["identity"].listening.close()  # type: ignore[union-attr]
    ben = somebody(own_house.people)
    assert await status(own_house, ana) == (200, None)
    assert await status(own_house, ben) == (503, "auth_unavailable")


async def test_a_known_revocation_denies_while_its_owner_is_away_and_the_feed_silent(own_house: House) -> None:
    ana, ben = somebody(own_house.people), somebody(own_house.people)
    for one in (ana, ben):
        assert await status(own_house, one) == (200, None)
    await own_house.hear("identity", SessionEnded(user_id=ana.user_id, session_id=ana.session_id, reason="revoked"))
    await own_house.hear_member(ben, MemberDeactivated, status="inactive")
    own_house.people.away |= {"session", "cookie", "standing"}
    own_house.ears.mute("identity", "org")
    own_house.watch.offset += 3.1
    assert await status(own_house, ana) == (401, "session_ended")
    assert await status(own_house, ben) == (401, "session_ended")


async def test_org_itself_outweighs_a_remembered_revocation(own_house: House) -> None:
    """A reactivation whose event was missed must not lock anybody out."""
    ana = somebody(own_house.people)
    await own_house.hear_member(ana, MemberDeactivated, status="inactive")
    assert await status(own_house, ana) == (401, "session_ended")
    ana.membership["status"] = "active"
    own_house.watch.offset += 61
    await own_house.whole()
    assert await status(own_house, ana) == (200, None)


async def test_an_older_event_heard_again_takes_nothing_back(own_house: House) -> None:
    ana = somebody(own_house.people)
    await own_house.hear_member(ana, MemberReactivated, status="active")
    late = [body for body in own_house.ears.heard if b"reactivated" in body][-1]
    await own_house.hear_member(ana, MemberDeactivated, status="inactive")
    heard = len(own_house.ears.heard)
    await own_house.world.bus.publish([Message("org.member.reactivated.v1", late, lasting=False)])
    while len(own_house.ears.heard) == heard:
        await asyncio.sleep(0.001)
    own_house.people.away.add("standing")
    assert await status(own_house, ana) == (401, "session_ended")


async def test_after_an_interruption_of_the_feed_nothing_remembered_counts(own_house: House) -> None:
    ana = somebody(own_house.people)
    assert await status(own_house, ana) == (200, None)
    ana.session["live"] = False
    await own_house.running.feed.receive(())
    assert await status(own_house, ana) == (401, "session_ended")


@pytest.mark.parametrize("news", [b"not json", b"[]", b"7", b'{"specversion":"1.0"}', b'{"tenantry":"heartbeat"}'])
async def test_unreadable_news_makes_the_gateway_ask_again(own_house: House, news: bytes) -> None:
    ana = somebody(own_house.people)
    assert await status(own_house, ana) == (200, None)
    ana.session["live"] = False
    await own_house.running.feed.receive([news])
    assert await status(own_house, ana) == (401, "session_ended")


async def test_what_is_remembered_is_asked_again_after_a_minute(own_house: House) -> None:
    """So the owner learns that the session is in use, and a lost event does no lasting harm."""
    ana = somebody(own_house.people)
    assert await status(own_house, ana) == (200, None)
    own_house.watch.offset += 61
    await own_house.whole()
    assert await status(own_house, ana) == (200, None)
    assert own_house.people.asked.count("session") == 2


# Reading one's own writes


@pytest.mark.parametrize("source", ["identity", "org", "billing"])
async def test_a_change_that_bears_on_standing_is_passed_to_its_owners_who_are_asked(house: House, source: str) -> None:
    ana = somebody(house.people)
    assert await status(house, ana) == (200, None)
    ana.membership["effective_role"] = "viewer"
    change = new_event_id(source)
    reply = await house.ask("GET", "/v1/echo/x", {**ana.bearer, "Tenantry-After": change})
    assert seen(house, reply).role == "viewer"
    assert seen(house, await house.ask("GET", "/v1/echo/x", ana.bearer)).role == "viewer"


async def test_a_change_that_bears_on_something_else_costs_no_question(house: House) -> None:
    ana = somebody(house.people)
    assert await status(house, ana) == (200, None)
    before = len(house.people.asked)
    for change in (new_event_id("sharing"), "nonsense", "evt_x"):
        await house.ask("GET", "/v1/echo/x", {**ana.bearer, "Tenantry-After": change})
    assert len(house.people.asked) == before


async def test_ones_own_write_to_identity_is_seen_at_once(house: House) -> None:
    ana = somebody(house.people)
    assert (await house.ask("GET", "/v1/me", ana.bearer)).ok()["user"]["name"] == "Ana"
    (await house.ask("POST", "/v1/me/name", ana.bearer, {"text": "Anna"})).ok()
    assert (await house.ask("GET", "/v1/me", ana.bearer)).ok()["user"]["name"] == "Anna"


# Odd facts


async def test_a_session_of_another_person_than_the_token_says_is_refused(house: House) -> None:
    ana, eve = somebody(house.people), somebody(house.people)
    token = ana.token(sid=eve.session_id)
    assert await status(house, ana, {"Authorization": f"Bearer {token}"}) == (401, "session_ended")


async def test_an_admin_who_ends_sessions_ends_the_tokens_of_those_that_went_elsewhere_meanwhile(house: House) -> None:
    ana = somebody(house.people)
    here, there = ana.org_id, new_id("org")
    ana.org_id = there
    somebody(house.people, user_id=ana.user_id, org_id=there)
    before = {"Authorization": f"Bearer {ana.token(org=here)}"}
    assert seen(house, await house.ask("GET", "/v1/echo/x", before)).org_id == here
    ana.session.update(org_id=there, barred_from=[here])
    await house.hear("identity", SessionsEndedInOrganization(user_id=ana.user_id, org_id=here or ""))
    assert await status(house, ana, before) == (401, "session_ended")
    assert seen(house, await house.ask("GET", "/v1/echo/x", ana.bearer)).org_id == there


async def test_an_organization_one_was_never_in_gives_neither_organization_nor_role(house: House) -> None:
    ana, eve = somebody(house.people), somebody(house.people)
    actor = seen(house, await house.ask("GET", "/v1/echo/x", {"Authorization": f"Bearer {ana.token(org=eve.org_id)}"}))
    assert (actor.user_id, actor.org_id, actor.role) == (ana.user_id, None, None)
    refused = await house.ask("GET", "/v1/members-only", {"Authorization": f"Bearer {ana.token(org=eve.org_id)}"})
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_who_has_no_organization_yet_acts_without_one_and_later_in_the_first(house: House) -> None:
    ana = somebody(house.people, org_id=None)
    assert seen(house, await house.ask("GET", "/v1/echo/x", ana.bearer)).org_id is None
    ana.org_id = new_id("org")
    twin = somebody(house.people, user_id=ana.user_id)
    change = new_event_id("identity")
    headers = {"Authorization": f"Bearer {ana.token(org=None)}", "Tenantry-After": change}
    assert seen(house, await house.ask("GET", "/v1/echo/x", headers)).org_id == twin.org_id


async def test_the_later_proof_counts(house: House) -> None:
    ana = somebody(house.people)
    ana.session.update(auth_time=2_000_000_000, amr=["pwd", "otp"])
    actor = seen(house, await house.ask("GET", "/v1/echo/x", ana.bearer))
    assert (actor.auth_time, actor.amr) == (2_000_000_000, ("pwd", "otp"))
    bearer = {"Authorization": f"Bearer {ana.token(auth_time=2_000_000_001, amr=['pwd', 'hwk'])}"}
    assert seen(house, await house.ask("GET", "/v1/echo/x", bearer)).amr == ("pwd", "hwk")


async def heard_from(house: House, source: str) -> None:
    """Waits for the next heartbeat of a service."""
    known = len(house.ears.heard)
    async with asyncio.timeout(60):
        while not any(b'"heartbeat"' in body and source.encode() in body for body in house.ears.heard[known:]):
            await asyncio.sleep(0.005)
