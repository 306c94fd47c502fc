"""Refusals on the wire: `application/problem+json` from a problem, and a problem from what aiohttp raises."""

from __future__ import annotations

import orjson
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from shared.errors import Problem

_CODES = {
    400: "malformed_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    414: "url_too_long",
    415: "unsupported_media_type",
    417: "expectation_failed",
    431: "headers_too_large",
}


def problem_response(problem: Problem, request_id: str) -> web.Response:
    """The answer that a refusal gets."""
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store", **problem.all_headers()}
    return web.Response(body=orjson.dumps(problem.json(request_id)), status=problem.status, headers=headers)


def close_after(response: web.StreamResponse) -> None:
    """Ends the connection after this answer, and says so (aiohttp answers what it can't parse as HTTP/1.0, without)."""
    response.force_close()
    response.headers["Connection"] = "close"


def problem_of_exception(error: web.HTTPException) -> Problem:
    """What aiohttp's own 4xx and 5xx become; of its headers only `Allow` is kept, of its text nothing."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    fallback = "malformed_request" if error.status < 500 else "internal"
    return Problem(_CODES.get(error.status, fallback), headers=headers)


def problem_of_parsing(error: BaseException | None, url_bytes: int) -> Problem:
    """What aiohttp's parser complained about. Its text quotes the request, so none of it is passed on."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, LineTooLong):
        return Problem("url_too_long" if error.args[1] == url_bytes else "headers_too_large")
    if "Too many headers" in str(error):
        return Problem("headers_too_large")
    return Problem("malformed_request")
