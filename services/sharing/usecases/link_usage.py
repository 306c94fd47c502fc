"""How links are used day by day, and their addresses as something a phone can read."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from services.sharing.rules import links as rules
from services.sharing.store import link_days
from services.sharing.store import links as store
from services.sharing.usecases.asking import asker
from services.sharing.usecases.link_shapes import WhichLink
from services.sharing.usecases.links import address_of
from shared.errors import Problem
from shared.fields import Message, View
from shared.qr import qr_svg
from shared.service import Ctx

DAYS = 30
WEEK = 7
KEPT_FOR = timedelta(days=92)
LINK = "lnk_[0-9a-hjkmnp-tv-z]{26}"


class WhichUsage(Message):
    link_ids: Annotated[
        str,
        StringConstraints(pattern=rf"^{LINK}(,{LINK}){{0,99}}$"),
        Field(description="Up to 100 ids, with commas between."),
    ]


class LinkUsage(View):
    """How often a link was opened: in the last 7 days, in the last 30, and on each of these, the oldest first."""

    link_id: str
    last_7_days: int
    last_30_days: int
    days: list[int]


class LinksUsage(View):
    """From one day to another, both included, in UTC; today isn't over."""

    first_day: date
    last_day: date
    data: list[LinkUsage]


async def read_links_usage(ctx: Ctx, query: WhichUsage) -> LinksUsage:
    """How often links were opened on each of the last 30 days. Links that the asker may not know of are left out."""
    asked = list(dict.fromkeys(query.link_ids.split(",")))
    last = ctx.now.date()
    first = last - timedelta(days=DAYS - 1)
    async with ctx.read() as read:
        asking = await asker(ctx, read)
        owner_id = None if rules.is_admin(asking.person) else asking.person.user_id
        found = await link_days.opened(read, asking.org_id, asked, owner_id, first)
    return LinksUsage(
        first_day=first,
        last_day=last,
        data=[_usage(link_id, found[link_id], first) for link_id in asked if link_id in found],
    )


def _usage(link_id: str, opens: dict[date, int], first: date) -> LinkUsage:
    days = [opens.get(first + timedelta(days=n), 0) for n in range(DAYS)]
    return LinkUsage(link_id=link_id, last_7_days=sum(days[-WEEK:]), last_30_days=sum(days), days=days)


class LinkCode(View):
    """The address of a link, and the same as a QR code in SVG."""

    url: str
    svg: str


async def read_link_code(ctx: Ctx, which: WhichLink) -> LinkCode:
    """A link's address as a QR code, for the owner of the dashboard; where the operator named the page that shows links."""
    async with ctx.read() as read:
        asking = await asker(ctx, read)
        kept = await store.link(read, asking.org_id, which.link_id)
    if kept is None:
        raise Problem("not_found")
    if kept.board.owner_id != asking.person.user_id:
        raise Problem("forbidden", "Only its owner may know the address.", meta={"because": "ownership"})
    url = address_of(ctx, kept)
    if url is None:
        raise Problem(
            "conflict", "The operator hasn't named the page that shows links (`link_url`).", meta={"because": "no_page"}
        )
    return LinkCode(url=url, svg=await qr_svg(url))


async def forget_link_days(ctx: Ctx) -> None:
    """What is older than three months is in a link's sum alone."""
    async with ctx.tx() as tx:
        await link_days.purge(tx, (ctx.now - KEPT_FOR).date())
