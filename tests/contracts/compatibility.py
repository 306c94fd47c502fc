"""What a released event schema promises to its readers, and how a newer one may break it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def breaks(old: Schema, new: Schema) -> list[str]:
    """Everything that a reader of the old schema could trip over in what the new one writes; empty when there is nothing.

    Optional fields may be added, and enumerations and limits may grow only where nobody relies on them: not at all.
    """
    return sorted(_breaks(old, new, old, new, ""))


def _breaks(old: Schema, new: Schema, old_root: Schema, new_root: Schema, at: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    if kinds := _kinds(new, new_root) - _kinds(old, old_root):
        yield f"{at or '/'} may now be {', '.join(sorted(kinds))}"
        return
    for keyword in ("const", "format"):
        if keyword in old and old[keyword] != new.get(keyword):
            yield f"{at or '/'} has another {keyword}"
    if "enum" in old and (more := [value for value in new.get("enum", [None]) if value not in old["enum"]]):
        yield f"{at or '/'} has new values {more}"
    for name, field in old.get("properties", {}).items():
        inside = f"{at}/{name}"
        if name not in new.get("properties", {}):
            yield f"{inside} is gone"
            continue
        if name in old.get("required", ()) and name not in new.get("required", ()):
            yield f"{inside} is no longer always there"
        yield from _breaks(field, new["properties"][name], old_root, new_root, inside)
    if isinstance(old.get("items"), Mapping):
        yield from _breaks(old["items"], new.get("items", {}), old_root, new_root, f"{at}/*")
    for one, other in zip(_variants(old), _variants(new), strict=False):
        yield from _breaks(one, other, old_root, new_root, at)


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _variants(schema: Schema) -> list[Schema]:
    return [one for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())) if one.get("type") != "null"]


def _kinds(schema: Schema, root: Schema) -> set[str]:
    schema = _resolved(schema, root)
    if variants := (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        return set().union(*(_kinds(one, root) for one in variants))
    kind = schema.get("type")
    if kind is None:
        return set() if "const" in schema or "enum" in schema else {"anything"}
    return {kind} if isinstance(kind, str) else set(kind)
