"""The published documents as files: `docs/` in a checkout, a folder of the package when installed."""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shared.docs import asyncapi, event_schema, openapi
from shared.service import Service


@dataclass(frozen=True)
class PublishedDocuments:
    """`openapi` and `asyncapi` as JSON objects, `events` by type, `embed_samples` by file name: the programs of the embedding guide."""

    openapi: dict[str, Any]
    asyncapi: dict[str, Any]
    events: dict[str, dict[str, Any]]
    embed_samples: dict[str, str]


def documents_folder() -> Path:
    checkout = Path(__file__).parent.parent / "docs"
    return checkout if (checkout / "openapi.json").exists() else Path(__file__).parent / "documents"


def published_documents(folder: Path | None = None) -> PublishedDocuments:
    """Reads what was generated."""
    place = folder or documents_folder()
    return PublishedDocuments(
        openapi=orjson.loads((place / "openapi.json").read_bytes()),
        asyncapi=orjson.loads((place / "asyncapi.json").read_bytes()),
        events={
            file.name.removesuffix(".json"): orjson.loads(file.read_bytes())
            for file in sorted((place / "events").glob("*.json"))
        },
        embed_samples={file.name: file.read_text() for file in sorted((place / "guides" / "embedding").iterdir())},
    )


def product_version() -> str:
    """Of the installed distribution, or of this checkout."""
    try:
        return importlib.metadata.version("tenantry")
    except importlib.metadata.PackageNotFoundError:
        told = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
        return str(told["project"]["version"])


def generated(services: Sequence[Service]) -> Iterator[tuple[str, bytes]]:
    """Every generated file: its path below `docs/`, and its content."""
    yield "openapi.json", _json(openapi(services))
    yield "asyncapi.json", _json(asyncapi(services))
    events = {event.TYPE: event for service in services for event in service.publishes}
    for name, event in sorted(events.items()):
        yield f"events/{name}.json", _json(event_schema(event))


def write_documents(services: Sequence[Service], folder: Path) -> list[str]:
    """Writes what changed, removes event schemas that are gone, and returns the names of both."""
    changed = []
    wanted = dict(generated(services))
    for name, content in wanted.items():
        file = folder / name
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            changed.append(name)
    for file in (folder / "events").glob("*.json"):
        if f"events/{file.name}" not in wanted:
            file.unlink()
            changed.append(f"events/{file.name}")
    return changed


def _json(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"
