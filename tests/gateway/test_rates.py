"""How much one caller may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.rates import Buckets, Rate, Rates
from services.gateway.source_address import limited_as
from shared.errors import Problem
from tests.gateway.standins import House, Watch, a_house, somebody
from tests.world import Databases

FEW = Rates(
    person=Rate("person", 5, 10), anonymous=Rate("anonymous", 4, 60), anonymous_writes=Rate("anonymous-writes", 3, 60)
)


@pytest.fixture
async def strict(databases: Databases, tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(databases, tmp_path, rates=FEW, trusted_proxies=("127.0.0.1",)) as house:
        yield house


def at(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def test_a_person_is_limited_wherever_they_are_and_told_so(strict: House) -> None:
    ana, ben = somebody(strict.people), somebody(strict.people)
    for left in range(4, -1, -1):
        reply = await strict.ask("GET", "/v1/echo/x", {**ana.bearer, **at(f"203.0.113.{left}")})
        assert reply.headers["ratelimit-policy"] == '"person";q=5;w=10'
        assert reply.headers["ratelimit"].startswith(f'"person";r={left};t=')
    for headers in (ana.bearer, {"Cookie": f"__Host-session={ana.cookie}"}):
        refused = await strict.ask("GET", "/v1/me", headers)
        assert (refused.status, refused.code) == (429, "rate_limited")
        assert refused.headers["retry-after"] == "2"
        assert refused.headers["ratelimit"].startswith('"person";r=0;t=')
    assert (await strict.ask("GET", "/v1/echo/x", ben.bearer)).status == 200
    strict.watch.offset += 2
    assert (await strict.ask("GET", "/v1/echo/x", ana.bearer)).status == 200


async def test_anonymous_requests_are_limited_by_address(strict: House) -> None:
    for _ in range(4):
        assert (await strict.ask("GET", "/v1/open", at("203.0.113.9"))).status == 200
    assert (await strict.ask("GET", "/v1/open", at("203.0.113.9"))).code == "rate_limited"
    assert (await strict.ask("GET", "/v1/open", at("203.0.113.10"))).status == 200


async def test_one_ipv6_client_owns_its_whole_network(strict: House) -> None:
    for number in range(4):
        assert (await strict.ask("GET", "/v1/open", at(f"2001:db8:1:1::{number}"))).status == 200
    assert (await strict.ask("GET", "/v1/open", at("2001:db8:1:1:ffff::1"))).code == "rate_limited"
    assert (await strict.ask("GET", "/v1/open", at("2001:db8:1:2::1"))).status == 200


async def test_writes_that_need_no_sign_in_have_a_limit_of_their_own_that_no_credential_avoids(strict: House) -> None:
    ana = somebody(strict.people)
    for _ in range(3):
        assert (await strict.ask("POST", "/v1/auth/sessions", {**ana.bearer, **at("203.0.113.9")}, {})).status == 200
    refused = await strict.ask("POST", "/v1/auth/sessions", {**ana.bearer, **at("203.0.113.9")}, {})
    assert (refused.code, refused.json["meta"]["policy"]) == ("rate_limited", "anonymous-writes")
    assert (await strict.ask("GET", "/v1/open", at("203.0.113.9"))).status == 200


async def test_guessing_at_credentials_uses_up_what_the_address_has(strict: House) -> None:
    ana = somebody(strict.people)
    known = {**ana.bearer, **at("203.0.113.9")}
    assert (await strict.ask("GET", "/v1/echo/x", known)).status == 200
    for number in range(4):
        guess = {"Cookie": f"__Host-session={'x' * 30}{number}", **at("203.0.113.9")}
        assert (await strict.ask("GET", "/v1/echo/x", guess)).code == "session_ended"
    asked = len(strict.people.asked)
    assert (
        await strict.ask("GET", "/v1/echo/x", {"Cookie": f"__Host-session={'y' * 30}", **at("203.0.113.9")})
    ).code == "rate_limited"
    assert len(strict.people.asked) == asked
    assert (await strict.ask("GET", "/v1/echo/x", known)).status == 200, "who is known isn't held up by neighbours"


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_never_more_than_the_quota_and_what_came_back_since(pauses: list[float], quota: int, seconds: int) -> None:
    watch = Watch()
    now = 0.0
    buckets = Buckets(Rate("r", quota, seconds), lambda: watch() + now)
    taken = 0
    for pause in pauses:
        now += pause
        try:
            allowance = buckets.take("k")
            taken += 1
            assert 0 <= int(allowance["RateLimit"].split(";")[1].removeprefix("r=")) < quota
        except Problem as refusal:
            before = now
            now += refusal.retry_after or 0
            buckets.check("k")
            now = before
        assert taken <= quota + now * quota / seconds + 1e-6


def test_addresses_are_grouped_as_their_owners_hold_them() -> None:
    assert limited_as("203.0.113.9") == "203.0.113.9"
    assert limited_as("2001:db8::1") == limited_as("2001:db8::ffff") == "2001:db8::/64"
    assert limited_as("") == ""
