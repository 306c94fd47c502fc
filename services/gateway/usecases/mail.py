"""The mail that a development system has sent. It holds people's links, so it is for this machine alone."""

from __future__ import annotations

import asyncio
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any
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
PREVIEW_SECONDS = 25.0
AS_MAIL = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src http: https:; base-uri 'none'; form-action 'none'",
}
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


class MailPreview(View):
    template: str
    language: str
    subject: str
    text: str
    html: str


class MailPreviews(View):
    data: list[MailPreview]


class WhichPreview(Message):
    template: Annotated[str, StringConstraints(max_length=100)]
    language: Annotated[str, StringConstraints(max_length=10)]


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


async def list_previews(ctx: Ctx, _: Nothing) -> Answer[MailPreviews]:
    """Every mail that this product sends, in every language, with made-up values. Exists on a development system alone, for this machine alone."""
    found = await _previews(ctx)
    if prefers(ctx.request.headers, "application/json", "text/html"):
        return Answer(MailPreviews(data=found), headers={"Content-Type": "application/json"})
    return ctx.house.pages.answer(ctx.house.pages.mail_previews(found))


async def read_preview(ctx: Ctx, which: WhichPreview) -> Answer[Any]:
    """One mail in one language, as its reader sees it."""
    for preview in await _previews(ctx):
        if (preview.template, preview.language) == (which.template, which.language):
            return Answer(preview.html, headers=AS_MAIL)
    raise Problem("not_found")


async def _previews(ctx: Ctx) -> list[MailPreview]:
    _mailbox(ctx)
    answer = await ctx.house.internal.call("courier", "GET", "/internal/mail-previews", seconds=PREVIEW_SECONDS)
    return MailPreviews.model_validate(answer).data


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
