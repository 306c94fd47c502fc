"""A new version of a legal text: every Admin of every organization that accepted an earlier one is told, once."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import structlog

from services.org.rules.legal import Document, Kind, current
from services.org.store import legal
from services.org.usecases.admins_mail import tell_admins
from services.org.usecases.holding import holding
from services.org.usecases.own import own
from shared.db import EVERY_ORG
from shared.service import Ctx

log = structlog.get_logger()

AT_ONCE = 200


async def tell_new_versions(ctx: Ctx) -> None:
    """The job: some organizations at a time, until all that have to answer a current text know."""
    documents = await own(ctx).legal_texts.every()
    for kind in get_args(Kind):
        if any(one.kind == kind for one in documents):
            await _tell(ctx, current(documents, kind))


async def _tell(ctx: Ctx, document: Document) -> None:
    async with ctx.read(EVERY_ORG) as read:
        if await legal.is_told(read, document):
            return
        untold = await legal.untold(read, document, AT_ONCE)
    if not untold:
        async with ctx.tx(EVERY_ORG) as tx:
            await legal.note_told(tx, document, ctx.now)
    for org_id in untold:
        mine = Ctx(ctx.env, replace(ctx.actor, org_id=org_id), correlation_id=ctx.correlation_id)
        try:
            async with mine.finishing(), mine.tx() as tx, holding(mine, tx, org_id) as held:
                if await legal.note_news(tx, org_id, document, ctx.now) and held.facts.closed_at is None:
                    await tell_admins(
                        held.tx, held.facts, "legal_version", document=document.title, version=document.version
                    )
        except Exception:
            log.exception(
                "an organization isn't told of a new legal text", org_id=org_id, document=document.document_id
            )
