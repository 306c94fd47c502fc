"""Values that a JSON Schema allows: for samples of events in tests, and for the example in the catalogue."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from shared.ids import ALPHABET, new_id

BY_FORMAT = {
    "date-time": "2026-11-20T10:02:11Z",
    "date": "2026-11-20",
    "email": "ana@example.com",
    "uri": "https://example.com/",
}

BY_NAME = {"email": "ana@example.com"}

MakeId = Callable[[str], str]


def made_up(
    schema: Mapping[str, Any], known: Mapping[str, Any], *, whole: bool = False, make_id: MakeId = new_id
) -> Any:
    """A value that the schema allows; of an object only what it requires, or all it may have. `known` are its `$defs`."""
    if "$ref" in schema:
        return made_up(known[schema["$ref"].rpartition("/")[2]], known, whole=whole, make_id=make_id)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return made_up(choices[0], known, whole=whole, make_id=make_id)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            names = properties if whole else schema.get("required", ())
            made = {name: made_up(properties[name], known, whole=whole, make_id=make_id) for name in names}
            return made | {
                name: BY_NAME[name] for name, value in made.items() if value == "Example" and name in BY_NAME
            }
        case "array":
            least = schema.get("minItems", 1 if whole else 0)
            return [made_up(schema["items"], known, whole=whole, make_id=make_id) for _ in range(least)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "string":
            return _text(schema, make_id)
    return None


def example_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An envelope of an event, whose schema this is, as it is on the wire; the same every time."""
    kind = schema["title"]
    source = kind.partition(".")[0]
    about = made_up(schema["properties"]["subject"], {}, make_id=always_the_same)
    of_organization = {"orgid": about} if schema["properties"]["subject"]["title"] == "org_id" else {}
    return {
        "specversion": "1.0",
        "id": always_the_same("evt"),
        "source": f"/services/{source}",
        "type": kind,
        "subject": about,
        "time": "2026-11-20T10:02:11.123456Z",
        "datacontenttype": "application/json",
        "dataschema": f"/schemas/events/{kind}.json",
        "sequence": 4711,
        **of_organization,
        "actorid": always_the_same("usr"),
        "correlationid": "6f1c9a52d0b84e7f93a1c2d4",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": made_up(schema["properties"]["data"], schema.get("$defs", {}), whole=True, make_id=always_the_same),
    }


def always_the_same(prefix: str) -> str:
    """An id that looks like any other of its kind."""
    digest = hashlib.sha256(prefix.encode()).digest()
    return f"{prefix}_01k{''.join(ALPHABET[byte % 32] for byte in digest[:23])}"


def _text(schema: Mapping[str, Any], make_id: MakeId) -> str:
    if schema.get("pattern") == "^[A-Z]{3}$":
        return "EUR"
    if is_id := re.match(r"^\^\(?([a-z]{2,4})[_|]", schema.get("pattern", "")):
        return make_id(is_id[1])
    return BY_FORMAT.get(schema.get("format", ""), "Example")
