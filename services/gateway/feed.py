"""The gateway's private feed of news: what it hears makes it forget, and refuse; silence makes it ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import structlog

from services.gateway.possibilities import Possibilities
from services.gateway.standing import Standing
from shared.events import Envelope
from shared.events.identity import AllSessionsEnded, ApiKeyRevoked, SessionEnded, UserClosed

log = structlog.get_logger()

OWNERS = ("identity", "org")
KEYS = (
    "identity.user.#",
    "identity.session.#",
    "identity.password.#",
    "identity.two_factor.#",
    "identity.api_key.#",
    "org.#",
    "billing.#",
    "sharing.#",
    *(f"heartbeat.{owner}" for owner in OWNERS),
)
SILENT_SECONDS = 3.0
OF_STANDING = ("org.member.", "org.organization.")


class Feed:
    """Hears identity and org. What is remembered is believed only while both were heard within three seconds."""

    def __init__(self, standing: Standing, possibilities: Possibilities, monotonic: Callable[[], float]) -> None:
        self._standing = standing
        self._possibilities = possibilities
        self._monotonic = monotonic
        self._heard_at: dict[str, float] = {}
        self._alive_until = float("-inf")

    @property
    def alive(self) -> bool:
        return self._monotonic() < self._alive_until

    def silent(self) -> list[str]:
        """The owners that aren't heard."""
        oldest = self._monotonic() - SILENT_SECONDS
        return [owner for owner in OWNERS if self._heard_at.get(owner, float("-inf")) <= oldest]

    async def receive(self, bodies: Sequence[bytes]) -> None:
        """What the bus calls; without bodies when the feed began, or began again, so that something may have been missed."""
        if not bodies:
            self._forget()
        for body in bodies:
            try:
                self._hear(orjson.loads(body), body)
            except (ValueError, KeyError, TypeError, AttributeError) as wrong:
                log.error("news can't be read, so everything is asked again", error=str(wrong))
                self._forget()

    def _forget(self) -> None:
        self._standing.forget()
        self._possibilities.forget()

    def _hear(self, raw: dict[str, Any], body: bytes) -> None:
        if "tenantry" in raw:
            if raw["tenantry"] == "heartbeat":
                self._heard_at[raw["source"]] = self._monotonic()
                self._alive_until = min(self._heard_at.get(one, float("-inf")) for one in OWNERS) + SILENT_SECONDS
            return
        envelope = Envelope.parse(body)
        for subject in {envelope.subject, envelope.org_id or envelope.subject}:
            self._possibilities.happened(subject)
        if envelope.source == "identity":
            self._hear_identity(envelope)
        elif envelope.type.startswith(OF_STANDING):
            self._hear_org(envelope)

    def _hear_identity(self, envelope: Envelope) -> None:
        """Any news of a person, or of an organization's keys, makes what is known of them count no more."""
        if envelope.type == SessionEnded.TYPE:
            self._standing.end_session(SessionEnded.read(envelope).session_id)
        elif envelope.type == AllSessionsEnded.TYPE:
            told = AllSessionsEnded.read(envelope)
            # times in tokens are whole seconds: a session of the same second is asked about
            self._standing.end_all(told.user_id, int(envelope.time.timestamp()), told.except_session_id)
        elif envelope.type == ApiKeyRevoked.TYPE:
            self._standing.keys.end(ApiKeyRevoked.read(envelope).key.key_id)
        elif envelope.type == UserClosed.TYPE:
            self._standing.end_all(envelope.subject, float("inf"))
        self._standing.drop(envelope.subject)

    def _hear_org(self, envelope: Envelope) -> None:
        member = envelope.data.get("member")
        if member is not None:
            self._standing.member_changed(
                member["user_id"], envelope.subject, envelope.sequence, active=member["status"] == "active"
            )
        else:
            self._standing.drop(envelope.subject)
