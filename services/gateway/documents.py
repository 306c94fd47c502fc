"""The published documents that the gateway serves and routes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shared.docs import asyncapi, event_schema, openapi
from shared.outbox import routing_key
from shared.service import Service


@dataclass(frozen=True)
class PublishedDocs:
    """OpenAPI, AsyncAPI and the JSON Schema of each event by its type."""

    openapi: Mapping[str, Any]
    asyncapi: Mapping[str, Any]
    events: Mapping[str, Any]

    @classmethod
    def of(cls, services: Sequence[Service]) -> PublishedDocs:
        """Generated from the code of all services."""
        events = {event.TYPE: event_schema(event) for service in services for event in service.publishes}
        return cls(openapi(services), asyncapi(services), events)

    @classmethod
    def read(cls, folder: Path) -> PublishedDocs:
        """As generated before: `openapi.json`, `asyncapi.json` and `events/*.json`."""
        schemas = {path.stem: orjson.loads(path.read_bytes()) for path in sorted((folder / "events").glob("*.json"))}
        return cls(
            orjson.loads((folder / "openapi.json").read_bytes()),
            orjson.loads((folder / "asyncapi.json").read_bytes()),
            schemas,
        )

    @property
    def services(self) -> list[str]:
        """Who answers public routes."""
        operations = (operation for methods in self.openapi["paths"].values() for operation in methods.values())
        return sorted({operation["x-tenantry"]["service"] for operation in operations})

    def hearers(self, source: str, event_type: str) -> set[str]:
        """Which services hear an event of that source."""
        channel = f"#/channels/{routing_key(source, event_type)}"
        return {
            operation["tags"][0]["name"]
            for operation in self.asyncapi["operations"].values()
            if operation["action"] == "receive" and operation["channel"]["$ref"] == channel
        }
