"""The published documents: fresh, valid, complete, and never broken for those who rely on them."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.launcher import PRODUCT
from shared.docs import asyncapi, event_schema, openapi
from shared.events import Envelope, Event
from shared.published import generated
from shared.samples import example_of
from shared.service import Service
from tests.contracts.compatibility import breaks
from tests.contracts.source import ROOT

DOCS = ROOT / "docs"
RELEASED = DOCS / "events" / "released"
SECRET = re.compile(r"(password|token|secret|hash|recovery_code|totp|otp)s?$")
NAMES_OF_THINGS = {"secret_id", "embed_secret", "previous_secret_id", "has_password", "requires_secret"}


def services() -> list[Service]:
    try:
        return PRODUCT.documented()
    except ModuleNotFoundError as missing:
        pytest.skip(f"not all services are there: {missing}")


def events() -> list[type[Event]]:
    return sorted({event for service in services() for event in service.publishes}, key=lambda event: event.TYPE)


def released() -> dict[str, dict[str, Any]]:
    return {file.name.removesuffix(".json"): orjson.loads(file.read_bytes()) for file in RELEASED.glob("*.json")}


def test_the_documents_are_fresh() -> None:
    wanted = dict(generated(services()))
    stale = [name for name, content in wanted.items() if not _same(name, content)]
    assert not stale, f"run ./tenantry docs: {', '.join(stale)}"
    gone = {f"events/{file.name}" for file in (DOCS / "events").glob("*.json")} - set(wanted)
    assert not gone, f"run ./tenantry docs: {', '.join(sorted(gone))} shouldn't be there"


def _same(name: str, content: bytes) -> bool:
    file = DOCS / name
    return file.exists() and file.read_bytes() == content


def test_the_openapi_document_is_valid() -> None:
    document = orjson.loads(orjson.dumps(openapi(services())))
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_operation_says_what_it_does_who_may_and_how_it_refuses() -> None:
    found = []
    for path, methods in openapi(services())["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            if not operation["summary"].endswith((".", "?")):
                found.append(f"{name}: its summary isn't a sentence: {operation['summary']!r}")
            refusals = "ScimError" if path.startswith("/scim/") else "Problem"
            if operation["responses"].get("default") != {"$ref": f"#/components/responses/{refusals}"}:
                found.append(f"{name}: nothing is said about refusals")
            if not operation["x-tenantry"]["action"]:
                found.append(f"{name}: its action has no name")
    assert not found, "\n".join(found)


def test_no_operation_is_there_twice_and_none_is_internal() -> None:
    document = openapi(services())
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert sorted(ids) == sorted(set(ids))
    assert not [path for path in document["paths"] if path.startswith("/internal")]
    routes = [(r.method, r.path) for s in services() for r in s.routes if not r.path.startswith("/internal")]
    assert sorted(routes) == sorted(set(routes))


def test_every_use_case_says_what_it_does() -> None:
    functions = [route.use_case for service in services() for route in service.routes]
    functions += [job.use_case for service in services() for job in service.jobs]
    assert not sorted({f"{f.__module__}.{f.__name__}" for f in functions if not inspect.getdoc(f)})


def test_every_event_has_a_valid_schema_a_proper_type_and_a_sentence() -> None:
    for event in events():
        schema = orjson.loads(orjson.dumps(event_schema(event)))
        Draft202012Validator.check_schema(schema)
        assert re.fullmatch(r"[a-z]+\.[a-z_]+\.[a-z_]+\.v\d+", event.TYPE), event.TYPE
        module = event.__module__.rpartition(".")[2]
        owner = event.TYPE.split(".")[0] if module == "refusals" else module.partition("_")[0]  # each says its own
        assert event.TYPE.split(".")[0] == owner, event.TYPE


def test_every_event_belongs_to_one_publisher() -> None:
    publishers: dict[str, set[str]] = {}
    for service in services():
        for event in service.publishes:
            publishers.setdefault(event.TYPE, set()).add(service.name)
    tasks = {name for name in publishers if name.startswith("courier.mail.")}  # asked of courier by whoever needs it
    assert not {name: who for name, who in publishers.items() if len(who) > 1 and name not in tasks}


def test_who_hears_an_event_hears_its_publisher() -> None:
    publishers = {event: service.name for service in services() for event in service.publishes}
    for service in services():
        for consumer in service.consumers:
            if consumer.event in publishers and not consumer.event.TYPE.startswith("courier.mail."):
                assert publishers[consumer.event] in service.sources, (
                    f"{service.name} doesn't hear {consumer.event.TYPE}"
                )


def test_no_event_carries_a_secret() -> None:
    assert not [
        f"{event.TYPE}: {name}"
        for event in events()
        for name in _field_names(event_schema(event))
        if SECRET.search(name) and name not in NAMES_OF_THINGS
    ]


def _field_names(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from schema["properties"]
        for value in schema.values():
            yield from _field_names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _field_names(value)


def test_the_asyncapi_document_names_every_event_with_who_says_it() -> None:
    document = asyncapi(services())
    assert set(document["components"]["messages"]) == {event.TYPE for event in events()}
    sent = {name.split(" sends ")[1] for name in document["operations"] if " sends " in name}
    assert sent == {event.TYPE for event in events()}


@pytest.mark.parametrize("event", events(), ids=lambda event: event.TYPE)
def test_the_catalogues_example_of_every_event_is_one(event: type[Event]) -> None:
    schema = orjson.loads(orjson.dumps(event_schema(event)))
    example = example_of(schema)
    assert example == example_of(schema), "the same every time"
    Draft202012Validator(schema).validate(example)
    envelope = Envelope.parse(orjson.dumps(example))
    assert event.read(envelope).data().keys() == example["data"].keys(), "and a whole one"


def test_no_released_event_is_broken_or_gone() -> None:
    current = {event.TYPE: orjson.loads(orjson.dumps(event_schema(event))) for event in events()}
    for name, schema in released().items():
        assert name in current, f"{name} was released and is gone"
        assert breaks(schema, current[name]) == [], name


OLD: dict[str, Any] = {
    "type": "object",
    "required": ["id", "member"],
    "properties": {
        "id": {"type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "member": {"$ref": "#/$defs/Member"},
        "groups": {"type": "array", "items": {"$ref": "#/$defs/Member"}},
    },
    "$defs": {
        "Member": {
            "type": "object",
            "required": ["role"],
            "properties": {"role": {"enum": ["admin", "viewer"], "type": "string"}, "since": {"type": "integer"}},
        }
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    schema = copy.deepcopy(OLD)
    *parents, last = path.split("/")
    place: Any = schema
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return schema


def test_adding_an_optional_field_breaks_nobody() -> None:
    assert breaks(OLD, OLD) == []
    assert breaks(OLD, changed("properties/more", {"type": "string"})) == []
    assert breaks(OLD, changed("$defs/Member/properties/more", {"type": "string"})) == []
    assert breaks(OLD, changed("required", ["id", "member", "note"])) == []


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("properties/note", None, "/note is gone"),
        ("$defs/Member/properties/since", None, "/member/since is gone"),
        ("properties/id", {"type": "integer"}, "/id may now be integer"),
        ("properties/id", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "/id may now be null"),
        ("required", ["member"], "/id is no longer always there"),
        ("$defs/Member/required", [], "/member/role is no longer always there"),
        ("$defs/Member/properties/role", {"enum": ["admin", "owner"], "type": "string"}, "/member/role has new values ['owner']"),
        ("properties/groups/items", {"type": "string"}, "/groups/* may now be string"),
    ],
)  # fmt: skip
def test_what_breaks_a_reader_is_found(path: str, value: Any, what: str) -> None:
    assert what in breaks(OLD, changed(path, value))


def test_a_renamed_field_is_found() -> None:
    schema = changed("properties/note", None)
    schema["properties"]["remark"] = OLD["properties"]["note"]
    assert breaks(OLD, schema) == ["/note is gone"]
