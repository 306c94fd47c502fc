"""Ways for a mail to leave: into a folder, or to a mail server."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from services.courier.rules import status_in
from shared.config import Misconfigured
from shared.mailbox import FileMailbox

SECONDS = 60.0  # for each answer of a mail server
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class NotTaken(Exception):
    """The mail wasn't taken. `for_good`: it never will be, so nobody should try again; `status`: why, as RFC 3463 has it, if the server said so."""

    def __init__(self, why: str, *, for_good: bool = False, status: str = "") -> None:
        super().__init__(why)
        self.for_good = for_good
        self.status = status


class Transport(Protocol):
    async def take(self, mail_id: str, requested_at: datetime, message: EmailMessage) -> None:
        """Returns when the mail is in other hands; `NotTaken` otherwise. Taking it twice does no more harm than that."""


@dataclass(frozen=True)
class Folder:
    """Mails as files: taken again, a mail replaces itself."""

    mailbox: FileMailbox

    async def take(self, mail_id: str, requested_at: datetime, message: EmailMessage) -> None:
        try:
            await asyncio.to_thread(self.mailbox.write, mail_id, requested_at, message.as_bytes())
        except OSError as why:
            raise NotTaken(f"the folder {self.mailbox.folder} doesn't take mails: {why.strerror}") from why


@dataclass(frozen=True)
class MailServer:
    """SMTP, a connection per mail. `secured` from the first byte, or by STARTTLS: always when signing in at another machine, else when offered.

    If this process or the connection dies after the server took the mail and before it said so, the mail is sent again, with
    the same Message-ID: no sender can know better (RFC 1047).
    """

    host: str
    port: int
    secured: bool
    username: str | None
    password: str | None
    seconds: float = SECONDS
    tls: ssl.SSLContext | None = None

    async def take(self, mail_id: str, requested_at: datetime, message: EmailMessage) -> None:
        must_secure = self.username is not None and self.host not in LOOPBACK
        try:
            await aiosmtplib.send(
                message,
                hostname=self.host,
                port=self.port,
                username=self.username,
                password=self.password,
                use_tls=self.secured,
                start_tls=None if self.secured or not must_secure else True,
                timeout=self.seconds,
                tls_context=self.tls,
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            codes = [one.code for one in refused.recipients]
            said = " ".join(one.message for one in refused.recipients)
            raise NotTaken(
                f"the recipient is refused: {codes} {said}", for_good=min(codes) >= 500, status=status_in(said)
            ) from refused
        except aiosmtplib.SMTPDataError as refused:
            raise NotTaken(f"the mail is refused: {refused.code}", for_good=refused.code >= 500) from refused
        except (aiosmtplib.SMTPException, OSError, ValueError) as why:
            raise NotTaken(f"{type(why).__name__}: {why}", for_good=isinstance(why, ValueError)) from why


def transport_of(url: str) -> Transport:
    """The way that `TENANTRY_MAIL` names."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return Folder(FileMailbox(Path(unquote(parts.netloc + parts.path))))
    if parts.scheme in ("smtp", "smtps") and parts.hostname:
        secured = parts.scheme == "smtps"
        return MailServer(
            host=parts.hostname,
            port=parts.port or (465 if secured else 587),
            secured=secured,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )
    raise Misconfigured(
        ["mail: send it with smtp://user:password@host:587 or smtps://…, or write it to file:///a/folder"]
    )
