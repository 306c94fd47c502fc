"""A folder of mails: where courier writes them when there is no mail server, and what `/dev/mail` shows."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import lru_cache
from pathlib import Path

NAME = re.compile(r"^(\d{8}T\d{6})\d{6}Z-([a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26})\.eml$")
LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True)
class StoredMail:
    """A mail as its reader sees it; `links` are those of its text, in order."""

    id: str
    to: str
    subject: str
    sent_at: datetime
    text: str
    html: str
    links: list[str]


@dataclass(frozen=True)
class FileMailbox:
    """One `.eml` file (RFC 5322) per mail, whole or not there, readable by its owner alone."""

    folder: Path

    def write(self, mail_id: str, requested_at: datetime, content: bytes) -> Path:
        """The name follows from when the mail was requested and its id: written again, it replaces itself."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{requested_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{mail_id}.eml"
        if not NAME.match(name):
            raise ValueError(f"{mail_id!r} isn't the id of a mail")
        draft = self.folder / f".{name}.{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.folder / name)
        finally:
            draft.unlink(missing_ok=True)
        return self.folder / name

    def list(self, limit: int = 200) -> Sequence[StoredMail]:
        """The newest mails, newest first."""
        return [_read(file) for file in self._newest_first()[:limit]]

    def read(self, mail_id: str) -> StoredMail | None:
        """One mail, None when it isn't here."""
        for file in self._newest_first():
            if _id_of(file) == mail_id:
                return _read(file)
        return None

    def _newest_first(self) -> Sequence[Path]:
        if not self.folder.is_dir():
            return []
        return sorted((file for file in self.folder.iterdir() if NAME.match(file.name)), reverse=True)


def _id_of(file: Path) -> str:
    return file.name.partition("-")[2].removesuffix(".eml")


def _read(file: Path) -> StoredMail:
    return _parse(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=5000)
def _parse(file: Path, _changed_at: int) -> StoredMail:
    mail = message_from_bytes(file.read_bytes(), policy=default)
    text = _part(mail, "plain")
    return StoredMail(
        id=_id_of(file),
        to=str(mail["To"]),
        subject=str(mail["Subject"]),
        sent_at=mail["Date"].datetime.astimezone(UTC),
        text=text,
        html=_part(mail, "html"),
        links=LINK.findall(text),
    )


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return "" if part is None else str(part.get_content())
