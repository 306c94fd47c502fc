"""What an Admin does at each identity provider: the data that a set-up wizard shows, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from services.identity.rules import Language
from services.identity.rules.sso import Protocol, Provider
from shared.fields import Message, View
from shared.own_yaml import read_own
from shared.service import Ctx

FILE = Path(__file__).parent.parent / "sso_providers.yaml"

OurValue = Literal[
    "redirect_uri",
    "acs_url",
    "entity_id",
    "metadata_url",
    "slo_url",
    "backchannel_logout_uri",
    "post_logout_redirect_uri",
    "firstname",
    "lastname",
]


class Given(View):
    """`value` goes into the provider's field of this label: one of a connection's `service_provider`, or the name of an attribute."""

    label: str
    value: OurValue


class Taken(View):
    """What the provider shows under this label goes into `field` of PUT /v1/sso-connections/{id}/metadata, put into `pattern` where there is one.

    `fixed`: it is the same for everybody.
    """

    label: str
    field: str
    pattern: str | None = None
    fixed: str | None = None


class Step(View):
    id: str
    title: str
    text: list[str]
    give: list[Given]
    take: list[Taken]


class ProviderSteps(View):
    provider: Provider
    name: str
    protocol: Protocol
    steps: list[Step]


class Providers(View):
    data: list[ProviderSteps]


class ListProviders(Message):
    language: Language = "en"


async def list_providers(ctx: Ctx, wanted: ListProviders) -> Providers:
    """What is to be done at each identity provider, in its own order and with its own labels."""
    known: Mapping[Language, Providers] = ctx.own.wizards
    return known[wanted.language]


@cache
def wizards() -> dict[Language, Providers]:
    """Every language's steps."""
    facts = read_own(FILE)
    languages: tuple[Language, ...] = ("en", "de")
    return {language: Providers(data=[_told(one, language) for one in facts]) for language in languages}


def _told(facts: dict[str, Any], language: Language) -> ProviderSteps:
    steps = [{**step, "title": step["title"][language], "text": step["text"][language]} for step in facts["steps"]]
    return ProviderSteps.model_validate({**facts, "steps": steps})
