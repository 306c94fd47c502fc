"""The keys of OpenID Connect providers: kept as they say, fetched by one at a time, and for unknown ones not again within the minute.

Anybody may send a token that names a key which nobody has. It costs the provider a request at most once a minute, whoever sends how many.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import jwt

from services.identity.rules.oidc_keys import KeySet, chosen_key, keys_of, seconds_good
from services.identity.rules.sso import StepFailed
from shared.outbound import Fetched

UNKNOWN_KEY_PAUSE = 60.0  # seconds
FAILURE_PAUSE = 10.0
MOST_PLACES = 1000
NEVER = float("-inf")


@dataclass(eq=False)
class Place:
    """What is known of one address of keys; times are monotonic seconds. A failure stands until a fetch succeeds."""

    keys: KeySet = ()
    good_until: float = NEVER
    asked_at: float = NEVER
    failure: StepFailed | None = None
    asking: asyncio.Task[None] | None = None


class ProviderKeys:
    """By address: connections of one provider share its keys, and the pauses between fetches."""

    def __init__(
        self, fetch: Callable[[str], Awaitable[Fetched]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.monotonic = monotonic
        self._fetch = fetch
        self._places: dict[str, Place] = {}

    async def key(self, url: str, algorithm: str, kid: str | None) -> jwt.PyJWK:
        """The key that a token names."""
        place = self._place(url)
        if self.monotonic() >= place.good_until and self._may_ask(place, FAILURE_PAUSE):
            await self._ask(url, place)
        if self.monotonic() >= place.good_until and place.failure is not None:
            raise _again(place.failure)
        found = chosen_key(place.keys, algorithm, kid)
        if found is None and self._may_ask(place, UNKNOWN_KEY_PAUSE):
            await self._ask(url, place)
            found = chosen_key(place.keys, algorithm, kid)
        if found is None and place.failure is not None:
            raise _again(place.failure)
        if found is None:
            raise StepFailed("signature", "the provider publishes no key that fits the ID token's", "no_key_fits")
        return found

    async def read_anew(self, url: str) -> None:
        """For who wants to know whether the keys can be had now."""
        place = self._place(url)
        await self._ask(url, place)
        if place.failure is not None:
            raise _again(place.failure)

    def forget(self) -> None:
        """As after a start."""
        self._places.clear()

    def _place(self, url: str) -> Place:
        place = self._places[url] = self._places.pop(url) if url in self._places else Place()
        if len(self._places) > MOST_PLACES:
            del self._places[next(iter(self._places))]  # the one that was used longest ago
        return place

    def _may_ask(self, place: Place, pause: float) -> bool:
        return place.asking is not None or self.monotonic() - place.asked_at > pause

    async def _ask(self, url: str, place: Place) -> None:
        """One fetch at a time, shared by all who wait for it; it goes on when one of them gives up."""
        if place.asking is None:
            place.asking = asyncio.create_task(self._load(url, place), name="keys of a provider")
        await asyncio.shield(place.asking)

    async def _load(self, url: str, place: Place) -> None:
        try:
            answer = await self._fetch(url)
            keys, seconds = keys_of(answer.body), seconds_good(answer.headers)
        except StepFailed as failure:
            place.failure = failure
        else:
            place.keys, place.failure = keys, None
            place.good_until = self.monotonic() + seconds
        finally:
            place.asked_at = self.monotonic()
            place.asking = None


def _again(failure: StepFailed) -> StepFailed:
    return StepFailed(failure.step, failure.cause, failure.code, **failure.facts)
