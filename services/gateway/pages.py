"""Pages for people, made from the published documents: self-contained, without a line of script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from services.gateway.documents import hearers
from shared.errors import KINDS, Kind
from shared.mailbox import StoredMail
from shared.published import PublishedDocuments
from shared.samples import example_of
from shared.service import Answer

FOLDER = Path(__file__).parent / "pages"
METHODS = ("get", "post", "put", "patch", "delete")
LINK = re.compile(r"https?://[^\s<>\"]+")


class Pages:
    """Renders pages. Those of the documents are made when they are first asked for, and kept."""

    def __init__(self, docs: PublishedDocuments) -> None:
        self._docs = docs
        self._styles = (FOLDER / "page.css").read_text()
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.globals["styles"] = Markup(self._styles)  # noqa: S704 our own file
        self._templates.filters |= {"linked": _linked, "prose": _prose, "type": _type_of, "fields": _fields_of}
        digest = base64.b64encode(hashlib.sha256(self._styles.encode()).digest()).decode()
        self._policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    def answer(self, page: str) -> Answer[Any]:
        """A page, with the policy that lets it do nothing but be read."""
        return Answer(
            page, headers={"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": self._policy}
        )

    @cached_property
    def operations(self) -> str:
        """The API: every operation, by service."""
        by_service: dict[str, list[dict[str, Any]]] = {}
        for path, methods in self._docs.openapi["paths"].items():
            for method in METHODS:
                if method in methods:
                    operation = {"method": method.upper(), "path": path, **methods[method]}
                    by_service.setdefault(operation["x-tenantry"]["service"], []).append(operation)
        by_service["gateway"] = by_service.pop("gateway", [])  # what it adds comes after what it is for
        shapes = self._docs.openapi["components"]["schemas"]
        return self._page(
            "operations", info=self._docs.openapi["info"], services=by_service, shapes=shapes, kinds=KINDS
        )

    @cached_property
    def events(self) -> str:
        """The catalogue: every event, by who says it."""
        by_source: dict[str, list[dict[str, Any]]] = {}
        for name in sorted(self._docs.events):
            sources = self._sources(name)
            heard_by = sorted(set().union(*(hearers(self._docs, source, name) for source in sources)))
            schema = self._docs.events[name]
            event = {
                "type": name,
                "schema": schema,
                "sources": sources,
                "heard_by": heard_by,
                "versions": self._versions(name),
                "example": json.dumps(example_of(schema), indent=2),
            }
            by_source.setdefault(name.partition(".")[0], []).append(event)
        return self._page("events", sources=by_source)

    def problem(self, code: str, kind: Kind) -> str:
        return self._page("problem", code=code, kind=kind)

    def home(self, *, mail: bool) -> str:
        return self._page("home", mail=mail)

    def mails(self, mails: Sequence[StoredMail]) -> str:
        return self._page("mails", mails=mails)

    def mail(self, mail: StoredMail) -> str:
        return self._page("mail", mail=mail)

    def mail_previews(self, previews: Sequence[Any]) -> str:
        return self._page("mail_previews", previews=previews)

    def _versions(self, event_type: str) -> list[tuple[str, str]]:
        """All versions of what an event says: `v1` and its type, and so on. The old ones are published beside the new one."""
        stem = event_type.rpartition(".")[0]
        found = [name for name in self._docs.events if name.rpartition(".")[0] == stem]
        return [(name.rpartition(".")[2], name) for name in sorted(found, key=lambda one: int(one.rpartition(".v")[2]))]

    def _sources(self, event_type: str) -> list[str]:
        """Who says an event: its owner, or, for a task, whoever asks for it."""
        operations = self._docs.asyncapi["operations"].values()
        said = (o for o in operations if o["action"] == "send" and o["channel"]["$ref"].endswith(event_type))
        return sorted({operation["tags"][0]["name"] for operation in said})

    def _page(self, name: str, **facts: Any) -> str:
        return self._templates.get_template(f"{name}.html").render(**facts)


def _linked(text: str) -> Markup:
    """Text whose addresses can be clicked."""
    pieces: list[Markup] = []
    at = 0
    for found in LINK.finditer(text):
        address = escape(found[0].rstrip(".,;)"))
        pieces += [escape(text[at : found.start()]), Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(address)]
        at = found.start() + len(found[0].rstrip(".,;)"))
    return Markup("").join([*pieces, escape(text[at:])])


def _prose(text: str) -> Markup:
    """Text whose `code` is set as code."""
    pieces = re.split(r"`([^`]+)`", text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else escape(p) for n, p in enumerate(pieces))


def _type_of(schema: Mapping[str, Any]) -> Markup:
    """A schema in a few words; shapes are linked."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return Markup('<a href="#shape-{0}">{0}</a>').format(name)
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    if "enum" in schema:
        return Markup(" · ").join(Markup("<code>{}</code>").format(one) for one in schema["enum"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return Markup(" or ").join(dict.fromkeys(_type_of(one) for one in schema[several]))
    if schema.get("type") == "array":
        return Markup("list of {}").format(_type_of(schema.get("items", {})))
    if isinstance(schema.get("additionalProperties"), Mapping) and schema["additionalProperties"]:
        return Markup("map to {}").format(_type_of(schema["additionalProperties"]))
    kind = schema.get("type", "any")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return escape(f"{words} ({schema['format']})" if "format" in schema else words)


def _fields_of(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        notes = [_limit_of(field), str(field.get("description", ""))]
        yield {"name": name, "schema": field, "required": name in required, "note": " ".join(n for n in notes if n)}


def _limit_of(field: Mapping[str, Any]) -> str:
    limits = {
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minimum": "≥ {}",
        "maximum": "≤ {}",
    }
    said = [words.format(field[name]) for name, words in limits.items() if name in field]
    if field.get("default") not in (None, "", [], {}):
        said.append(f"default `{field['default']}`")
    return f"{', '.join(said)}." if said else ""
