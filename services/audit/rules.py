"""What an audit entry is, and how a chain of them shows that none was changed, removed, added or moved: pure.

An entry's hash is SHA-256 over the hash before it and the entry's content as canonical JSON (sorted keys, no spaces,
UTF-8). To verify an exported chain nobody needs more than the export and `verify`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.events import Envelope

BEGINNING = "0" * 64
DAYS_WHILE_UNKNOWN = 30

TARGETS: tuple[tuple[str, str, str], ...] = (
    ("member", "user_id", "name"),
    ("invitation", "invitation_id", "email"),
    ("group", "group_id", "name"),
    ("domain", "domain_id", "name"),
    ("dashboard", "dashboard_id", "title"),
    ("subscription", "subscription_id", "plan"),
    ("webhook", "webhook_id", "host"),
    ("invoice", "invoice_id", "number"),
    ("person", "user_id", "name"),
)
TARGET_IDS = ("secret_id", "session_id")

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


@dataclass(frozen=True)
class Fact:
    """What an event says that an audit log keeps, whatever the organization."""

    at: datetime
    actor_id: str | None
    action: str
    subject: str
    target_id: str | None
    target_name: str | None
    source_ip: str | None
    event_id: str
    source: str
    sequence: int
    correlation_id: str | None
    causation_id: str | None
    data: dict[str, Any]


@dataclass(frozen=True)
class Person:
    """A member as the last event about them said."""

    user_id: str
    name: str
    email: str
    status: str


@dataclass(frozen=True)
class Verdict:
    """`broken_at` is the place in the sequence of the first entry that can't be right, None when all are."""

    checked: int
    broken_at: int | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        return self.broken_at is None


def is_recorded(envelope: Envelope) -> bool:
    """Facts are; what services ask of each other isn't a fact."""
    return not envelope.type.startswith("courier.mail.")


def fact_of(envelope: Envelope) -> Fact:
    target_id, target_name = target_of(envelope)
    return Fact(
        at=envelope.time,
        actor_id=envelope.actor_id,
        action=envelope.type,
        subject=envelope.subject,
        target_id=target_id,
        target_name=target_name,
        source_ip=source_ip_of(envelope.data),
        event_id=envelope.id,
        source=envelope.source,
        sequence=envelope.sequence,
        correlation_id=envelope.correlation_id,
        causation_id=envelope.causation_id,
        data=envelope.data,
    )


def target_of(envelope: Envelope) -> tuple[str | None, str | None]:
    """What the event is about, and its name: the first known thing in its data, else the person who is its subject."""
    for name, id_field, name_field in TARGETS:
        thing = envelope.data.get(name)
        if isinstance(thing, dict):
            return _text(thing.get(id_field) or envelope.subject), _text(thing.get(name_field))
    for name in TARGET_IDS:
        if name in envelope.data:
            return _text(envelope.data[name]), None
    return (envelope.subject, None) if envelope.subject.startswith("usr_") else (None, None)


def source_ip_of(data: Mapping[str, Any]) -> str | None:
    signup = data.get("signup")
    within = signup.get("source_ip") if isinstance(signup, dict) else None
    return _text(data.get("source_ip") or within)


def person_in(envelope: Envelope) -> Person | None:
    """The member that an event of org carries."""
    member = envelope.data.get("member")
    if envelope.source != "org" or not isinstance(member, dict):
        return None
    return Person(member["user_id"], member["name"], member["email"], member["status"])


def shown_since(days: int | None, now: datetime) -> datetime:
    """How far back the plan shows entries; nothing older is deleted."""
    return now - timedelta(days=DAYS_WHILE_UNKNOWN if days is None else days)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


# The chain


def hash_of(previous_hash: str, content: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{previous_hash}\n{canonical(content)}".encode()).hexdigest()


def canonical(content: Mapping[str, Any]) -> str:
    """The content as JSON, always in the same letters."""
    wanted = {name: _canonical_time(content[name]) if name == "at" else content[name] for name in CONTENT}
    return json.dumps(wanted, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _canonical_time(at: Any) -> str:
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def verify(
    entries: Sequence[Mapping[str, Any]], *, first_previous_hash: str | None = None, last_hash: str | None = None
) -> Verdict:
    """Checks exported entries of one organization, the oldest first.

    Any change to one of them, and any removed, added or moved within, is found. That entries are missing at the beginning
    or at the end shows only when the hash that was there is known from elsewhere: give it as `first_previous_hash`
    (the beginning of all is `BEGINNING`) or `last_hash`.
    """
    previous: Mapping[str, Any] | None = None
    for place, entry in enumerate(entries):
        reason = _fault(entry, previous, first_previous_hash)
        if reason:
            return Verdict(place, place, reason)
        previous = entry
    if last_hash is not None and (previous is None or previous["hash"] != last_hash):
        return Verdict(len(entries), len(entries), "entries are missing at the end")
    return Verdict(len(entries))


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
            return "its content isn't what was hashed"
    except (KeyError, TypeError, ValueError) as wrong:
        return f"it isn't an entry: {wrong!r}"
    return ""
