"""How often a provider is asked for its keys: by one at a time, as long as they are good, and hardly at all for keys that nobody has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from services.identity.rules.oidc_keys import LEAST_SECONDS, MOST_SECONDS, USUAL_SECONDS, chosen_key, seconds_good
from services.identity.rules.sso import StepFailed
from services.identity.usecases.sso_oidc import OidcProviders
from shared.outbound import Outbound
from tests.identity.provider import HERE, Provider, providing, rsa_key

UNKNOWN = 61  # seconds, after which an unknown key is worth a fetch


@dataclass
class Asking:
    """Somebody with tokens, the provider whose keys they name, and seconds that pass when they are told to."""

    provider: Provider
    now: float = 1000.0
    providers: OidcProviders = field(init=False)

    def __post_init__(self) -> None:
        self.providers = OidcProviders(Outbound(policy=HERE), lambda: self.now)

    @property
    def url(self) -> str:
        return f"{self.provider.url}/keys"

    async def step(self, kid: str | None) -> str:
        """What becomes of looking for a key: `found`, or the step at which it ended."""
        try:
            await self.providers.keys.key(self.url, "RS256", kid)
        except StepFailed as failure:
            return failure.step
        return "found"

    async def at_once(self, *kids: str) -> list[str]:
        """They all ask before the provider answers anybody."""
        self.provider.may_serve_keys = asyncio.Event()
        asking = [asyncio.create_task(self.step(kid)) for kid in kids]
        before = self.provider.key_sets_served
        async with asyncio.timeout(60):
            while self.provider.key_sets_served == before:
                await asyncio.sleep(0.001)
        self.provider.may_serve_keys.set()
        return list(await asyncio.gather(*asking))


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    async with providing(lambda: 0) as provider:
        yield Asking(provider)


async def test_many_who_need_the_keys_at_once_wait_for_one_fetch(asking: Asking) -> None:
    assert await asking.at_once(*["k1"] * 20, *["unknown"] * 20) == ["found"] * 20 + ["signature"] * 20
    assert asking.provider.key_sets_served == 1
    asking.now += UNKNOWN
    assert await asking.at_once(*(f"junk-{number}" for number in range(50))) == ["signature"] * 50
    assert asking.provider.key_sets_served == 2


async def test_unknown_keys_cost_a_fetch_a_minute_whoever_names_how_many(asking: Asking) -> None:
    for minute in range(1, 4):
        for number in range(100):
            assert await asking.step(f"junk-{minute}-{number}") == "signature"
            asking.now += 0.5
        assert await asking.step("k1") == "found"
        assert asking.provider.key_sets_served == minute
        asking.now += 11


async def test_a_new_key_is_there_with_the_first_token_that_names_it(asking: Asking) -> None:
    assert await asking.step("k1") == "found"
    asking.now += UNKNOWN
    asking.provider.keys = {"k2": rsa_key(2)}
    assert await asking.step("k2") == "found"
    assert await asking.step("k1") == "signature", "and the old one is gone at once"
    assert asking.provider.key_sets_served == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, USUAL_SECONDS),
        ({"cache-control": "public"}, USUAL_SECONDS),
        ({"cache-control": "public, max-age=1800, must-revalidate"}, 1800),
        ({"cache-control": 'Max-Age="1200"'}, 1200),
        ({"cache-control": "max-age=1800", "age": "1000"}, 800),
        ({"cache-control": "max-age=1800", "age": "soon"}, 1800),
        ({"cache-control": "max-age=0"}, LEAST_SECONDS),
        ({"cache-control": "max-age=1800", "age": "5000"}, LEAST_SECONDS),
        ({"cache-control": "no-cache, max-age=1800"}, LEAST_SECONDS),
        ({"cache-control": "private,no-store"}, LEAST_SECONDS),
        ({"cache-control": "s-maxage=5"}, USUAL_SECONDS),
        ({"cache-control": "max-age=-5"}, USUAL_SECONDS),
        ({"cache-control": "max-age=999999999"}, MOST_SECONDS),
        ({"cache-control": "max-age=99999999999999999999"}, USUAL_SECONDS),
    ],
)
def test_keys_are_good_for_as_long_as_their_provider_says_within_bounds(headers: dict[str, str], seconds: int) -> None:
    assert seconds_good(headers) == seconds


async def test_keys_are_fetched_again_when_they_are_no_longer_good(asking: Asking) -> None:
    asking.provider.key_headers = {"Cache-Control": "max-age=1800"}
    for later, served in ((0, 1), (1799, 1), (2, 2), (1000, 2)):
        asking.now += later
        assert await asking.step("k1") == "found"
        assert asking.provider.key_sets_served == served
    asking.now += 801
    asking.provider.keys = {"k2": rsa_key(2)}
    assert await asking.step("k1") == "signature", "a key that was taken back isn't believed for longer"


async def test_a_provider_that_does_not_answer_is_asked_every_ten_seconds_and_the_reason_is_told_meanwhile(
    asking: Asking,
) -> None:
    asking.provider.keys_status = 500
    for kid in ("k1", "junk") * 20:
        assert await asking.step(kid) == "keys"
        asking.now += 0.2
    assert asking.provider.key_sets_served == 1
    asking.provider.keys_status = 200
    asking.now += 3
    assert await asking.step("k1") == "found"
    assert asking.provider.key_sets_served == 2


async def test_keys_that_are_still_good_outlast_a_fetch_that_failed(asking: Asking) -> None:
    assert await asking.step("k1") == "found"
    asking.now += UNKNOWN
    asking.provider.keys_status = 500
    assert [await asking.step("junk"), await asking.step("junk"), await asking.step("k1")] == ["keys", "keys", "found"]
    assert asking.provider.key_sets_served == 2
    asking.now += USUAL_SECONDS
    assert await asking.step("k1") == "keys", "but not for ever"


async def test_who_gives_up_waiting_takes_nothing_from_the_others(asking: Asking) -> None:
    asking.provider.may_serve_keys = asyncio.Event()
    impatient = asyncio.create_task(asking.step("k1"))
    while not asking.provider.key_sets_served:
        await asyncio.sleep(0.001)
    patient = asyncio.create_task(asking.step("k1"))
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    asking.provider.may_serve_keys.set()
    assert await patient == "found"
    assert asking.provider.key_sets_served == 1


async def test_who_sets_a_provider_up_is_told_of_its_keys_as_they_are_now(asking: Asking) -> None:
    assert await asking.step("k1") == "found"
    asking.provider.keys_status = 500
    with pytest.raises(StepFailed, match="500"):
        await asking.providers.discover(asking.provider.url, "client")
    asking.provider.keys_status = 200
    await asking.providers.discover(asking.provider.url, "client")
    assert asking.provider.key_sets_served == 3


async def test_of_a_thousand_providers_the_one_that_was_used_longest_ago_is_forgotten(asking: Asking) -> None:
    keys = asking.providers.keys
    assert await asking.step("k1") == "found"
    for number in range(1000):
        with pytest.raises(StepFailed):
            await keys.key(f"ftp://p{number}.example/keys", "RS256", "k1")
        if number == 500:
            assert await asking.step("k1") == "found"
    assert asking.provider.key_sets_served == 1
    with pytest.raises(StepFailed):
        await keys.key("ftp://late.example/keys", "RS256", "k1")
    assert len(keys._places) == 1000


@pytest.mark.parametrize(
    ("bits", "exponent", "is_taken"),
    [(2048, 65537, True), (8192, 65537, True), (2047, 65537, False), (8200, 65537, False), (2048, 2**32 + 15, False)],
)
def test_keys_that_are_too_short_or_take_too_long_are_none(bits: int, exponent: int, is_taken: bool) -> None:
    modulus = (1 << (bits - 1)) | 1
    jwk = RSAAlgorithm.to_jwk(rsa.RSAPublicNumbers(exponent, modulus).public_key(), as_dict=True) | {"kid": "k1"}
    assert (chosen_key([jwk], "RS256", "k1") is not None) == is_taken
