"""Mails that were written to files, for a developer to read: the newest first, with their links."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol, cast

LINK = re.compile(r"https?://[^\s<>\"']+")
MOST_LISTED = 200


class Mail(Protocol):
    """A mail that was sent."""

    @property
    def id(self) -> str: ...
    @property
    def to(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def sent_at(self) -> datetime: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str | None: ...
    @property
    def links(self) -> Sequence[str]: ...


class Mailbox(Protocol):
    """Where mails can be read again."""

    async def newest(self) -> Sequence[Mail]: ...
    async def read(self, mail_id: str) -> Mail | None: ...


@dataclass(frozen=True)
class FiledMail:
    id: str
    to: str
    subject: str
    sent_at: datetime
    text: str
    html: str | None
    links: tuple[str, ...]


@dataclass(frozen=True)
class Folder:
    """A folder of `.eml` files, one per mail."""

    path: Path

    async def newest(self) -> Sequence[Mail]:
        return await asyncio.to_thread(self._newest)

    async def read(self, mail_id: str) -> Mail | None:
        return await asyncio.to_thread(self._read, mail_id)

    def _newest(self) -> list[Mail]:
        files = sorted(self.path.glob("*.eml"), key=lambda file: (file.stat().st_mtime, file.name), reverse=True)
        return [_parse(file) for file in files[:MOST_LISTED]]

    def _read(self, mail_id: str) -> Mail | None:
        named = [file for file in self.path.glob("*.eml") if file.stem == mail_id]
        return _parse(named[0]) if named else None


def _parse(file: Path) -> Mail:
    mail = cast(EmailMessage, message_from_bytes(file.read_bytes(), policy=default))
    text, html = _body(mail, "plain"), _body(mail, "html")
    sent = parsedate_to_datetime(mail["Date"]) if mail["Date"] else datetime.fromtimestamp(file.stat().st_mtime, UTC)
    links = dict.fromkeys(found.rstrip(".,;)") for found in LINK.findall(text or html or ""))
    return FiledMail(
        file.stem, str(mail["To"] or ""), str(mail["Subject"] or ""), sent, text or "", html, tuple(links)
    )


def _body(mail: EmailMessage, kind: str) -> str | None:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part is not None else None
