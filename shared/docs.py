"""The published documents, generated from the code: OpenAPI 3.1 for the gateway, AsyncAPI 3.0 and a JSON Schema per event."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from shared.errors import KINDS, Problem
from shared.events import Event
from shared.service import ANY_KEY, Answer, Consumer, Route, Service
from shared.web.scim import MEDIA as SCIM

REF = "#/components/schemas/{model}"
JSON = "application/json"
VERSION = "1.0.0"


def openapi(services: Sequence[Service]) -> dict[str, Any]:
    """One document for all public routes. `x-tenantry` names the service, the action and who may take it: the gateway routes by it."""
    routes = [
        (service, route) for service in services for route in service.routes if not route.path.startswith("/internal/")
    ]
    asked = {(route.message, "validation") for _, route in routes}
    answered = {(_answer_model(route), "serialization") for _, route in routes}
    wanted: set[Any] = {pair for pair in asked | answered if _is_model(pair[0])}
    references, definitions = models_json_schema(
        sorted(wanted, key=lambda pair: (pair[0].__name__, pair[1])), ref_template=REF
    )
    schemas = dict(definitions.get("$defs", {}))
    paths: dict[str, Any] = {}
    for service, route in sorted(routes, key=lambda pair: (pair[1].path, pair[1].method)):
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(service, route, references, schemas)
    _drop_unused(schemas, paths)
    schemas["Problem"] = PROBLEM
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tenantry",
            "version": VERSION,
            "summary": "The organization back office of a B2B analytics product.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {
                "Problem": {
                    "description": "Refused (RFC 9457); `code` is stable and explained at `type`",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
                "ScimError": {
                    "description": "Refused (RFC 7644, 3.12)",
                    "content": {SCIM: {"schema": SCIM_ERROR}},
                },
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-session"},
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "tky_…",
                    "description": "An API key of the organization (`POST /v1/api-keys`) that has the scope named; for `scim:provision`, a provisioning token (`POST /v1/scim-tokens`).",
                },
            },
        },
    }


def asyncapi(services: Sequence[Service]) -> dict[str, Any]:
    """Every event: who publishes it, who hears it, its schema."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for service in services:
        for event in service.publishes:
            messages[event.TYPE] = {
                "name": event.TYPE,
                "contentType": "application/cloudevents+json",
                "summary": _summary(event),
                "payload": {"$ref": f"events/{event.TYPE}.json"},
            }
            address = event.TYPE if event.TYPE.startswith(f"{service.name}.") else f"{service.name}.{event.TYPE}"
            channels[address] = {
                "address": address,
                "messages": {event.TYPE: {"$ref": f"#/components/messages/{event.TYPE}"}},
            }
            operations[f"{service.name} sends {event.TYPE}"] = {
                "action": "send",
                "channel": {"$ref": f"#/channels/{address}"},
                "tags": [{"name": service.name}],
            }
    for service in services:
        for consumer in service.consumers:
            for address in sorted(channels):
                if _hears(service, consumer, address):
                    operations[f"{service.name} {consumer.name} {address}"] = {
                        "action": "receive",
                        "channel": {"$ref": f"#/channels/{address}"},
                        "tags": [{"name": service.name}],
                    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Tenantry events", "version": VERSION, "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/cloudevents+json",
        "channels": dict(sorted(channels.items())),
        "operations": dict(sorted(operations.items())),
        "components": {"messages": dict(sorted(messages.items()))},
    }


def _hears(service: Service, consumer: Consumer, address: str) -> bool:
    if consumer.event is None:
        return address.partition(".")[0] in service.sources
    return address.endswith(consumer.event.TYPE)


def event_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of an event's whole envelope."""
    data = TypeAdapter(event).json_schema(mode="serialization", ref_template="#/$defs/{model}")
    defs = data.pop("$defs", {})
    subject = data.get("properties", {}).pop(event.SUBJECT, {})
    data["required"] = [name for name in data.get("required", []) if name != event.SUBJECT]
    text = {"type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/schemas/events/{event.TYPE}.json",
        "title": event.TYPE,
        "description": _summary(event),
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text,
            "source": text,
            "type": {"const": event.TYPE},
            "subject": {**subject, "title": event.SUBJECT},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "dataschema": text,
            "sequence": {"type": "integer", "minimum": 1, "description": "gapless per (source, subject)"},
            "orgid": text,
            "actorid": {**text, "description": "a person, or `service:…`"},
            "actoramr": {**text, "description": "how the person had signed in: words of RFC 8176, with spaces between"},
            "sourceip": {**text, "description": "the address that the person acted from"},
            "correlationid": text,
            "causationid": text,
            "traceparent": text,
            "data": data,
        },
        "$defs": defs,
    }


PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "the request's id"},
        "code": {"type": "string", "description": "stable: " + ", ".join(sorted(KINDS))},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    **{n: {"type": "string"} for n in ("pointer", "code", "detail")},
                    "meta": {"type": "object", "description": "the facts that `detail` names: limits, names"},
                },
            },
        },
        "meta": {
            "type": "object",
            "description": "the facts that `detail` names, and others; `because`, stable like `code`, tells apart the details of one code",
            "properties": {"because": {"type": "string"}},
        },
        "remedy": {"type": "array", "items": {"type": "string"}},
    },
}


SCIM_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["schemas", "status"],
    "properties": {
        "schemas": {"type": "array", "items": {"type": "string"}},
        "status": {"type": "string"},
        "scimType": {"type": "string"},
        "detail": {"type": "string"},
    },
}


def _operation(service: Service, route: Route, references: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    in_path = re.findall(r"{(\w+)}", route.path)
    shape = schemas[references[route.message, "validation"]["$ref"].rpartition("/")[2]]
    properties: dict[str, Any] = shape.get("properties", {})
    required = set(shape.get("required", []))
    in_query = [name for name in properties if name not in in_path and (not route.writes or name in route.query)]
    in_body = [name for name in properties if name not in in_path and name not in in_query]
    summary, _, description = (route.use_case.__doc__ or "").strip().partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": f"{service.name}_{route.use_case.__name__}",
        "summary": " ".join(summary.split()),
        "tags": [service.name],
        "parameters": [
            *(
                {"name": n, "in": "path", "required": True, "schema": properties.get(n, {"type": "string"})}
                for n in in_path
            ),
            *({"name": n, "in": "query", "required": n in required, "schema": properties[n]} for n in in_query),
            *_header_parameters(route),
        ],
        "responses": {
            str(route.status): _success(route, references),
            "default": {"$ref": f"#/components/responses/{'ScimError' if route.media == SCIM else 'Problem'}"},
        },
        "security": [] if route.may.anyone else [{"bearer": []}, {"session": []}, *_by_key(route)],
        "x-tenantry": {"service": service.name, "action": route.may.action, "roles": _who(route), "fresh": route.fresh},
    }
    if route.key is not None:
        operation["x-tenantry"]["key"] = route.key
    if route.signed_by:
        operation["x-tenantry"]["signed_by"] = route.signed_by
    if route.cookie is not None:
        operation["x-tenantry"]["cookie"] = route.cookie
    if route.body_bytes != Route.body_bytes:
        operation["x-tenantry"]["body_bytes"] = route.body_bytes
    if route.while_closed:
        operation["x-tenantry"]["while_closed"] = True
    told = [" ".join(description.split())] if description else []
    if route.writes and route.unrecorded:
        told.append("An `Idempotency-Key` is ignored: a secret is in the request or its answer, and none is kept.")
    if told:
        operation["description"] = " ".join(told)
    if route.signed_by:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": {"type": "object"}}}}
    elif in_body or (route.writes and shape.get("additionalProperties")):
        body = {
            "type": "object",
            "additionalProperties": route.lenient or bool(shape.get("additionalProperties", False)),
            "properties": {n: properties[n] for n in in_body},
            "required": [n for n in in_body if n in required],
        }
        media = "application/merge-patch+json" if route.method == "PATCH" and route.media != SCIM else JSON
        media = SCIM if route.media == SCIM else media
        content = {JSON: {"schema": body}} | ({media: {"schema": body}} if media != JSON else {})
        if route.form:
            content = {"application/x-www-form-urlencoded": {"schema": body}}
        operation["requestBody"] = {"required": bool(body["required"]), "content": content}
    return operation


def _by_key(route: Route) -> list[dict[str, list[str]]]:
    if route.key is None:
        return []
    return [{"api_key": [] if route.key == ANY_KEY else [route.key]}]


def _who(route: Route) -> str | list[str]:
    if route.may.anyone:
        return "anyone"
    return "person" if route.may.person else sorted(route.may.roles)


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    headers: list[tuple[str, bool, str]] = []
    if route.writes and not route.unrecorded:
        headers.append(
            (
                "Idempotency-Key",
                route.needs_key,
                "A repetition with the same key has one effect and gets the same answer; kept 7 days.",
            )
        )
    if route.signed_by:
        headers.append((route.signed_by, True, "The sender's signature of the body, byte by byte."))
    if route.writes and route.if_match:
        headers.append(("If-Match", True, "The ETag that was read."))
    if not route.writes:
        headers.append(
            (
                "Tenantry-After",
                False,
                "An event id (`Tenantry-Change` of a write): the answer is never older than that.",
            )
        )
    return [
        {"name": name, "in": "header", "required": needed, "description": why, "schema": {"type": "string"}}
        for name, needed, why in headers
    ]


def _success(route: Route, references: Any) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "Done" if route.writes else "The answer"}
    if route.writes:
        response["headers"] = {
            "Tenantry-Change": {
                "description": "the id of the last event that this write caused",
                "schema": {"type": "string"},
            }
        }
    model = _answer_model(route)
    if route.media == "text/event-stream":
        response["content"] = {route.media: {"schema": {"type": "string"}}}
    elif _is_model(model):
        response["content"] = {route.media: {"schema": references[model, "serialization"]}}
    elif model is not None and model is not type(None):
        response["content"] = {route.media: {"schema": TypeAdapter(model).json_schema(ref_template=REF)}}
    return response


def _answer_model(route: Route) -> Any:
    answer = route.answer
    if get_origin(answer) in (Union, UnionType):
        answer = next((option for option in get_args(answer) if option not in (Problem, NoneType)), None)
    return get_args(answer)[0] if get_origin(answer) is Answer else answer


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel)


def _drop_unused(schemas: dict[str, Any], paths: dict[str, Any]) -> None:
    used: set[str] = set()
    todo = _references(paths)
    while todo:
        name = todo.pop()
        if name not in used and name in schemas:
            used.add(name)
            todo |= _references(schemas[name])
    for name in set(schemas) - used:
        del schemas[name]


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        found = {str(node["$ref"]).rpartition("/")[2]} if "$ref" in node else set()
        return found.union(*(_references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_references(item) for item in node))
    return set()


def _summary(event: type[Event]) -> str:
    own = event.__doc__ if "__doc__" in vars(event) else None
    return " ".join((own or event.TYPE.split(".")[1] + " " + event.TYPE.split(".")[2].replace("_", " ")).split())
