"""Handing over all that somebody owns, before or after they leave: an Admin's act, told dashboard by dashboard."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from services.sharing.rules import sharing
from services.sharing.store import access as reading
from services.sharing.store import dashboards as store
from services.sharing.store import foreseen
from services.sharing.usecases.asking import asker
from services.sharing.usecases.dashboards import state
from shared.db import Read
from shared.errors import FieldError, Problem, invalid
from shared.events.sharing import DashboardTransferred
from shared.fields import ForeignId, Message, View
from shared.ids import UserId
from shared.service import Ctx

AT_ONCE = 500


class TransferDashboards(Message):
    """`owner_id` becomes the owner of the named dashboards of the user, or of all when none are named."""

    user_id: UserId
    owner_id: UserId
    dashboard_ids: Annotated[list[ForeignId] | None, Field(min_length=1, max_length=AT_ONCE)] = None


class Transferred(View):
    """`left` dashboards are still the user's: 500 change hands at once, by title; ask again for more."""

    transferred: list[str]
    left: int


async def transfer_dashboards(ctx: Ctx, wanted: TransferDashboards) -> Transferred:
    """Hands a user's dashboards over to another Admin or Analyst; with whom they are shared stays as it is.

    The one way for an Admin to take charge of what somebody active owns: the audit log tells it of each dashboard.
    """
    if wanted.owner_id == wanted.user_id:
        raise invalid("/owner_id", "same_owner", "must be somebody else")
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        sharing.check_admin(asking.person)
        new_owner, _ = await reading.standing(tx, asking.org_id, wanted.owner_id)
        sharing.check_new_owner(new_owner)
        found = await foreseen.lock_owned(tx, asking.org_id, wanted.user_id, wanted.dashboard_ids, AT_ONCE)
        _check_owned(wanted.dashboard_ids or [], found)
        events = []
        for kept in await store.dashboards(tx, asking.org_id, found, wanted.user_id):
            told = await tx.emit(
                DashboardTransferred(
                    org_id=asking.org_id,
                    dashboard=state(replace(kept.board, owner_id=wanted.owner_id), kept.parameters),
                    previous_owner_id=wanted.user_id,
                )
            )
            events.append((kept.board.dashboard_id, told.id))
        await store.set_owners(tx, asking.org_id, events, wanted.owner_id, ctx.now)
        left = (await foreseen.owned(tx, asking.org_id, wanted.user_id)).count
    return Transferred(transferred=[dashboard_id for dashboard_id, _ in events], left=left)


async def member_is_known(read: Read, org_id: str, user_id: str) -> bool:
    return await foreseen.known(read, org_id, user_id)


def _check_owned(asked: list[str], found: list[str]) -> None:
    faults = [
        FieldError(f"/dashboard_ids/{place}", "not_owned", "isn't a dashboard of this user")
        for place, dashboard_id in enumerate(asked)
        if dashboard_id not in found
    ]
    if faults:
        raise Problem("invalid", errors=faults)
