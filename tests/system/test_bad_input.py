"""What bad input gets: every field of every route with every nasty value, and no answer that isn't a proper refusal."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from shared.cli.demo.api import EXPIRED, Person
from shared.web.address import Address
from shared.web.client import Client
from tests.system.whole import Cast, WholeProduct, a_cast
from tests.world import Reply

NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**200, 0.5, "", " ", "\x00", "a\x00b", "\u202e", "\u200b", "\U0001f9ff", "x" * 300, "'; drop table members; --",
    "=1+1", "<script>alert(1)</script>", "../../etc/passwd", "usr_00000000000000000000000000", [], ["x"], [None], {}, {"a": {}}, [[[]]],
)  # fmt: skip
PATHS = ("x", "%00", "%F0%9F%A7%BF", "..", "%2e%2e", "a%2fb", "usr_" + "z" * 26, "x" * 3000, "-1", "null", "'", "tms_x")
RAW = (
    b"{", b"", b"[]", b"null", b'{"a": 1, "a": 2}', b'{"a": NaN}', b'"text"', b"\xff\xfe", b'{"a": "\\ud800"}', b"[" * 10_000, b'{"a":' * 10_000,
)  # fmt: skip
INTERNALS = re.compile(
    r"Traceback|asyncpg|pydantic|psycopg|\.py\b|select \*|insert into|/usr/|site-packages", re.IGNORECASE
)


@pytest.fixture(scope="module")
async def cast(product: WholeProduct) -> Cast:
    return await a_cast(product.gateway)


@pytest.fixture(scope="module")
async def document(product: WholeProduct) -> dict[str, Any]:
    found: dict[str, Any] = (await product.gateway.send("GET", "/openapi.json")).ok()
    return found


def check(reply: Reply, what: str) -> None:
    assert reply.status < 500 or reply.status == 503, f"{what}: {reply.status} {reply.body[:500]!r}"
    if reply.status >= 400:
        kinds = {"application/problem+json"} | ({"application/scim+json"} if " /scim/v2/" in what else set())
        assert reply.headers["content-type"] in kinds, what
        assert not INTERNALS.search(reply.body.decode()), f"{what}: {reply.body[:500]!r}"


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """All of them; of an answer without an end, the head alone is asked for."""
    return [
        ("HEAD" if "text/event-stream" in str(operation["responses"]) else m.upper(), path, operation)
        for path, methods in document["paths"].items()
        for m, operation in methods.items()
    ]


async def test_no_field_with_any_value_gets_more_than_a_refusal(cast: Cast, document: dict[str, Any]) -> None:
    asked = 0
    for method, path, operation in operations(document):
        target = re.sub(r"{\w+}", "usr_00000000000000000000000000", path)
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        for name in schema.get("properties", {}):
            for value in NASTY:
                check(await ask(cast.admin, method, target, {name: value}), f"{method} {path} {name}={value!r}"[:200])
                asked += 1
        if path == "/v1/organization/closure":  # one of the values is its name by now, which isn't bad input
            await ask(cast.admin, "DELETE", path)
        for parameter in (one["name"] for one in operation["parameters"] if one["in"] == "query"):
            for value in NASTY:
                text = quote(str(value).encode("utf-8", "surrogatepass"))
                check(
                    await ask(cast.admin, method, f"{target}?{parameter}={text}"),
                    f"{method} {path}?{parameter}={text}"[:200],
                )
                asked += 1
    assert asked > 1000


async def test_no_path_and_no_body_that_is_not_json_gets_more_than_a_refusal(
    cast: Cast, document: dict[str, Any]
) -> None:
    for method, path, operation in operations(document):
        if "{" in path:
            for value in PATHS:
                target = re.sub(r"{\w+}", value, path)
                check(
                    await ask(cast.admin, method, target, {} if method != "GET" else None), f"{method} {target}"[:200]
                )
        if "requestBody" in operation:
            for raw in RAW:
                reply = await ask(cast.admin, method, re.sub(r"{\w+}", "x", path), raw=raw)
                check(reply, f"{method} {path} {raw[:30]!r}")


async def test_what_a_front_end_may_send_wrongly_has_the_published_code(cast: Cast, product: WholeProduct) -> None:
    expected = yaml.safe_load("""
        - [POST, /v1/groups, '{"name": "a", "name": "b"}', 400, malformed_request]
        - [POST, /v1/groups, '{"name": "\\u202eevil"}', 422, invalid]
        - [POST, /v1/groups, '{"name": "x", "admin": true}', 422, invalid]
        - [POST, /v1/groups, '{"name": 9223372036854775808}', 422, invalid]
        - [POST, /v1/invitations, '{"email": "a@gmail.com", "role": "viewer"}', 422, invalid]
        - [POST, /v1/invitations, '{"email": "not-an-address", "role": "viewer"}', 422, invalid]
        - [GET, /v1/users/../organization, null, 400, malformed_request]
        - [GET, //v1/me, null, 400, malformed_request]
        - [GET, /v1/me%2fsessions, null, 400, malformed_request]
        - [GET, /internal/capabilities, null, 404, not_found]
        - [GET, /v1/nothing-here, null, 404, not_found]
        - [PUT, /v1/groups, null, 405, method_not_allowed]
    """)
    for method, path, body, status, code in expected:
        raw = body.encode() if body else None
        reply = await ask(cast.admin, method, path, raw=raw)
        assert (reply.status, reply.code) == (status, code), f"{method} {path} {body}: {reply}"


async def ask(person: Person, method: str, target: str, body: Any = None, *, raw: bytes | None = None) -> Reply:
    """As a hostile client would: the address goes out as it is written. Who asks for so long that their token expires signs in again."""
    reply = await asked(person, method, target, body, raw)
    if reply.status == 401 and EXPIRED.encode() in reply.body:
        await person.sign_in(quietly=True)
        reply = await asked(person, method, target, body, raw)
    return reply


async def asked(person: Person, method: str, target: str, body: Any, raw: bytes | None) -> Reply:
    content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    headers = {
        "Authorization": f"Bearer {person.token}",
        "Content-Type": "application/json",
        "If-Match": "*",
        "Idempotency-Key": secrets.token_hex(8),
    }
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    client = Client(Address.parse(person.gateway.url.replace("http://", "tcp://")))
    try:
        answer = await client.send(method, target, sent, content, deadline=15)
    finally:
        await client.close()
    return Reply(answer.status, {k.decode().lower(): v.decode() for k, v in answer.headers}, answer.body)
