"""The mail that a development system has sent. It holds people's links, so it is for this machine alone."""

from __future__ import annotations

import asyncio
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import StringConstraints

from services.gateway.credentials import prefers
from services.gateway.own import Ctx
from services.gateway.source_address import address_of
from shared.errors import Problem
from shared.fields import Message, Nothing, View
from shared.mailbox import FileMailbox, StoredMail
from shared.service import Answer
from shared.web.server import Request

MOST_LISTED = 1000
SPEAKS_FOR_ANOTHER = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


class SentMail(View):
    id: str
    to: str
    subject: str
    sent_at: datetime
    text: str
    links: list[str]


class SentMails(View):
    data: list[SentMail]


class WhichMail(Message):
    id: Annotated[str, StringConstraints(max_length=200)]


async def list_mail(ctx: Ctx, _: Nothing) -> Answer[SentMails]:
    """Mail that was written to files instead of being sent, newest first. Exists on a development system alone, for this machine alone."""
    mails = await asyncio.to_thread(_mailbox(ctx).list, MOST_LISTED)
    if prefers(ctx.request.headers, "application/json", "text/html"):
        return Answer(SentMails(data=[_view(mail) for mail in mails]), headers={"Content-Type": "application/json"})
    return ctx.house.pages.answer(ctx.house.pages.mails(mails))


async def read_mail(ctx: Ctx, which: WhichMail) -> Answer[SentMail]:
    """One mail that was written to a file."""
    mail = await asyncio.to_thread(_mailbox(ctx).read, which.id)
    if mail is None:
        raise Problem("not_found")
    if prefers(ctx.request.headers, "application/json", "text/html"):
        return Answer(_view(mail), headers={"Content-Type": "application/json"})
    return ctx.house.pages.answer(ctx.house.pages.mail(mail))


def _mailbox(ctx: Ctx) -> FileMailbox:
    if ctx.house.mailbox is None or not is_from_this_machine(ctx.request):
        raise Problem("not_found", "There is nothing at this address.")
    return ctx.house.mailbox


def is_from_this_machine(request: Request) -> bool:
    """Connected from here, by nobody who speaks for another, to a name that only this machine has.

    The name matters: a page of a hostile site whose name was made to mean 127.0.0.1 connects from here as well.
    """
    peer = address_of(request.remote)
    forwarded = any(header in request.headers for header in SPEAKS_FOR_ANOTHER)
    return peer is not None and peer.is_loopback and not forwarded and is_loopback_name(request.headers.get("Host", ""))


def is_loopback_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _view(mail: StoredMail) -> SentMail:
    return SentMail(
        id=mail.id, to=mail.to, subject=mail.subject, sent_at=mail.sent_at, text=mail.text, links=mail.links
    )
