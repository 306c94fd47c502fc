"""The published language: the envelope (CloudEvents 1.0, structured JSON) and what every event class has in common.

One module per owner, one class per event and version. A class is validator, JSON Schema and AsyncAPI entry at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Self

import orjson
from pydantic import BaseModel, ConfigDict

from shared.ids import OrgId, UserId

CONTENT_TYPE = "application/cloudevents+json"
ERASED_EVENT = "{}.event.erased.v1"  # stands, without data, where an event of an erased organization was


class Shape(BaseModel):
    """A part of an event: frozen; what a newer producer added is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Shape):
    """A fact in the past tense. `TYPE` is a literal; the field named `SUBJECT` orders the events and is not repeated in `data`."""

    TYPE: ClassVar[str]
    SUBJECT: ClassVar[str]

    @property
    def subject(self) -> str:
        return str(getattr(self, self.SUBJECT))

    def data(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={self.SUBJECT})

    @classmethod
    def read(cls, envelope: Envelope) -> Self:
        return cls.model_validate({**envelope.data, cls.SUBJECT: envelope.subject})


class OrgEvent(Event):
    """Something that happened in an organization; ordered by it."""

    SUBJECT: ClassVar[str] = "org_id"
    org_id: OrgId


class PersonEvent(Event):
    """Something that happened to a person; ordered by the person."""

    SUBJECT: ClassVar[str] = "user_id"
    user_id: UserId


@dataclass(frozen=True)
class Envelope:
    """CloudEvents attributes with our extensions. `sequence` is gapless per (source, subject) and 0 until commit.

    `actor_amr` tells how a person who acts had signed in (RFC 8176), `source_ip` from where; events that follow from that carry it on.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any]
    sequence: int = 0
    org_id: str | None = None
    actor_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    actor_amr: tuple[str, ...] = ()
    source_ip: str | None = None
    replayed: bool = field(default=False, compare=False)

    @property
    def is_sample(self) -> bool:
        """Whether it was made up to try a receiver out: what really happened has a number."""
        return self.sequence == 0

    def around_sequence(self) -> tuple[str, str]:
        """The JSON before and after the sequence number, so that SQL can put it in without reading the JSON."""
        head = {
            "specversion": "1.0",
            "id": self.id,
            "source": f"/services/{self.source}",
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": f"/schemas/events/{self.type}.json",
        }
        extensions = {
            "orgid": self.org_id,
            "actorid": self.actor_id,
            "actoramr": " ".join(self.actor_amr) or None,
            "sourceip": self.source_ip,
            "correlationid": self.correlation_id,
            "causationid": self.causation_id,
            "traceparent": self.traceparent,
        }
        tail = {name: value for name, value in extensions.items() if value is not None} | {"data": self.data}
        return orjson.dumps(head)[:-1].decode() + ',"sequence":', "," + orjson.dumps(tail)[1:].decode()

    def body(self) -> bytes:
        head, tail = self.around_sequence()
        return f"{head}{self.sequence}{tail}".encode()

    def numbered(self, sequence: int) -> Envelope:
        return replace(self, sequence=sequence)

    @classmethod
    def parse(cls, body: bytes) -> Envelope:
        """Reads an envelope; `ValueError` says what is wrong with it."""
        try:
            raw = orjson.loads(body)
        except orjson.JSONDecodeError as broken:
            raise ValueError(f"not JSON: {broken}") from None
        if not isinstance(raw, dict) or raw.get("specversion") != "1.0":
            raise ValueError("not a CloudEvents 1.0 envelope")
        if "tenantry" in raw:
            raise ValueError("an event that calls itself a signal")
        try:
            return cls(
                id=_text(raw, "id"),
                source=_text(raw, "source").removeprefix("/services/"),
                type=_text(raw, "type"),
                subject=_text(raw, "subject"),
                time=_moment(raw, "time"),
                data=_object(raw, "data"),
                sequence=_whole(raw, "sequence"),
                org_id=_text_or_none(raw, "orgid"),
                actor_id=_text_or_none(raw, "actorid"),
                correlation_id=_text_or_none(raw, "correlationid"),
                causation_id=_text_or_none(raw, "causationid"),
                traceparent=_text_or_none(raw, "traceparent"),
                actor_amr=tuple((_text_or_none(raw, "actoramr") or "").split()),
                source_ip=_text_or_none(raw, "sourceip"),
            )
        except KeyError as missing:
            raise ValueError(f"the attribute {missing} is missing") from None


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw[name]
    if not isinstance(value, str) or not value or "\x00" in value:
        raise ValueError(f"{name} must be text")
    return value


def _text_or_none(raw: dict[str, Any], name: str) -> str | None:
    return None if raw.get(name) is None else _text(raw, name)


def _moment(raw: dict[str, Any], name: str) -> datetime:
    moment = datetime.fromisoformat(_text(raw, name))
    if moment.tzinfo is None:
        raise ValueError(f"{name} must say its offset from UTC")
    return moment


def _object(raw: dict[str, Any], name: str) -> dict[str, Any]:
    value = raw[name]
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object")
    return value


def _whole(raw: dict[str, Any], name: str) -> int:
    value = raw[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"{name} must be a whole number")
    return value
