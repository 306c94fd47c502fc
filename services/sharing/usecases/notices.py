"""Mails to who gained access: asked for in small portions, and only while they still have it."""

from __future__ import annotations

from collections import defaultdict

from services.sharing.rules import access
from services.sharing.store import access as reading
from services.sharing.store import notices as store
from services.sharing.store.access import Facts
from services.sharing.store.notices import Waiting
from shared.db import Read
from shared.events.courier import MailLink, MailRequested
from shared.ids import new_id
from shared.service import Ctx

AT_ONCE = 500
PICTURE = "dashboard_picture"


async def send_notices(ctx: Ctx) -> None:
    """Asks for the mails that wait. The ledger's mark and the request commit together, so each mail is asked for once."""
    async with ctx.tx() as tx:
        told: list[tuple[Waiting, str | None]] = []
        lost: list[Waiting] = []
        for one, facts in await _judged(tx, await store.waiting(tx, AT_ONCE)):
            if not access.paths(facts.person, facts.plan, facts.board, facts.in_selected_group):
                lost.append(one)
                continue
            picture_id = new_id("pic") if one.shows_picture else None
            told.append((one, picture_id))
            await tx.emit(_mail(one, facts, picture_id))
        await store.mark_told(tx, told, ctx.now)
        await store.forget(tx, lost)


async def _judged(read: Read, waiting: list[Waiting]) -> list[tuple[Waiting, Facts]]:
    """Each notice with what holds now."""
    by_org: dict[str, list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_org[one.org_id].append(one)
    judged: list[tuple[Waiting, Facts]] = []
    for org_id, of_org in by_org.items():
        facts = await reading.facts(read, org_id, [(one.user_id, one.dashboard_id) for one in of_org])
        judged += zip(of_org, facts, strict=True)
    return judged


def _mail(one: Waiting, facts: Facts, picture_id: str | None) -> MailRequested:
    assert facts.person is not None
    assert facts.board is not None
    return MailRequested(
        about=one.org_id,
        org_id=one.org_id,
        to=facts.person.email,
        reader=one.user_id,
        template="dashboard_shared",
        values={
            "name": facts.person.name,
            "dashboard": facts.board.title,
            "sharer": one.sharer or "",
            "organization": one.organization,
        },
        picture=MailLink(purpose=PICTURE, id=picture_id, version=1) if picture_id else None,
    )
