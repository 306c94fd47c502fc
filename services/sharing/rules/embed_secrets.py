"""Embed secrets: one is in force, older ones are valid until their own moment, and nobody is surprised by that moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.errors import Problem

State = Literal["current", "expiring", "expired", "revoked"]

USUAL_OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=7)
MOST_ALIVE = 20
WARNED_BEFORE = timedelta(hours=6)
RECENTLY = timedelta(hours=24)


@dataclass(frozen=True)
class Secret:
    """A secret's life, without the secret. `superseded_at` is when a newer one came; `expires_at` is then its last moment."""

    secret_id: str
    created_at: datetime
    superseded_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


def state(secret: Secret, now: datetime) -> State:
    if secret.revoked_at is not None:
        return "revoked"
    if secret.expires_at is None:
        return "current"
    return "expiring" if now < secret.expires_at else "expired"


def is_alive(secret: Secret, now: datetime) -> bool:
    """Whether tokens that it signed are accepted at this moment."""
    return state(secret, now) in ("current", "expiring")


def current(secrets: Iterable[Secret]) -> Secret | None:
    return next((one for one in secrets if one.expires_at is None and one.revoked_at is None), None)


def check_room(secrets: Iterable[Secret], now: datetime) -> None:
    alive = sum(is_alive(one, now) for one in secrets)
    if alive >= MOST_ALIVE:
        raise Problem(
            "conflict",
            f"{alive} secrets are valid at the same time. Revoke one first.",
            meta={"because": "too_many_embed_secrets", "limit": MOST_ALIVE},
        )


def warned_from(secret: Secret) -> datetime | None:
    """From when on its further use is worth a mail: six hours before it dies, or in the last quarter of a shorter overlap."""
    if secret.superseded_at is None or secret.expires_at is None:
        return None
    return secret.expires_at - min(WARNED_BEFORE, (secret.expires_at - secret.superseded_at) / 4)


def is_worth_a_warning(secret: Secret, last_used_at: datetime | None, now: datetime) -> bool:
    """Still alive, soon dead, and used after there was a newer one."""
    since, superseded = warned_from(secret), secret.superseded_at
    return (
        since is not None
        and superseded is not None
        and state(secret, now) == "expiring"
        and now >= since
        and last_used_at is not None
        and last_used_at >= superseded
    )
