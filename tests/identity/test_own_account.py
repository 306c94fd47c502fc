"""What people do with their own account: sessions, password, name, a fresh proof, another organization."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.identity.app import service
from services.identity.routes import ROUTES
from shared.auth import ANONYMOUS, Actor
from shared.events.identity import (
    AllSessionsEnded,
    PasswordChanged,
    SessionChanged,
    SessionEnded,
    SessionStarted,
    UserLanguageChanged,
    UserNameChanged,
)
from shared.ids import new_id
from tests.identity.people import (
    PASSWORD,
    cookie_of,
    introspect,
    introspect_cookie,
    joins,
    mails,
    proven_but_held,
    refresh,
    sign_in,
    sign_up,
    somebody,
    verified_claims,
)
from tests.world import World

NEW_PASSWORD = "Drei blaue Fahrräder"


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def test_sessions_are_listed_newest_first_page_by_page(world: World) -> None:
    ana, ben = await somebody(world), await somebody(world)
    await ben.comes()
    for kind in ("bearer", "cookie", "bearer"):
        actor = await ana.comes(keep=kind)
    first = (await world.ask("identity", "GET", "/v1/me/sessions?limit=2", actor=actor)).ok()
    rest = (
        await world.ask(
            "identity", "GET", f"/v1/me/sessions?limit=2&cursor={first['page']['next_cursor']}", actor=actor
        )
    ).ok()
    rows = first["data"] + rest["data"]
    assert [row["id"] for row in rows] == [held["session_id"] for held in reversed(ana.held)]
    assert [(row["kind"], row["current"]) for row in rows] == [("bearer", True), ("cookie", False), ("bearer", False)]
    assert (first["page"]["total"], rest["page"]["next_cursor"]) == (3, None)
    assert set(rows[0]) == {
        "id", "current", "kind", "org_id", "amr", "source_ip", "user_agent", "started_at", "last_used_at", "expires_at",
    }  # fmt: skip


async def test_ending_a_session_ends_that_one_alone(world: World) -> None:
    ana = await somebody(world)
    phone, laptop, tablet = await ana.comes(), await ana.comes(), await ana.comes()
    assert (await world.ask("identity", "DELETE", f"/v1/me/sessions/{phone.session_id}", actor=laptop)).status == 204
    assert (await world.ask("identity", "DELETE", "/v1/me/sessions/current", actor=laptop)).status == 204
    ended = await world.said("identity", SessionEnded)
    assert [(e.data["session_id"], e.data["reason"]) for e in ended] == [
        (phone.session_id, "revoked"),
        (laptop.session_id, "signed_out"),
    ]
    assert [(await introspect(world, actor.session_id or ""))["live"] for actor in (phone, laptop, tablet)] == [
        False,
        False,
        True,
    ]
    assert [(await refresh(world, held["refresh_token"])).status for held in ana.held] == [401, 401, 200]
    assert (await world.ask("identity", "DELETE", "/v1/me/sessions/current", actor=laptop)).code == "not_found"


async def test_somebody_elses_session_answers_like_one_that_does_not_exist(world: World) -> None:
    ana, eve = await somebody(world), await somebody(world)
    mine, hers = await ana.comes(), await eve.comes()
    foreign = await world.ask("identity", "DELETE", f"/v1/me/sessions/{mine.session_id}", actor=hers)
    missing = await world.ask("identity", "DELETE", f"/v1/me/sessions/{new_id('ses')}", actor=hers)
    assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found")
    assert foreign.body.replace(foreign.json["instance"].encode(), b"") == missing.body.replace(
        missing.json["instance"].encode(), b""
    )
    assert (await introspect(world, mine.session_id or ""))["live"]


async def test_signing_out_of_the_console_takes_its_cookie_away(world: World) -> None:
    ana = await somebody(world)
    reply = await sign_in(world, ana.email, keep="cookie")
    gone = await world.ask(
        "identity", "DELETE", "/v1/me/sessions/current", actor=await ana.actor(reply.json["session_id"])
    )
    assert gone.headers["set-cookie"] == "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
    assert not (await introspect_cookie(world, cookie_of(reply)))["live"]


async def test_ending_all_others_keeps_the_one_that_asks(world: World) -> None:
    ana, ben = await somebody(world), await somebody(world)
    others, mine, bens = await ana.comes(), await ana.comes(), await ben.comes()
    assert (await world.ask("identity", "DELETE", "/v1/me/sessions", actor=mine)).status == 204
    assert [(await introspect(world, a.session_id or ""))["live"] for a in (others, mine, bens)] == [False, True, True]
    told = await world.said("identity", AllSessionsEnded)
    assert [(e.subject, e.data) for e in told] == [
        (ana.user_id, {"reason": "signed_out_everywhere", "except_session_id": mine.session_id})
    ]
    assert (await world.ask("identity", "DELETE", "/v1/me/sessions", actor=mine)).status == 204
    assert len(await world.said("identity", AllSessionsEnded)) == 1, "nothing happened the second time"


async def test_a_new_password_ends_all_other_sessions_at_once(world: World) -> None:
    ana = await somebody(world)
    other, mine = await ana.comes(keep="cookie"), await ana.comes()
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await world.ask("identity", "PUT", "/v1/me/password", change, actor=mine)).status == 204
    assert [(await introspect(world, a.session_id or ""))["live"] for a in (other, mine)] == [False, True]
    assert len(await world.said("identity", PasswordChanged)) == 1
    assert (await world.said("identity", AllSessionsEnded))[0].data == {
        "reason": "password_changed",
        "except_session_id": mine.session_id,
    }
    assert (await sign_in(world, ana.email)).code == "invalid_credentials"
    assert (await sign_in(world, ana.email, NEW_PASSWORD)).status == 201


@pytest.mark.parametrize(
    ("current", "new", "status", "code"),
    [
        ("not my password", NEW_PASSWORD, 401, "invalid_credentials"),
        (PASSWORD, PASSWORD, 422, "password_unchanged"),
        (PASSWORD, "short", 422, "too_short"),
        (PASSWORD, "Password1234", 422, "password_common"),
        (PASSWORD, "Ana Example is me", 422, "password_personal"),
    ],
)
async def test_a_password_is_not_changed_to_a_bad_one_or_without_the_old_one(
    world: World, current: str, new: str, status: int, code: str
) -> None:
    ana = await somebody(world)
    other, mine = await ana.comes(), await ana.comes()
    reply = await world.ask(
        "identity", "PUT", "/v1/me/password", {"current_password": current, "new_password": new}, actor=mine
    )
    errors = [e["code"] for e in reply.json.get("errors", [])]
    assert (reply.status, errors or [reply.code]) == (status, [code])
    assert (await introspect(world, other.session_id or ""))["live"]
    assert await world.said("identity", PasswordChanged) == []


async def test_of_two_password_changes_at_once_one_wins(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    replies = await asyncio.gather(
        *(
            world.ask(
                "identity", "PUT", "/v1/me/password", {"current_password": PASSWORD, "new_password": new}, actor=mine
            )
            for new in (NEW_PASSWORD, "Vier graue Lokomotiven")
        )
    )
    assert sorted(reply.status for reply in replies) in ([204, 401], [204, 409])
    assert len(await world.said("identity", PasswordChanged)) == 1


async def test_a_sign_in_that_was_proven_with_the_old_password_starts_nothing_after_the_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await somebody(world)
    lock = f"select 1 from accounts where user_id = '{ana.user_id}' for update"
    async with proven_but_held(world, monkeypatch, ana.email, lock) as (signing_in, tx):
        await tx.run("update accounts set password_hash = 'changed meanwhile' where user_id = $1", ana.user_id)
    assert (await signing_in).code == "invalid_credentials"
    assert await world.said("identity", SessionStarted) == []


async def test_a_fresh_proof_is_carried_by_the_next_access_token_and_the_introspection(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    world.clock.advance(timedelta(hours=1))
    proven = (
        await world.ask("identity", "POST", "/v1/auth/reauthentications", {"password": PASSWORD}, actor=mine)
    ).ok()
    standing = await introspect(world, mine.session_id or "")
    assert standing["auth_time"] >= mine.auth_time + 3600
    assert (await verified_claims(world, proven["access_token"]))["auth_time"] == standing["auth_time"]
    renewed = (await refresh(world, ana.held[0]["refresh_token"])).ok()
    assert (await verified_claims(world, renewed["access_token"]))["auth_time"] == standing["auth_time"]
    told = await world.said("identity", SessionChanged)
    assert [(e.data["session_id"], e.data["reason"]) for e in told] == [(mine.session_id, "proven")]


async def test_proving_oneself_in_the_console_changes_the_cookie(world: World) -> None:
    ana = await somebody(world)
    reply = await sign_in(world, ana.email, keep="cookie")
    old = cookie_of(reply)
    proven = await world.ask(
        "identity",
        "POST",
        "/v1/auth/reauthentications",
        {"password": PASSWORD},
        actor=await ana.actor(reply.json["session_id"]),
    )
    new = cookie_of(proven)
    assert (proven.json["access_token"], new == old) == (None, False)
    assert (await introspect_cookie(world, old))["live"], "a request may be under way"
    world.clock.advance(timedelta(seconds=11))
    assert not (await introspect_cookie(world, old))["live"]
    assert (await introspect_cookie(world, new))["live"]


async def test_a_wrong_proof_counts_as_a_guess_and_proves_nothing(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    codes = [
        (await world.ask("identity", "POST", "/v1/auth/reauthentications", {"password": "wrong"}, actor=mine)).code
        for _ in range(11)
    ]
    assert codes == ["invalid_credentials"] * 10 + ["rate_limited"]
    assert (await sign_in(world, ana.email, source="192.0.2.1")).code == "rate_limited"
    assert (await introspect(world, mine.session_id or ""))["auth_time"] == mine.auth_time


async def test_a_console_session_ends_after_an_idle_hour_and_after_twelve_in_any_case(world: World) -> None:
    ana = await somebody(world)
    idle = cookie_of(await sign_in(world, ana.email, keep="cookie"))
    used = cookie_of(await sign_in(world, ana.email, keep="cookie"))
    for minutes in range(0, 12 * 60 - 30, 30):
        assert (await introspect_cookie(world, used))["live"], minutes
        assert (await introspect_cookie(world, idle))["live"] if minutes == 0 else True
        world.clock.advance(timedelta(minutes=30))
    assert not (await introspect_cookie(world, idle))["live"]
    assert (await introspect_cookie(world, used))["live"]
    world.clock.advance(timedelta(minutes=30))
    assert not (await introspect_cookie(world, used))["live"]


async def test_expired_things_are_cleared_away_and_sessions_are_said_to_be_over(own_world: World) -> None:
    ana = await somebody(own_world)
    cookie, bearer = await ana.comes(keep="cookie"), await ana.comes()
    await sign_up(own_world, "never@example.com")
    env = own_world.started["identity"].env
    own_world.clock.advance(timedelta(hours=25))
    for job in service.jobs:
        await own_world.run("identity", job.use_case)
    assert {job.use_case.__name__ for job in service.jobs} == {
        "end_expired_sessions",
        "forget_the_past",
        "tell_of_endings",
        "require_two_factor",
        "warn_of_certificates",
        "read_metadata_again",
        "seal_anew",
    }
    assert all(0 < job.every_seconds <= 3600 for job in service.jobs)
    assert [(e.data["session_id"], e.data["reason"]) for e in await own_world.said("identity", SessionEnded)] == [
        (cookie.session_id, "expired")
    ]
    async with env.database.read("") as read:
        left = await read.row(
            "select (select count(*) from signups) as signups, (select count(*) from throttles) as throttles"
        )
    assert dict(left or {}) == {"signups": 0, "throttles": 0}
    assert (await introspect(own_world, bearer.session_id or ""))["live"]


async def test_a_person_goes_by_another_name(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    reply = await world.ask("identity", "PATCH", "/v1/me/profile", {"name": "Ana Neu"}, actor=mine)
    assert reply.ok() == {"user_id": ana.user_id, "email": ana.email, "name": "Ana Neu", "language": "en"}
    assert reply.headers["etag"] == '"2"'
    told = (await world.said("identity", UserNameChanged))[0]
    assert told.data == {"person": {"email": ana.email, "name": "Ana Neu"}, "previous_name": "Ana Example"}
    assert (await introspect(world, mine.session_id or ""))["name"] == "Ana Neu"
    stale = await world.ask(
        "identity", "PATCH", "/v1/me/profile", {"name": "Other"}, actor=mine, headers={"If-Match": '"1"'}
    )
    assert (stale.status, stale.code) == (412, "precondition_failed")
    await world.ask("identity", "PATCH", "/v1/me/profile", {"name": "Ana Neu"}, actor=mine)
    assert len(await world.said("identity", UserNameChanged)) == 1


async def test_a_person_is_written_to_in_the_language_that_they_choose(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    for _ in range(2):
        reply = await world.ask("identity", "PATCH", "/v1/me/profile", {"language": "de"}, actor=mine)
        assert (reply.ok()["language"], reply.ok()["name"], reply.headers["etag"]) == ("de", "Ana Example", '"2"')
    told = await world.said("identity", UserLanguageChanged)
    assert [(e.subject, e.data) for e in told] == [(ana.user_id, {"language": "de", "previous": "en"})]
    reset = {"email": ana.email}
    (await world.ask("identity", "POST", "/v1/auth/password-resets", reset)).ok()
    assert (await mails(world))[-1].language == "de"
    unknown = await world.ask("identity", "PATCH", "/v1/me/profile", {"language": "fr"}, actor=mine)
    assert (unknown.status, unknown.json["errors"][0]["pointer"]) == (422, "/language")


async def test_what_a_person_may_do_is_named_like_the_routes_and_says_why_not(world: World) -> None:
    ana = await somebody(world)
    one, two = new_id("org"), new_id("org")
    await joins(world, one, ana.user_id)
    mine = await ana.comes()
    listed = (await world.ask("identity", "GET", "/internal/capabilities", actor=mine)).ok()["capabilities"]
    assert {c["action"] for c in listed} == {
        route.may.action for route in ROUTES if route.may.person or route.may.roles
    }
    assert [(c["action"], c["because"]["kind"]) for c in listed if not c["allowed"]] == [
        ("api_keys.create", "plan"),
        ("scim_tokens.create", "plan"),
        ("sso.manage", "plan"),
        ("active_organization.choose", "state"),
    ]
    await joins(world, two, ana.user_id)
    listed = (await world.ask("identity", "GET", "/internal/capabilities", actor=mine)).ok()["capabilities"]
    refused = [c["action"] for c in listed if not c["allowed"]]
    assert refused == ["api_keys.create", "scim_tokens.create", "sso.manage"], "that is the plan's"


async def test_only_persons_reach_what_is_theirs_and_only_services_what_is_internal(world: World) -> None:
    ana = await somebody(world)
    mine = await ana.comes()
    machine = Actor("service", service="org")
    for route in ROUTES:
        path = (
            route.path.replace("{session_id}", mine.session_id or "")
            .replace("{signup_id}", "sgn_x")
            .replace("{token}", "x")
            .replace("{user_id}", "usr_x")
            .replace("{challenge_id}", "chl_x")
            .replace("{passkey_id}", "psk_x")
            .replace("{org_id}", "org_x")
        )
        if route.may.person:
            assert (await world.ask("identity", route.method, path, actor=ANONYMOUS)).code == "unauthenticated", route
            assert (await world.ask("identity", route.method, path, actor=machine)).code == "not_found", route
        if route.may.service:
            assert (await world.ask("identity", route.method, path, actor=ANONYMOUS)).code == "unauthenticated", route
            assert (await world.ask("identity", route.method, path, actor=mine)).code == "not_found", route
    assert (await introspect(world, mine.session_id or ""))["live"]


async def test_an_ended_session_does_nothing_more_even_if_the_gateway_is_late(world: World) -> None:
    ana = await somebody(world)
    org_id = new_id("org")
    await joins(world, org_id, ana.user_id)
    mine = await ana.comes()
    await world.ask("identity", "DELETE", "/v1/me/sessions/current", actor=mine)
    for method, path, body in (
        ("POST", "/v1/auth/reauthentications", {"password": PASSWORD}),
        ("PUT", "/v1/me/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        ("POST", "/v1/me/active-organization", {"org_id": org_id}),
    ):
        assert (await world.ask("identity", method, path, body, actor=mine)).code == "session_ended"
