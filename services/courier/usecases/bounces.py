"""Mail that comes back: a refusal at once, or a delivery status notification (RFC 3464) later. Where nobody receives, nothing is sent for a while."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from services.courier import rules
from services.courier.store import dead_addresses as store
from services.courier.store import mails
from services.courier.usecases.own import own
from services.courier.usecases.undelivered import find_dead, key_of
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.courier import AddressReleased
from shared.fields import Email, Message, View, canonical_email
from shared.paging import ListQuery, Page
from shared.service import Ctx

log = structlog.get_logger()

MOST_AT_ONCE = 200


class DeadAddress(View):
    """`status` is an enhanced code (RFC 3463). Until `until` nothing is sent there; then it is tried again."""

    id: str
    status: str
    reason: str
    found_at: datetime
    until: datetime


class ListDeadAddresses(ListQuery):
    pass


class WhichAddress(Message):
    address: Email


async def list_dead_addresses(ctx: Ctx, query: ListDeadAddresses) -> Page[DeadAddress]:
    """Addresses that the organization's mail didn't reach, because nobody receives there."""
    org_id, cursors = ctx.actor.org(), own(ctx).cursors
    position = cursors.read(query)
    after = str(position[0]) if position else None
    async with ctx.read() as read:
        rows = await store.listed(read, org_id, ctx.now, after, query.limit + 1)
        total = await store.counted(read, org_id, ctx.now)
    found = [
        DeadAddress(
            id=row["address"],
            status=row["status"],
            reason=row["reason"],
            found_at=row["found_at"],
            until=row["until"],
        )
        for row in rows
    ]
    return cursors.page(found, query, lambda last: [last.id], total)


async def release_address(ctx: Ctx, which: WhichAddress) -> None:
    """Lets mail go to an address again, because its mailbox works by now."""
    async with ctx.tx() as tx:
        address = canonical_email(which.address)
        if not await store.exists(tx, ctx.actor.org(), address):
            raise Problem("not_found")
        await store.release(tx, address)
        await tx.emit(AddressReleased(org_id=ctx.actor.org(), address=address))


async def read_bounces(ctx: Ctx) -> None:
    """Reads what came back since the last time, once each, from the folder that the mail server puts it in."""
    where = ctx.env.settings.mail_bounces
    if where is None:
        return
    folder = Path(unquote(urlsplit(where).path))
    for file in await asyncio.to_thread(_files, folder):
        bounce = rules.bounce_of(await asyncio.to_thread(file.read_bytes))
        if bounce is not None:
            await _take(ctx, bounce)
        else:
            log.info("not a mail that came back", file=file.name)
        await asyncio.to_thread(_put_aside, file)


async def _take(ctx: Ctx, bounce: rules.Bounce) -> None:
    async with ctx.tx(EVERY_ORG) as tx:
        mail = await mails.came_back(tx, bounce.mail_id, f"came back: {bounce.status} {bounce.reason}"[:1000])
        if mail is None:
            return
        log.warning("a mail came back", mail_id=bounce.mail_id, template=mail.template, status=bounce.status)
        if rules.is_dead(bounce.status):
            await find_dead(ctx, tx, mail.org_id, key_of(mail.recipient), bounce.status, bounce.reason)


async def forget_dead_addresses(ctx: Ctx) -> None:
    """An address whose time is over is one like any other."""
    async with ctx.tx() as tx:
        await store.forget(tx, ctx.now)


def _files(folder: Path) -> list[Path]:
    """Whole files of the folder, or of a maildir in it, the oldest first."""
    places = [place for place in (folder, folder / "new") if place.is_dir()]
    found = [file for place in places for file in place.iterdir() if file.is_file() and not file.name.startswith(".")]
    return sorted(found, key=lambda file: file.stat().st_mtime)[:MOST_AT_ONCE]


def _put_aside(file: Path) -> None:
    """Read again after a crash it would change nothing; an operator may still want to see it."""
    folder = file.parent / "read" if file.parent.name != "new" else file.parent.parent / "cur"
    folder.mkdir(mode=0o700, exist_ok=True)
    file.rename(folder / file.name)
