"""Holds what a browser asks and hears against the published API: docs/openapi.json, read by openapi-core."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from playwright.async_api import Error, Response

PUBLISHED = Path(__file__).parents[2] / "docs" / "openapi.json"
ALSO_JSON = ("application/problem+json", "application/merge-patch+json")
NEVER_JSON = ("text/event-stream", "application/pdf", "application/octet-stream", "text/csv")


@cache
def published() -> OpenAPI:
    """The API as it is published; who may ask is judged by the gateway, not here. That the document itself is sound is another test's to say."""
    document = json.loads(PUBLISHED.read_text())
    for item in document["paths"].values():
        for operation in item.values():
            operation.pop("security", None)
    readers: dict[str, Callable[[bytes], Any]] = dict.fromkeys(ALSO_JSON, json.loads)
    return OpenAPI.from_dict(document, Config(spec_validator_cls=None, extra_media_type_deserializers=readers))


@cache
def paths() -> list[re.Pattern[str]]:
    document = json.loads(PUBLISHED.read_text())
    return [re.compile(re.sub(r"\\{[^/]+\\}", "[^/]+", re.escape(path)) + "$") for path in document["paths"]]


async def breach(response: Response) -> str | None:
    """How an exchange departs from the published API; None when it keeps to it."""
    request = response.request
    parts = urlsplit(request.url)
    if not parts.path.startswith(("/v1/", "/access/")):
        return None
    said = f"{request.method} {parts.path} {response.status}"
    if not any(path.match(parts.path) for path in paths()):
        return f"{said}: not a published path"
    try:
        media = response.headers.get("content-type", "")
        body = b"" if response.status == 204 or media.startswith(NEVER_JSON) else await response.body()
    except Error:
        return None  # the page went elsewhere before it was read
    return _judged(
        said,
        MockRequest(
            f"{parts.scheme}://{parts.netloc}",
            request.method.lower(),
            parts.path,
            args=_args(parts.query),
            headers=request.headers,
            data=request.post_data_buffer,
            content_type=request.headers.get("content-type", ""),
        ),
        MockResponse(body, response.status, response.headers, media.partition(";")[0]),
        body,
    )


def _judged(said: str, request: MockRequest, response: MockResponse, body: bytes) -> str | None:
    try:
        if response.status_code < 400:
            published().validate_request(request)
        if body:
            published().validate_response(request, response)
    except OpenAPIError as departs:
        return f"{said}: {departs} {departs.__cause__ or ''} {_details(departs)}"
    return None


def _args(query: str) -> dict[str, Any]:
    return dict(parse_qsl(query))


def _details(departs: BaseException) -> str:
    errors = getattr(departs.__cause__, "schema_errors", None) or getattr(departs, "schema_errors", None) or []
    return "; ".join(f"{'/'.join(map(str, one.path))}: {one.message}" for one in errors)[:400]
