"""What people type to find entries: `actor:ana action:org.member.* ip:10.0.0.0/8 created:>2026-11-01 -action:identity.* finance`. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from shared.errors import Problem, invalid

Kind = Literal[
    "text", "actor", "actor_id", "action", "target", "target_id", "ip", "event", "request", "auth", "since", "until"
]

KINDS: dict[str, Kind] = {
    "text": "text",
    "actor": "actor",
    "action": "action",
    "target": "target",
    "ip": "ip",
    "event": "event",
    "request": "request",
    "auth": "auth",
}
QUALIFIERS = ("actor", "action", "target", "ip", "event", "request", "auth", "created")
TERM = re.compile(rf'(?P<no>-)?(?:(?P<name>{"|".join(QUALIFIERS)}):)?(?P<value>"[^"]*"|\S+)')
ACTION = re.compile(r"[a-z0-9_.]*\*?")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOST_TERMS = 20


@dataclass(frozen=True)
class Condition:
    """One thing that an entry must fulfil, or must not."""

    kind: Kind
    value: Any
    negated: bool = False


def conditions_of(text: str) -> list[Condition]:
    """All of them must hold. A word without a qualifier is looked for anywhere in the entry; quotes keep words together."""
    found: list[Condition] = []
    for term in TERM.finditer(text):
        value = term["value"].strip('"')
        negated = term["no"] is not None
        if not value:
            continue
        if term["name"] == "created":
            if negated:
                raise _wrong("-created: isn't understood; turn the comparison round")
            found += _times(value)
        else:
            found.append(Condition(KINDS[term["name"] or "text"], _checked(term["name"], value), negated))
    if len(found) > MOST_TERMS:
        raise _wrong(f"has more than {MOST_TERMS} terms")
    return found


def _checked(name: str | None, value: str) -> str:
    if name == "action" and not ACTION.fullmatch(value):
        raise _wrong("action: takes an event type, or the beginning of some: org.member.*")
    if name == "ip":
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            raise _wrong("ip: takes an address or a network: 10.0.0.0/8") from None
    return value


def _times(value: str) -> Iterator[Condition]:
    """`>2026-11-01` begins after that day, `<` ends before it; a day alone is that day, `a..b` both included."""
    if ".." in value:
        first, last = value.split("..", 1)
        yield Condition("since", _moment(first))
        yield Condition("until", _moment(last) + _length(last))
        return
    how, text = re.fullmatch(r"(>=|<=|>|<)?(.*)", value, re.DOTALL).groups()  # type: ignore[union-attr]
    moment, length = _moment(text), _length(text)
    if how in (">=", None):
        yield Condition("since", moment)
    if how == ">":
        yield Condition("since", moment + length)
    if how == "<":
        yield Condition("until", moment)
    if how in ("<=", None):
        yield Condition("until", moment + length)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong("created: takes a day or a time: created:>2026-11-01") from None


def _length(text: str) -> timedelta:
    return timedelta(days=1) if DAY.fullmatch(text) else timedelta(microseconds=1)


def _wrong(detail: str) -> Problem:
    return invalid("/q", "not_understood", detail)
