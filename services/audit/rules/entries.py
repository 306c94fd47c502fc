"""What an audit entry says: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.events import ERASED_EVENT, Envelope

DAYS_WHILE_UNKNOWN = 30
MOST_NAMES = 20
PERSON = re.compile(r"\busr_[0-9a-hjkmnp-tv-z]{26}\b")

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
    ("approval", "user_id", "name"),
    ("connection", "connection_id", "name"),
)
TARGET_IDS = ("secret_id", "session_id")


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
    actor_amr: list[str] | None


@dataclass(frozen=True)
class Person:
    """A member as the last event about them said."""

    user_id: str
    name: str
    email: str
    status: str


def is_recorded(envelope: Envelope) -> bool:
    """Facts are. What services ask of each other isn't one; nor is what audit says of the log itself, which would never come to an end; nor what was emptied."""
    asked_or_own = envelope.type.startswith(("courier.mail.", "audit.head.", "audit.organization."))
    return not asked_or_own and envelope.type != ERASED_EVENT.format(envelope.source)


def fact_of(envelope: Envelope) -> Fact:
    target_id, target_name = target_of(envelope)
    return Fact(
        at=envelope.time,
        actor_id=envelope.actor_id,
        action=envelope.type,
        subject=envelope.subject,
        target_id=target_id,
        target_name=target_name,
        source_ip=source_ip_of(envelope.data) or envelope.source_ip,
        event_id=envelope.id,
        source=envelope.source,
        sequence=envelope.sequence,
        correlation_id=envelope.correlation_id,
        causation_id=envelope.causation_id,
        data=envelope.data,
        actor_amr=amr_of(envelope),
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


def amr_of(envelope: Envelope) -> list[str] | None:
    """How who acted had signed in; of a session that begins, how it was begun."""
    told = envelope.data.get("amr")
    return list(envelope.actor_amr) or ([str(word) for word in told] if isinstance(told, list) else None)


def person_in(envelope: Envelope) -> Person | None:
    """The member that an event of org carries."""
    member = envelope.data.get("member")
    if envelope.source != "org" or not isinstance(member, dict):
        return None
    return Person(member["user_id"], member["name"], member["email"], member["status"])


def organization_in(envelope: Envelope) -> str | None:
    """The organization in which a person's own event happened, when it says so."""
    return _text(envelope.data.get("org_id"))


def mentioned_in(subject: str, data: str) -> set[str]:
    """The persons whom an entry is about or mentions, by their ids in its JSON; so many that a sentence can still name them."""
    return set(list(dict.fromkeys(PERSON.findall(f"{subject} {data}")))[:MOST_NAMES])


def shown_since(days: int | None, now: datetime) -> datetime:
    """How far back the plan shows entries; nothing older is deleted."""
    return now - timedelta(days=DAYS_WHILE_UNKNOWN if days is None else days)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
