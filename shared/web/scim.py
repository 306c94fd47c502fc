"""Refusals as identity providers read them: SCIM errors (RFC 7644, 3.12) in place of problems, below `/scim/v2`."""

from __future__ import annotations

import orjson
from aiohttp import web

from shared.errors import Problem
from shared.web.problems import problem_response

MEDIA = "application/scim+json"
BELOW = "/scim/v2"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
STATUS = {
    "invalid": 400,
    "slots_exhausted": 403,
    "last_admin": 403,
    "suspended": 403,
    "conflict": 403,
    "precondition_required": 400,
}
TYPES = {
    "invalid": "invalidValue",
    "malformed_request": "invalidSyntax",
    "name_taken": "uniqueness",
    "already_exists": "uniqueness",
}


def refusal(problem: Problem, path: str, request_id: str) -> web.Response:
    """The answer that a refusal gets at this path."""
    if path != BELOW and not path.startswith(f"{BELOW}/"):
        return problem_response(problem, request_id)
    headers = {"Content-Type": MEDIA, "Cache-Control": "no-store", **problem.all_headers()}
    status = STATUS.get(problem.code, problem.status)
    return web.Response(body=orjson.dumps(scim_error(problem)), status=status, headers=headers)


def scim_error(problem: Problem) -> dict[str, object]:
    """The same refusal in the words of SCIM; `scimType` only where the RFC has one."""
    where = "; ".join(f"{fault.pointer.lstrip('/')}: {fault.detail}" for fault in problem.errors)
    status = STATUS.get(problem.code, problem.status)
    body: dict[str, object] = {
        "schemas": [ERROR],
        "status": str(status),
        "detail": where or problem.detail or problem.kind.title,
    }
    scim_type = problem.meta.get("scim_type") or TYPES.get(problem.code)
    return body | ({"scimType": scim_type} if scim_type and status in (400, 409) else {})
