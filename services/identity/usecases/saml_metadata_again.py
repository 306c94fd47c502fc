"""A SAML provider's metadata, read at its address every hour: its next certificate counts before it signs with it, and one that it withdrew no longer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from services.identity.rules.saml.metadata import ProviderMetadata
from services.identity.rules.sso import Connection
from services.identity.store import sso_connections
from services.identity.usecases.saml_metadata import ImportSaml, read_provider, settings_after
from services.identity.usecases.sso_activation import tell_admins
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.identity_sso import SsoConnectionChanged
from shared.service import Ctx

EVERY = timedelta(hours=1)
AT_ONCE = 20
SECONDS = 10.0


async def read_metadata_again(ctx: Ctx) -> None:
    """The job: reads what is due, all at once and before anything is held. What can't be used changes nothing, and is shown to Admins."""
    async with ctx.read(EVERY_ORG) as read:
        due = await sso_connections.with_metadata_due(read, ctx.now - EVERY, AT_ONCE)
    answers = await asyncio.gather(*(_read(ctx, one) for one in due))
    for connection, answer in sorted(zip(due, answers, strict=True), key=lambda one: one[0].org_id):
        await _take(ctx, connection, answer)


async def _read(ctx: Ctx, connection: Connection) -> ProviderMetadata | str:
    try:
        async with asyncio.timeout(SECONDS):
            said = await read_provider(ctx, ImportSaml(url=connection.metadata_url))
    except TimeoutError:
        return f"no answer within {SECONDS:g} s"
    except Problem as why:
        return why.errors[0].detail if why.errors else why.detail or why.kind.title
    if connection.saml is None or said.entity_id != connection.saml.entity_id:
        return "it is another provider's by now"
    return said


async def _take(ctx: Ctx, read_for: Connection, answer: ProviderMetadata | str) -> None:
    async with ctx.tx(read_for.org_id) as tx:
        held = await sso_connections.hold(tx, read_for.org_id)
        now = next((one for one in held if one.connection_id == read_for.connection_id), None)
        if now is None or now.metadata_url != read_for.metadata_url or now.saml != read_for.saml:
            return
        problem = answer if isinstance(answer, str) else None
        await sso_connections.note_metadata(tx, now.org_id, now.connection_id, ctx.now, problem)
        if isinstance(answer, str):
            return
        after = replace(now, saml=settings_after(ctx, now, ImportSaml(url=now.metadata_url), answer))
        if after.saml != now.saml:
            await sso_connections.keep(tx, replace(after, changed_at=ctx.now))
            await tx.emit(SsoConnectionChanged(org_id=now.org_id, connection=after.state(), changed=["saml"]))
            await tell_admins(tx, ctx, "sso_metadata_changed", after)
