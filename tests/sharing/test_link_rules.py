"""The rules of links as pure decisions: the exact moment of expiry, networks, and that what isn't widening lets in nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sharing.rules import links as rules
from services.sharing.rules.access import Plan
from services.sharing.rules.link_policy import LinkPolicy
from services.sharing.rules.links import Link, Terms, lets_in, network, origin, widening

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUSINESS = Plan("business", "Business", 20, True, True, True, True)
TICK = timedelta(microseconds=1)


def link(terms: Terms, switches_seen: int = 0) -> Link:
    return Link("lnk_x", "board", None, terms, "usr_x", 1, switches_seen)


def test_a_link_is_open_until_its_last_moment_and_not_at_it() -> None:
    expiring = link(Terms("x", expires_at=NOON))
    assert rules.state(expiring, BUSINESS, 0, LinkPolicy(), NOON, NOON - TICK) == "open"
    assert rules.state(expiring, BUSINESS, 0, LinkPolicy(), NOON, NOON) == "expired"


def test_the_widest_cause_is_named_and_an_unknown_plan_opens_nothing() -> None:
    everything = link(Terms("x", expires_at=NOON, paused=True))
    assert rules.state(everything, None, 1, LinkPolicy(), NOON, NOON) == "switched_off"
    assert rules.state(everything, None, 0, LinkPolicy(), NOON, NOON) == "suspended"
    assert rules.state(everything, BUSINESS, 0, LinkPolicy(), NOON, NOON) == "paused"


@pytest.mark.parametrize(
    ("networks", "source", "fits"),
    [
        ((), None, True),
        (("10.0.0.0/8",), None, False),
        (("10.0.0.0/8",), "", False),
        (("10.0.0.0/8",), "10.255.255.255", True),
        (("10.0.0.0/8",), "11.0.0.0", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("2001:db8::/32",), "2001:db8:ffff::1", True),
        (("2001:db8::/32",), "2001:db9::", False),
        (("10.0.0.0/8", "::1/128"), "::1", True),
        (("0.0.0.0/0",), "2001:db8::1", False),
        (("fe80::/10",), "fe80::1%eth0", True),
    ],
)
def test_an_address_is_on_the_list_or_not(networks: tuple[str, ...], source: str | None, fits: bool) -> None:
    assert lets_in(tuple(network(one) for one in networks), source) is fits


@pytest.mark.parametrize(
    "text", ["https://a.example:8443", "https://*.a.example", "http://localhost:3000", "https://10.0.0.1"]
)
def test_origins_of_sites_are_taken(text: str) -> None:
    assert origin(text) == text


@pytest.mark.parametrize(
    "text",
    ["https://a.example:", "https://user@a.example", "https://a.example/", "https://a_b.example", "https://a.example 'self'", "ftp://a.example",
     "https://*.*.example", "https://.example", "https://-.example", "'self'", "*", "https://ä.example", "http://localhost.example"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an origin"):
        origin(text)


VALUES = st.lists(st.sampled_from(["EU", "US", "APAC"]), min_size=1, max_size=3, unique=True)
NETWORKS = st.lists(
    st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32", "0.0.0.0/0"]), max_size=3, unique=True
)
TERMS = st.builds(
    Terms,
    name=st.just("x"),
    expires_at=st.none() | st.sampled_from([NOON, NOON + timedelta(days=1)]),
    has_password=st.booleans(),
    networks=NETWORKS.map(tuple),
    origins=st.lists(st.sampled_from(["https://a.example", "https://b.example"]), max_size=2, unique=True).map(tuple),
    requires_secret=st.booleans(),
    csv=st.booleans(),
    excel=st.booleans(),
    frozen_filters=st.none() | st.dictionaries(st.sampled_from(["region", "product"]), VALUES, min_size=1),
    paused=st.booleans(),
)  # fmt: skip


@given(
    TERMS,
    TERMS,
    st.sampled_from(["10.1.2.3", "10.9.9.9", "11.0.0.1", "2001:db8::1", "2001:db9::1"]),
    st.sampled_from([NOON - TICK, NOON]),
)
def test_what_is_not_widening_lets_in_nobody_and_shows_nothing_more(
    before: Terms, after: Terms, source: str, now: datetime
) -> None:
    if widening(before, after):
        return
    opens = [
        rules.state(link(terms), BUSINESS, 0, LinkPolicy(), NOON, now) == "open" and lets_in(terms.networks, source)
        for terms in (before, after)
    ]
    assert opens[0] or not opens[1]
    assert after.has_password >= before.has_password
    assert after.requires_secret >= before.requires_secret
    assert after.csv <= before.csv
    assert set(after.origins) <= set(before.origins)
    for name, values in (before.frozen_filters or {}).items():
        assert set((after.frozen_filters or {})[name]) <= set(values)


def test_another_password_lets_in_whoever_chose_it_and_a_first_one_keeps_others_out() -> None:
    locked, plain = Terms("x", has_password=True), Terms("x")
    assert widening(locked, locked, another_password=True) == ["password"]
    assert widening(plain, locked, another_password=True) == []
    assert widening(locked, plain, another_password=True) == ["password"]


@given(TERMS)
def test_what_stays_is_not_widening(terms: Terms) -> None:
    assert widening(terms, replace(terms, name="another", description="text", dark_mode=True, tv_mode=True)) == []
