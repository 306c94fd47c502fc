"""What every mail looks like, in every language, with made-up values: for who writes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from services.courier import rules
from services.courier.usecases.rendering import TEMPLATES, every_wording
from shared.fields import Nothing, View
from shared.own_yaml import read_own
from shared.service import Ctx

SAMPLES = TEMPLATES / "previews.yaml"


class MailPreview(View):
    template: str
    language: str
    subject: str
    text: str
    html: str


class MailPreviews(View):
    data: tuple[MailPreview, ...]


async def list_previews(ctx: Ctx, _: Nothing) -> MailPreviews:
    """Every mail in every language. Raises `LookupError` or a template's error where a value has no sample."""
    return MailPreviews(data=await asyncio.to_thread(previews, ctx.env.settings.public_url))


def previews(public_url: str) -> list[MailPreview]:
    samples: Mapping[str, Mapping[str, Any]] = read_own(SAMPLES)
    found = []
    for language, wording in every_wording().items():
        for template in wording.templates:
            values = {**samples["any"], **samples.get(template, {})}
            url = rules.url_of(public_url, template, None, None, values)
            words = wording.words(template, values, url)
            found.append(MailPreview(template=template, language=language, **vars(words)))
    return sorted(found, key=lambda preview: (preview.template, preview.language))
