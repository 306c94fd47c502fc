"""How a chain of entries shows that none was changed, removed, added, moved or cut off: pure.

An entry's hash is SHA-256 over the hash before it and the entry's content as canonical JSON (sorted keys, no spaces,
UTF-8). To verify an exported chain nobody needs more than the export and `verify`; a signed head, kept elsewhere, shows besides
that the whole chain wasn't replaced by a shorter or an older one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BEGINNING = "0" * 64
PURPOSE = b"tenantry audit head\n"  # the key signs other things too, and none of them begins like this

CONTENT = (
    "org_id",
    "number",
    "id",
    "at",
    "actor_id",
    "action",
    "subject",
    "target_id",
    "target_name",
    "source_ip",
    "event_id",
    "source",
    "sequence",
    "correlation_id",
    "causation_id",
    "data",
)

# What later versions know besides; hashed when it is there, so that older entries keep their hash.
ADDED = ("actor_amr",)

Tampering = Literal["changed", "deleted", "inserted", "reordered", "cut off", "forged"]


@dataclass(frozen=True)
class Verdict:
    """`broken_at` is the place in the sequence of the first entry that can't be right, None when all are; `what` names what was done there."""

    checked: int
    broken_at: int | None = None
    reason: str = ""
    what: Tampering | None = None

    @property
    def intact(self) -> bool:
        return self.broken_at is None


@dataclass(frozen=True)
class Head:
    """The end of a chain: so many entries, and the hash of the last of them."""

    org_id: str
    number: int
    digest: str
    signed_at: str


@dataclass(frozen=True)
class SignedHead(Head):
    """`key` is the public key (base64url); whoever has it from elsewhere compares."""

    signature: str = ""
    key: str = ""

    @property
    def head(self) -> Head:
        return Head(self.org_id, self.number, self.digest, self.signed_at)


def hash_of(previous_hash: str, content: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{previous_hash}\n{canonical(content)}".encode()).hexdigest()


def canonical(content: Mapping[str, Any]) -> str:
    """The content as JSON, always in the same letters."""
    wanted = {name: _canonical_time(content[name]) if name == "at" else content[name] for name in CONTENT}
    wanted |= {name: content[name] for name in ADDED if content.get(name) is not None}
    return json.dumps(wanted, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _canonical_time(at: Any) -> str:
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def sign(head: Head, key: Ed25519PrivateKey) -> SignedHead:
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SignedHead(**asdict(head), signature=_text(key.sign(_signed(head))), key=_text(public))


def is_signed(head: SignedHead, key: str | None = None) -> bool:
    """Whether the head's signature is right, and by that key if one is given."""
    try:
        public = Ed25519PublicKey.from_public_bytes(_bytes(head.key))
        public.verify(_bytes(head.signature), _signed(head.head))
    except (InvalidSignature, ValueError):
        return False
    return key is None or key == head.key


def _signed(head: Head) -> bytes:
    return PURPOSE + json.dumps(asdict(head), sort_keys=True, separators=(",", ":")).encode()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify(
    entries: Sequence[Mapping[str, Any]],
    *,
    first_previous_hash: str | None = None,
    last_hash: str | None = None,
    heads: Sequence[SignedHead] = (),
    key: str | None = None,
) -> Verdict:
    """Checks exported entries of one organization, the oldest first.

    Any change to one of them, and any removed, added or moved within, is found. That entries are missing at the beginning
    or at the end shows only when the hash that was there is known from elsewhere: give it as `first_previous_hash`
    (the beginning of all is `BEGINNING`) or `last_hash`, or give `heads` that were signed (by `key`) and kept elsewhere:
    each entry that a head speaks of must be there, with that hash.
    """
    previous: Mapping[str, Any] | None = None
    for place, entry in enumerate(entries):
        reason = _fault(entry, previous, first_previous_hash)
        if reason:
            return Verdict(place, place, reason, _what(entries, place, reason))
        previous = entry
    for head in heads:
        verdict = _against(entries, head, key)
        if not verdict.intact:
            return verdict
    if last_hash is not None and (previous is None or previous["hash"] != last_hash):
        return Verdict(len(entries), len(entries), "entries are missing at the end", "cut off")
    return Verdict(len(entries))


def _against(entries: Sequence[Mapping[str, Any]], head: SignedHead, key: str | None) -> Verdict:
    end = len(entries)
    if not is_signed(head, key):
        return Verdict(end, end, f"the head of number {head.number} isn't signed as it should be", "forged")
    if head.number and (not entries or entries[-1]["number"] < head.number):
        return Verdict(end, end, f"entries up to number {head.number} are missing at the end", "cut off")
    if not entries or head.number < entries[0]["number"]:
        return Verdict(end)
    place = head.number - entries[0]["number"]
    entry = entries[place]
    if entry["hash"] != head.digest or entry["org_id"] != head.org_id:
        return Verdict(place, place, f"up to number {head.number} it isn't what was signed", "changed")
    return Verdict(end)


def _what(entries: Sequence[Mapping[str, Any]], place: int, reason: str) -> Tampering:
    """What was done at the first place that can't be right, by the numbers around it."""
    numbers = [entry.get("number") for entry in entries]
    if place == 0:
        return "changed" if numbers[0] == 1 or reason == UNHASHED else "deleted"
    here, expected = numbers[place], int(entries[place - 1]["number"]) + 1
    if reason == UNHASHED or not isinstance(here, int):
        return "changed"
    if here > expected:
        return "reordered" if expected in numbers[place:] else "deleted"
    if here < expected:
        return "inserted" if here in numbers[:place] else "reordered"
    return "changed"


UNHASHED = "its content isn't what was hashed"


def _fault(entry: Mapping[str, Any], previous: Mapping[str, Any] | None, first_previous_hash: str | None) -> str:
    try:
        if previous is None:
            expected = BEGINNING if entry["number"] == 1 else first_previous_hash
            if expected is not None and entry["previous_hash"] != expected:
                return "it doesn't follow what was before it"
        elif entry["number"] != previous["number"] + 1:
            return f"number {entry['number']} follows {previous['number']}"
        elif entry["org_id"] != previous["org_id"]:
            return "it is of another organization"
        elif entry["previous_hash"] != previous["hash"]:
            return "it doesn't follow the entry before it"
        if entry["hash"] != hash_of(entry["previous_hash"], entry):
            return UNHASHED
    except (KeyError, TypeError, ValueError) as wrong:
        return f"it isn't an entry: {wrong!r}"
    return ""
