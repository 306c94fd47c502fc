"""An Admin takes a person's tie to the provider's user away: for who got another user there, with the same address."""

from __future__ import annotations

from services.identity.store import accounts, projections, sso_connections, sso_sign_ins
from shared.errors import Problem
from shared.events.identity_sso import SsoIdentityUnlinked
from shared.fields import Message
from shared.ids import UserId
from shared.service import Ctx


class WhoseIdentity(Message):
    user_id: UserId


async def unlink_identity(ctx: Ctx, which: WhoseIdentity) -> None:
    """Forgets which user of the provider a person is. Whoever signs in there next with their address is linked to the account."""
    async with ctx.tx() as tx:
        await sso_connections.hold(tx, ctx.actor.org())
        if not await projections.acts_as_admin(tx, ctx.actor.org(), ctx.actor.person()):
            raise Problem("forbidden")
        await accounts.lock(tx, which.user_id)
        connections = await sso_sign_ins.unlink(tx, ctx.actor.org(), which.user_id)
        if connections:
            await tx.emit(
                SsoIdentityUnlinked(user_id=which.user_id, org_id=ctx.actor.org(), connection_ids=connections)
            )
