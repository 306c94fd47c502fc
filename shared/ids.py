"""Ids: a typed prefix and a UUIDv7 (RFC 9562) in Crockford's base32, e.g. `usr_01k9zq3v5m8c1t0g7w2x4y6z8a`.

The id of an event, or of an operation, also names its source: the twelve bits of UUIDv7's `rand_a` are a digest of the source's name.
So any service can tell from the id alone whether the event is one that it will ever hear about.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import Annotated

from pydantic import StringConstraints

SERVICES = ("gateway", "identity", "org", "sharing", "billing", "audit", "courier")
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PATTERN = re.compile(r"([a-z]{2,4})_([0-9a-hjkmnp-tv-z]{26})")


def new_id(prefix: str, *, now: float | None = None) -> str:
    """A fresh id: sortable by millisecond, 74 random bits. `now` is seconds since the epoch."""
    return f"{prefix}_{_encode(_uuid7(now, secrets.randbits(12)))}"


def new_event_id(source: str, *, now: float | None = None) -> str:
    """A fresh event id that carries its source's tag, 62 random bits."""
    return f"evt_{_encode(_uuid7(now, source_tag(source)))}"


def new_operation_id(source: str) -> str:
    """A fresh id of long work, which carries the tag of the service that does it."""
    return f"op_{_encode(_uuid7(None, source_tag(source)))}"


def source_tag(source: str) -> int:
    """Twelve bits that stand for a source's name in its event ids."""
    return int.from_bytes(hashlib.sha256(source.encode()).digest()[:2], "big") >> 4


def may_come_from(tagged: str, source: str, prefix: str = "evt") -> bool:
    """Whether the id of this event (or of this operation, `op`) can be one of that source's (never a wrong no; a wrong yes once in 4096)."""
    match = PATTERN.fullmatch(tagged)
    if match is None or match[1] != prefix:
        return False
    return (_decode(match[2]) >> 64) & 0xFFF == source_tag(source)


def is_id(text: str, prefix: str) -> bool:
    match = PATTERN.fullmatch(text)
    return match is not None and match[1] == prefix


def _uuid7(now: float | None, rand_a: int) -> int:
    milliseconds = int((time.time() if now is None else now) * 1000) & ((1 << 48) - 1)
    return milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | secrets.randbits(62)


def _encode(number: int) -> str:
    return "".join(ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def _decode(text: str) -> int:
    number = 0
    for letter in text:
        number = number << 5 | ALPHABET.index(letter)
    return number


def _typed(prefix: str) -> StringConstraints:
    return StringConstraints(pattern=rf"^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$")


UserId = Annotated[str, _typed("usr")]
OrgId = Annotated[str, _typed("org")]
InvitationId = Annotated[str, _typed("inv")]
GroupId = Annotated[str, _typed("grp")]
ConnectionId = Annotated[str, _typed("sso")]
AcceptanceId = Annotated[str, _typed("acc")]
DomainId = Annotated[str, _typed("dom")]
SecretId = Annotated[str, _typed("sec")]
LinkId = Annotated[str, _typed("lnk")]
SubscriptionId = Annotated[str, _typed("sub")]
InvoiceId = Annotated[str, _typed("ivc")]
SessionId = Annotated[str, _typed("ses")]
EventId = Annotated[str, _typed("evt")]
OperationId = Annotated[str, _typed("op")]
AuditId = Annotated[str, _typed("aud")]
ApiKeyId = Annotated[str, _typed("key")]
WebhookId = Annotated[str, _typed("whk")]
DeliveryId = Annotated[str, _typed("dlv")]
