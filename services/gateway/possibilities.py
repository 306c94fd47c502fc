"""What people may do in their organization, remembered while nothing happens there.

It is advice: whoever does something is asked again, by the service that does it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.gateway.remembered import Remembered
from shared.capabilities import Capabilities

SETTLING_SECONDS = 5.0


class Possibilities:
    """Capabilities by person and organization. Every event of either makes them count no more.

    Services hear of it when the gateway does, or later: for some seconds after an event, nothing about its subject is kept.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: Remembered[Capabilities] = Remembered(lambda key, _: frozenset(key.split()), monotonic)
        self._settling: dict[str, float] = {}

    async def get(self, user_id: str, org_id: str, ask: Callable[[], Awaitable[Capabilities]]) -> Capabilities:
        """What is remembered; otherwise asks."""
        if self._is_settling(user_id) or self._is_settling(org_id):
            return await ask()
        found = await self._known.get(f"{user_id} {org_id}", ask)
        if self._is_settling(user_id) or self._is_settling(org_id):  # something happened while it was asked
            self._known.drop(user_id)
        return found

    def happened(self, subject: str) -> None:
        """Something about this person or organization changed."""
        now = self._monotonic()
        while self._settling and (oldest := next(iter(self._settling))) and self._settling[oldest] <= now:
            del self._settling[oldest]
        self._settling.pop(subject, None)
        self._settling[subject] = now + SETTLING_SECONDS
        self._known.drop(subject)

    def forget(self) -> None:
        """News may have been missed."""
        self._known.forget()

    def _is_settling(self, subject: str) -> bool:
        return self._monotonic() < self._settling.get(subject, float("-inf"))
