"""An organization keeps an Admin who can sign in, whatever becomes of its passwords."""

from __future__ import annotations

from collections.abc import Sequence

from services.identity.rules.sso import Connection
from services.identity.store import projections, sso_connections, sso_sign_ins
from shared.db import Tx
from shared.errors import Problem


async def check_keeps_an_admin(tx: Tx, org_id: str, active: Sequence[Connection]) -> None:
    """Refuses when these connections, as the only way in of their domains, would leave no Admin of whom it is proven that they can come in.

    Such a one has an address elsewhere, has signed in by a connection, or has verified one.
    """
    if not (await sso_connections.enforcement(tx, org_id)).enforced:
        return
    domains = sorted({domain for one in active for domain in one.domains})
    admins = set(await projections.admins(tx, org_id))
    people = await sso_sign_ins.affected(tx, org_id, domains, [one.connection_id for one in active])
    verified = {one.verified_by for one in active}
    unproven = {one.user_id for one in people if not (one.has_signed_in or one.user_id in verified)}
    if not admins - unproven:
        raise Problem(
            "conflict",
            "No Admin of today has ever signed in there. Verify the configuration again, as one who is an Admin now.",
            meta={"because": "no_admin_has_signed_in"},
        )
