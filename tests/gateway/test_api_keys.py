"""API keys at the door: let in where a route takes them and their scopes reach, refused from the moment that they are over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.gateway.rates import Rate, Rates
from shared.api_keys import PROVISIONING, new_token
from shared.auth import Actor
from shared.events.identity import ApiKeyRevoked, ApiKeyRotated, ApiKeysSuspended, ScimTokensSuspended
from shared.events.identity_shapes import ApiKey
from shared.events.org import OrganizationClosed
from shared.ids import new_id
from shared.service import Route, admin, anyone, get
from tests.gateway.standins import House, a_house, seen
from tests.world import Databases, Reply


@dataclass
class Key:
    """A key as identity knows it."""

    house: House
    token: str
    facts: dict[str, Any]

    async def ask(self, method: str = "GET", path: str = "/v1/things", **more: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return await self.house.ask(method, path, headers, {} if method != "GET" else None, **more)

    async def status(self) -> tuple[int, str | None]:
        reply = await self.ask()
        return reply.status, reply.code

    @property
    def state(self) -> ApiKey:
        return ApiKey(key_id=self.facts["key_id"], name="Key", access="view", areas=["users"], api_version="2026-11-01")


def a_key(house: House, *scopes: str, **changes: Any) -> Key:
    key_id = new_id("key")
    facts = {
        "key_id": key_id,
        "org_id": new_id("org"),
        "scopes": list(scopes),
        "api_version": "2026-11-01",
        "refused": None,
        "ends_at": None,
    }
    key = Key(house, new_token(key_id), facts | changes)
    house.people.api_keys[key.token] = key.facts
    return key


async def test_a_key_acts_for_its_organization_as_nobody_in_particular(house: House) -> None:
    key = a_key(house, "things:view")
    reply = await key.ask()
    assert seen(house, reply) == Actor(
        "key",
        org_id=key.facts["org_id"],
        key_id=key.facts["key_id"],
        scopes=("things:view",),
        api_version="2026-11-01",
    )
    assert reply.headers["tenantry-version"] == "2026-11-01"
    assert "q=240000" in reply.headers["ratelimit-policy"]


async def test_only_the_scope_that_a_route_names_opens_it(house: House) -> None:
    looking, managing, other, none = (
        a_key(house, *scopes) for scopes in (["things:view"], ["things:view", "things:manage"], ["users:view"], [])
    )
    assert [(await key.ask()).status for key in (looking, managing, other, none)] == [200, 200, 403, 403]
    assert [(await key.ask("POST")).status for key in (looking, managing, other, none)] == [403, 200, 403, 403]
    refused = await looking.ask("POST")
    assert (refused.code, refused.json["meta"]["because"], refused.json["meta"]["scope"]) == (
        "forbidden",
        "scope",
        "things:manage",
    )


async def test_a_route_that_takes_no_keys_is_closed_to_every_key(house: House) -> None:
    key = a_key(house, "things:view", "things:manage", "members:read", "*")
    for method, path in (
        ("GET", "/v1/members-only"),
        ("GET", "/v1/echo/x"),
        ("GET", "/v1/me"),
        ("POST", "/v1/notes"),
        ("GET", "/v1/me/capabilities"),
    ):
        reply = await key.ask(method, path)
        assert (reply.status, reply.code, reply.json["meta"]["because"]) == (403, "forbidden", "scope"), path


async def test_a_providers_token_is_told_what_it_is_for(house: House) -> None:
    token = a_key(house, PROVISIONING)
    for reply in (await token.ask(), await token.ask("GET", "/v1/members-only")):
        assert (reply.status, reply.json["meta"]["because"]) == (403, "scope")
        assert reply.json["detail"] == "This token is for an identity provider, and good for /scim/v2 alone."


async def test_absent_scopes_mean_that_nothing_is_allowed(house: House) -> None:
    key = a_key(house)
    del key.facts["scopes"]
    assert await key.status() == (403, "forbidden")


async def test_what_looks_wrong_is_refused_without_asking_and_what_is_unknown_with(house: House) -> None:
    known = a_key(house, "things:view")
    before = len(house.people.asked)
    for token in (known.token[:-1] + ("A" if known.token[-1] != "A" else "B"), "tky_", "tky_x", known.token + "0"):
        reply = await house.ask("GET", "/v1/things", {"Authorization": f"Bearer {token}"})
        assert (reply.status, reply.code) == (401, "unauthenticated")
    assert len(house.people.asked) == before
    unknown = await house.ask("GET", "/v1/things", {"Authorization": f"Bearer {new_token(new_id('key'))}"})
    assert (unknown.status, unknown.code) == (401, "unauthenticated")


async def test_where_anyone_may_come_a_key_that_proves_nothing_counts_for_nothing(house: House) -> None:
    good, bad = a_key(house, "things:view"), a_key(house, refused="suspended", plan="free")
    assert seen(house, await good.ask("GET", "/v1/open")).kind == "key"
    assert seen(house, await bad.ask("GET", "/v1/open")).kind == "anonymous"


async def test_a_revoked_key_is_refused_from_the_event_on_whatever_identity_says_and_identity_hears_of_it(
    house: House,
) -> None:
    key = a_key(house, "things:view")
    assert await key.status() == (200, None)
    await house.hear("identity", ApiKeyRevoked(org_id=key.facts["org_id"], key=key.state))
    before = house.people.asked.count("api key")
    for _ in range(3):
        assert await key.status() == (401, "unauthenticated")
    assert house.people.asked.count("api key") == before + 1, "once: what it says then is remembered"
    other = a_key(house, "things:view")
    await house.hear("identity", ApiKeyRevoked(org_id=other.facts["org_id"], key=other.state))
    house.people.away.add("api key")
    try:
        assert await other.status() == (401, "unauthenticated")
    finally:
        house.people.away.clear()


async def test_a_key_is_asked_about_once_a_minute_so_its_last_use_is_known(own_house: House) -> None:
    key = a_key(own_house, "things:view")
    for _ in range(5):
        assert await key.status() == (200, None)
    assert own_house.people.asked.count("api key") == 1
    own_house.watch.offset += 61
    await own_house.whole()
    assert await key.status() == (200, None)
    assert own_house.people.asked.count("api key") == 2


async def test_news_of_an_organizations_keys_makes_the_gateway_ask_again(house: House) -> None:
    key = a_key(house, "things:view")
    assert await key.status() == (200, None)
    key.facts.update(refused="suspended", plan="free")
    told = ApiKeysSuspended(
        org_id=key.facts["org_id"],
        key_ids=[key.facts["key_id"]],
        cause="plan",
        plan="free",
        suspended_at=house.world.clock.now(),
    )
    await house.hear("identity", told)
    reply = await key.ask()
    assert (reply.status, reply.code, reply.json["meta"]["current"]) == (403, "plan_required", "free")
    key.facts.update(refused=None)
    await house.hear(
        "identity", ApiKeyRotated(org_id=key.facts["org_id"], key=key.state, both_until=house.world.clock.now())
    )
    assert await key.status() == (200, None)


async def test_a_closed_organizations_provider_is_refused_as_soon_as_identity_says_so(house: House) -> None:
    token = a_key(house, "things:view")
    token.facts.update(key_id=new_id("sct"))
    org_id = token.facts["org_id"]
    assert await token.status() == (200, None)
    by, now = new_id("usr"), house.world.clock.now()
    await house.hear("org", OrganizationClosed(org_id=org_id, closed_by=by, closed_at=now, erased_at=now))
    assert await token.status() == (200, None), "identity hasn't heard of it yet, and what it said is remembered"
    token.facts.update(refused="organization_closed")
    told = ScimTokensSuspended(org_id=org_id, token_ids=[token.facts["key_id"]], suspended_at=now)
    await house.hear("identity", told)
    assert await token.status() == (409, "organization_closed")


async def test_a_key_ends_when_its_time_is_over_remembered_or_not(own_house: House) -> None:
    ends_at = own_house.world.clock.now() + timedelta(hours=1)
    key = a_key(own_house, "things:view", ends_at=ends_at.isoformat())
    assert await key.status() == (200, None)
    own_house.world.clock.advance(timedelta(hours=1))
    assert await key.status() == (401, "api_key_expired")


async def test_silent_and_away_is_503_and_a_known_revocation_still_401(own_house: House) -> None:
    key, revoked = a_key(own_house, "things:view"), a_key(own_house, "things:view")
    assert await key.status() == await revoked.status() == (200, None)
    await own_house.hear("identity", ApiKeyRevoked(org_id=revoked.facts["org_id"], key=revoked.state))
    own_house.people.away.add("api key")
    own_house.ears.mute("identity")
    own_house.watch.offset += 3.1
    assert await key.status() == (503, "auth_unavailable")
    assert await revoked.status() == (401, "unauthenticated")
    own_house.people.away.clear()
    assert await key.status() == (200, None)


async def test_each_key_has_its_own_bucket_and_its_own_idempotency(databases: Databases, tmp_path: Path) -> None:
    few = Rates(
        person=Rate("person", 5, 1000),
        anonymous=Rate("anonymous", 50, 60),
        anonymous_writes=Rate("anonymous-writes", 3, 60),
    )
    async with a_house(databases, tmp_path, rates=few) as house:
        one, two = (a_key(house, "things:view", "things:manage", org_id="org_" + "0" * 26) for _ in range(2))
        same = {"Idempotency-Key": "same"}
        assert (await one.ask("POST", headers=same)).headers.get("idempotency-replayed") is None
        assert (await two.ask("POST", headers=same)).headers.get("idempotency-replayed") is None
        assert (await one.ask("POST", headers=same)).headers["idempotency-replayed"] == "true"
        for _ in range(3):
            assert (await one.ask()).status == 200
        assert (await one.ask()).status == 429
        assert (await two.ask()).status == 200


@pytest.mark.parametrize("more", [{"fresh": True}, {"may": anyone("things.read")}])
def test_no_route_can_take_keys_where_only_a_person_can_be_meant(more: dict[str, Any]) -> None:
    async def use_case() -> None: ...

    with pytest.raises(ValueError, match="no API key"):
        Route(
            **{
                "method": "GET",
                "path": "/v1/things",
                "use_case": use_case,
                "may": admin("things.read"),
                "key": "things:view",
                **more,
            }
        )
    get("/v1/things", use_case, admin("things.read"), key="things:view")
