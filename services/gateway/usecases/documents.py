"""The published documents, for programs and for people."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import StringConstraints

from services.gateway.credentials import prefers
from services.gateway.own import Ctx
from shared.errors import KINDS, Problem
from shared.fields import Message, Nothing, View
from shared.paging import Page
from shared.service import Answer

EMBED_SAMPLES = {
    "embed_token.py": "Python",
    "embed_token.mjs": "JavaScript",
    "EmbedToken.java": "Java",
    "embed_token.rb": "Ruby",
    "embed_token.php": "PHP",
    "embed_token.go": "Go",
    "EmbedToken.cs": "C#",
}


async def read_openapi(ctx: Ctx, _: Nothing) -> Answer[dict[str, Any]]:
    """This API as an OpenAPI 3.1 document."""
    return _document(ctx.house.docs.openapi)


async def read_asyncapi(ctx: Ctx, _: Nothing) -> Answer[dict[str, Any]]:
    """All events as an AsyncAPI 3.0 document."""
    return _document(ctx.house.docs.asyncapi)


class WhichEventType(Message):
    type: Annotated[str, StringConstraints(max_length=200)]


async def read_event_schema(ctx: Ctx, which: WhichEventType) -> Answer[dict[str, Any]]:
    """The JSON Schema of one event, envelope included; `dataschema` of every event points here."""
    schema = ctx.house.docs.events.get(which.type.removesuffix(".json"))
    if schema is None:
        raise Problem("not_found")
    return _document(schema)


async def read_docs(ctx: Ctx, _: Nothing) -> Answer[str]:
    """This API as a page to read."""
    return ctx.house.pages.answer(ctx.house.pages.operations)


async def read_event_docs(ctx: Ctx, _: Nothing) -> Answer[str]:
    """All events as a page to read: meaning, fields, who says them and who hears them."""
    return ctx.house.pages.answer(ctx.house.pages.events)


class WhichProblem(Message):
    code: Annotated[str, StringConstraints(max_length=100)]


class ProblemKind(View):
    """What a problem's `type` points to."""

    code: str
    status: int
    title: str
    help: str


async def read_problem(ctx: Ctx, which: WhichProblem) -> Answer[ProblemKind]:
    """What a problem's code means, and what to do about it: a page for people, JSON for programs."""
    kind = KINDS.get(which.code)
    if kind is None:
        raise Problem("not_found")
    if prefers(ctx.request.headers, "text/html", "application/json"):
        return ctx.house.pages.answer(ctx.house.pages.problem(which.code, kind))
    return Answer(ProblemKind(code=which.code, status=kind.status, title=kind.title, help=kind.help))


class EmbedSample(View):
    """A program that prints an embed token, as it stands in the embedding guide."""

    language: str
    file: str
    code: str


async def list_embed_samples(ctx: Ctx, _: Nothing) -> Page[EmbedSample]:
    """Programs that make an embed token, one per language: what they need is in the environment variables SHARING_TOKEN and EMBED_SECRET."""
    found = ctx.house.docs.embed_samples
    return Page(
        data=[EmbedSample(language=language, file=file, code=found[file]) for file, language in EMBED_SAMPLES.items()]
    )


async def read_security_contact(ctx: Ctx, _: Nothing) -> Answer[str]:
    """Whom to tell about a vulnerability (RFC 9116)."""
    host = urlsplit(ctx.house.settings.public_url).hostname
    expires = (ctx.house.clock.now() + timedelta(days=180)).strftime("%Y-%m-%dT00:00:00Z")
    text = f"Contact: mailto:security@{host}\nExpires: {expires}\nPreferred-Languages: en, de\n"
    return Answer(text, headers={"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "max-age=86400"})


class DecisionPoint(View):
    """Where access decisions are asked for, as the AuthZEN Authorization API 1.0 publishes it."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str


async def read_decision_point(ctx: Ctx, _: Nothing) -> Answer[DecisionPoint]:
    """Where access decisions are asked for, for clients of any AuthZEN decision point."""
    here = ctx.house.settings.public_url.rstrip("/")
    return Answer(
        DecisionPoint(
            policy_decision_point=here,
            access_evaluation_endpoint=f"{here}/access/v1/evaluation",
            access_evaluations_endpoint=f"{here}/access/v1/evaluations",
            search_subject_endpoint=f"{here}/access/v1/search/subject",
            search_resource_endpoint=f"{here}/access/v1/search/resource",
            search_action_endpoint=f"{here}/access/v1/search/action",
        ),
        headers={"Cache-Control": "max-age=3600"},
    )


async def read_home(ctx: Ctx, _: Nothing) -> Answer[str]:
    """What answers here, and where to look."""
    return ctx.house.pages.answer(ctx.house.pages.home(mail=ctx.house.mailbox is not None))


def _document(document: Any) -> Answer[Any]:
    content = orjson.dumps(document)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Answer(content, headers={"ETag": etag, "Cache-Control": "no-cache"})
