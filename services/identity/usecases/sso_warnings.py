"""Certificates of identity providers end: every Admin is told thirty days, seven days and a day before, and when it has happened."""

from __future__ import annotations

from services.identity.rules.sso import warning_due
from services.identity.store import sso_connections
from services.identity.usecases.sso_activation import tell_admins
from shared.db import EVERY_ORG
from shared.service import Ctx

MOST_AT_ONCE = 10_000


async def warn_of_certificates(ctx: Ctx) -> None:
    """Each stage is told once. What counts is the certificate that ends last: while another one overlaps there is nothing to do."""
    async with ctx.tx(EVERY_ORG) as tx:
        for connection, warned in await sso_connections.with_certificates(tx, MOST_AT_ONCE):
            expires_at = connection.certificate_expires_at
            if expires_at is None:
                continue
            stage = warning_due(expires_at, warned, ctx.now)
            if stage is not None:
                await sso_connections.note_warning(tx, connection.org_id, connection.connection_id, stage)
                await tell_admins(tx, ctx, "sso_certificate_expiring", connection, expires_at=expires_at.isoformat())
            elif warned is not None and warning_due(expires_at, None, ctx.now) is None:
                await sso_connections.note_warning(tx, connection.org_id, connection.connection_id, None)
