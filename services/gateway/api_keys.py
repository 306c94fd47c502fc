"""What API keys may: asked of identity, remembered while its events arrive, refused once they say that a key is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from services.gateway.remembered import Remembered, get_fact, trim
from shared.auth import Actor
from shared.errors import Problem


class Key(BaseModel):
    """What identity says of a token. Of what is no key's token, only that."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key_id: str | None = None
    refused: Literal["unknown", "expired", "suspended", "organization_closed"] | None = None
    org_id: str | None = None
    plan: str | None = None
    scopes: tuple[str, ...] = ()
    api_version: str | None = None
    ends_at: datetime | None = None


class Ask(Protocol):
    """Puts a question to a service; `auth_unavailable` unless it gives a proper answer."""

    def __call__(self, shape: type[Key], service: str, method: str, path: str, **options: Any) -> Awaitable[Key]: ...


class Keys:
    """The API keys that were shown lately, under digests of their tokens."""

    def __init__(self, ask: Ask, monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._keys: Remembered[Key] = Remembered(_tags_of, monotonic)
        self._ended: dict[str, None] = {}

    def remembered(self, digest: str) -> Key | None:
        known = self._keys.kept(digest)
        return known.value if known is not None and not self.has_ended(known.value.key_id or "") else None

    async def find(self, token: str, digest: str, source_ip: str, *, believe: bool, after: str | None) -> Key:
        async def ask() -> Key:
            body = {"token": token, "source_ip": source_ip or None}
            return await self._ask(Key, "identity", "POST", "/internal/api-key-standings", body=body, after=after)

        return await get_fact(self._keys, digest, ask, believe=believe, after=after)

    def has_ended(self, key_id: str) -> bool:
        """Whether a key is known to be revoked, without asking anybody."""
        return key_id in self._ended

    def end(self, key_id: str) -> None:
        """A key is over, for good."""
        self._ended[key_id] = None
        trim(self._ended)
        self._keys.drop(key_id)

    def drop(self, tag: str) -> None:
        self._keys.drop(tag)

    def forget(self) -> None:
        self._keys.forget()


def actor_of(key: Key, now: datetime) -> Actor:
    """The actor that a key is; raises what its holder is told when it is none."""
    if key.refused == "expired" or (key.ends_at is not None and key.ends_at <= now):
        raise Problem("api_key_expired", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if key.refused == "organization_closed":
        raise Problem("organization_closed")
    if key.refused == "suspended":
        meta = {"plan": "pro", "current": key.plan, "for": "api_keys"}
        raise Problem("plan_required", "API keys are suspended by the plan; they return as they are.", meta=meta)
    if key.refused is not None or key.key_id is None or key.org_id is None:
        raise refused_key()
    return Actor("key", org_id=key.org_id, key_id=key.key_id, scopes=key.scopes, api_version=key.api_version)


def refused_key() -> Problem:
    """One answer for what never was a key, and for one that was revoked or replaced."""
    return Problem(
        "unauthenticated", "This API key isn't valid.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )


def _tags_of(digest: str, key: Key) -> frozenset[str]:
    return frozenset(tag for tag in (digest, key.key_id, key.org_id) if tag is not None)
