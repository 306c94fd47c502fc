"""Break-glass: when single sign-on is broken, an Admin gets a mailed sign-in that works once and may change sign-in configuration only."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Account, Kind
from services.identity.rules.sso import (
    BREAK_GLASS_BY_ADDRESS,
    BREAK_GLASS_BY_SOURCE,
    BREAK_GLASS_LIFE,
    Connection,
)
from services.identity.store import accounts, break_glass, projections, sso_connections
from services.identity.usecases.attempts import pay
from services.identity.usecases.second_factors import mail_to
from services.identity.usecases.signing_in import SignedIn, let_in
from shared.auth import BREAK_GLASS
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.courier import MailLink, MailRequested
from shared.events.identity_sso import BreakGlassAsked, BreakGlassUsed
from shared.fields import Email, Message, View, canonical_email, domain_of
from shared.ids import new_id
from shared.links import read_link_token
from shared.service import Answer, Ctx

LINK = 1
ANSWER_SECONDS = 0.05


class AskForBreakGlass(Message):
    email: Email


class BreakGlassPending(View):
    """Whether or not there was anything to send."""

    minutes: int


async def ask_for_break_glass(ctx: Ctx, wanted: AskForBreakGlass) -> BreakGlassPending:
    """Mails an Admin whose organization signs in at a provider a link that works once, for fifteen minutes.

    Everybody else gets the same answer in the same time, and no mail.
    """
    address = canonical_email(wanted.email)
    source = rules.source_of(ctx.request.source_ip)
    await pay(ctx, (BREAK_GLASS_BY_ADDRESS, address), (BREAK_GLASS_BY_SOURCE, source))
    loop = asyncio.get_running_loop()
    answered_at = loop.time() + ANSWER_SECONDS
    async with ctx.env.database.tx(EVERY_ORG, ctx.say) as tx:
        account = await accounts.by_email(tx, address)
        connection = await sso_connections.bound_to(tx, domain_of(address))
        if (
            account is not None
            and connection is not None
            and await projections.acts_as_admin(tx, connection.org_id, account.user_id)
        ):
            await _send(ctx, tx, account, connection)
    await asyncio.sleep(max(answered_at - loop.time(), 0))
    return BreakGlassPending(minutes=int(BREAK_GLASS_LIFE.total_seconds()) // 60)


class UseBreakGlass(Message):
    token: SecretStr
    keep: Kind = "bearer"


async def use_break_glass(ctx: Ctx, wanted: UseBreakGlass) -> Answer[SignedIn]:
    """Begins a session with the mailed token, for an hour; who has a second factor shows it as always.

    The session may look at and change single sign-on, and nothing else. All other Admins are told.
    Whatever is wrong with a link, it is simply gone.
    """
    link = read_link_token(ctx.env.settings.secrets.bytes("links"), "break_glass", wanted.token.get_secret_value())
    if link is None or link[1] != LINK:
        raise Problem("gone")
    async with ctx.tx(EVERY_ORG) as tx:
        found = await break_glass.take(tx, link[0], ctx.now)
        account = await accounts.lock(tx, found[0]) if found else None
        if found is None or account is None or not await projections.acts_as_admin(tx, found[1], account.user_id):
            raise Problem("gone")
        ctx.speak_as(account.user_id, (BREAK_GLASS,))
        await tx.emit(BreakGlassUsed(user_id=account.user_id, org_id=found[1], source_ip=ctx.request.source_ip))
        organization = await projections.organization_name(tx, found[1]) or ""
        for admin in await accounts.by_ids(tx, await projections.admins(tx, found[1])):
            told = {"organization": organization, "person": account.name, "email": account.email}
            await tx.emit(mail_to(admin, "break_glass_used", **told))
        return await let_in(tx, ctx, account, wanted.keep, (BREAK_GLASS,), found[1])


async def _send(ctx: Ctx, tx: Tx, account: Account, connection: Connection) -> None:
    link_id, expires_at = new_id("brg"), ctx.now + BREAK_GLASS_LIFE
    await break_glass.keep(tx, account.user_id, link_id, connection.org_id, expires_at)
    await tx.emit(
        BreakGlassAsked(
            user_id=account.user_id,
            org_id=connection.org_id,
            expires_at=expires_at,
            source_ip=ctx.request.source_ip,
        )
    )
    organization = await projections.organization_name(tx, connection.org_id) or ""
    await tx.emit(
        MailRequested(
            about=account.user_id,
            to=account.email,
            template="break_glass",
            values={"name": account.name, "organization": organization, "expires_at": expires_at.isoformat()},
            link=MailLink(purpose="break_glass", id=link_id, version=LINK),
            language=account.language,
        )
    )
