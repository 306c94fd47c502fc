"""What the published documents say that the gateway acts on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.outbox import routing_key
from shared.published import PublishedDocuments

USUAL_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Operation:
    """One public operation: who answers it, whether it needs a credential, how large a body may be, which header signs it, and which cookie goes along.

    `while_closed`: a closed organization's Admins may do it still.
    """

    method: str
    path: str
    service: str
    anyone: bool
    body_bytes: int
    signed_by: str = ""
    cookie: str | None = None
    action: str = ""
    while_closed: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")


def operations_of(openapi: Mapping[str, Any]) -> Iterator[Operation]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            facts = operation["x-tenantry"]
            may = facts["roles"]
            reads = method in ("get", "head")
            yield Operation(
                method.upper(),
                path,
                facts["service"],
                anyone=may == "anyone",
                body_bytes=facts.get("body_bytes", USUAL_BODY_BYTES),
                signed_by=facts.get("signed_by", ""),
                cookie=facts.get("cookie"),
                action=facts["action"],
                while_closed=reads or may in ("anyone", "person") or facts.get("while_closed", False),
            )


def hearers(docs: PublishedDocuments, source: str, event_type: str) -> set[str]:
    """Which services hear an event of that source."""
    channel = f"#/channels/{routing_key(source, event_type)}"
    return {
        operation["tags"][0]["name"]
        for operation in docs.asyncapi["operations"].values()
        if operation["action"] == "receive" and operation["channel"]["$ref"] == channel
    }


def publishers(docs: PublishedDocuments) -> list[str]:
    """Which services say anything."""
    operations = docs.asyncapi["operations"].values()
    return sorted({operation["tags"][0]["name"] for operation in operations if operation["action"] == "send"})
