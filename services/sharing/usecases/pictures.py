"""The picture in a mail about a dashboard: fetched for its reader while they see the dashboard, and for nobody else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.sharing.rules import access
from services.sharing.store import access as reading
from services.sharing.store import closing, dashboards, notices
from services.sharing.usecases.notices import PICTURE
from services.sharing.usecases.opened import opened
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.fields import Message
from shared.links import read_link_token
from shared.outbound import NotFetched
from shared.service import Answer, Ctx

KINDS = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
KEPT = "private, max-age=300"


class WhichPicture(Message):
    token: Annotated[str, Field(max_length=200, description="From the mail.")]


async def show_picture(ctx: Ctx, which: WhichPicture) -> Answer[bytes]:
    """The thumbnail of a dashboard, at the address that one person's mail has: while that person sees the dashboard.

    It is fetched anew from where the dashboard's product keeps it, which the reader of a mail never learns. Whatever is in the way, the answer is 404; 503 while twenty are fetched already.
    """
    url, pictures = await _address(ctx, which.token), opened(ctx).pictures
    if pictures.locked():  # whoever has a mail could else make us ask somewhere as often as they like
        raise Problem(
            "overloaded", "Many pictures are asked for at this moment.", retry_after=1, meta={"because": "pictures"}
        )
    try:
        async with pictures:
            fetched = await opened(ctx).outbound.get(url, {"Accept": ", ".join(sorted(KINDS))})
    except NotFetched:
        raise Problem("not_found") from None
    kind = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
    if fetched.status != 200 or kind not in KINDS:
        raise Problem("not_found")
    return Answer(fetched.body, {"Content-Type": kind, "Cache-Control": KEPT})


async def _address(ctx: Ctx, token: str) -> str:
    """Where the picture is, if it may be shown now."""
    named = read_link_token(opened(ctx).link_tokens, PICTURE, token)
    if named is None:
        raise Problem("not_found")
    async with ctx.read(EVERY_ORG) as read:
        mailed = await notices.pictured(read, named[0])
        if mailed is None or await closing.is_closed(read, mailed.org_id):
            raise Problem("not_found")
        (facts,) = await reading.facts(read, mailed.org_id, [(mailed.user_id, mailed.dashboard_id)])
        kept = await dashboards.dashboard(read, mailed.org_id, mailed.dashboard_id)
    sees = access.paths(facts.person, facts.plan, facts.board, facts.in_selected_group)
    if not sees or kept is None or kept.thumbnail_url is None:
        raise Problem("not_found")
    return kept.thumbnail_url
