"""What a mail says: text and HTML from the same words, in the languages that have a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_date
from babel.numbers import format_currency
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.courier.rules import url_of
from services.courier.store.mails import Mail
from shared.own_yaml import read_own

TEMPLATES = Path(__file__).parent.parent / "templates"
PLACES = {"en": "en_GB", "de": "de_DE"}
SUM = re.compile(r"(\d+(?:\.\d+)?) ([A-Z]{3})")
TIMES = {"en": "%-d %B %Y, %H:%M UTC", "de": "%d.%m.%Y, %H:%M UTC"}


@dataclass(frozen=True)
class Words:
    """What a person reads."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Letterhead:
    """Who sends, and where links lead."""

    sender: str
    public_url: str

    @property
    def domain(self) -> str:
        return parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"


class Wording:
    """All texts of one language. A value that a text needs and that is missing is an error, never a gap in the sentence."""

    def __init__(self, language: str, folder: Path = TEMPLATES) -> None:
        self._language = language
        self._texts: Mapping[str, Any] = read_own(folder / f"{language}.yaml")
        self._plain = _environment(folder, language, escape=False)
        self._escaping = _environment(folder, language, escape=True)

    @property
    def templates(self) -> list[str]:
        """The mails that there are."""
        return [name for name in self._texts if name != "layout"]

    def words(self, template: str, values: Mapping[str, Any], url: str, picture: str = "") -> Words:
        """A mail, from its template and values; `picture` is the address of one that its HTML shows."""
        own = self._texts[template]
        known = {**dict.fromkeys((*own.get("optional", ()), "name"), ""), **values}
        return Words(
            subject=" ".join(self._plain.from_string(own["subject"]).render(known).split()),
            text=self._page(self._plain, "layout.txt", own, known, url, picture),
            html=self._page(self._escaping, "layout.html", own, known, url, picture),
        )

    def _page(
        self, words: Environment, layout: str, own: Mapping[str, Any], values: Mapping[str, Any], url: str, picture: str
    ) -> str:
        def say(text: str) -> str:
            said = words.from_string(text).render(values)
            return Markup(said) if words.autoescape else said  # noqa: S704 (saying it has escaped it)

        common = self._texts["layout"]
        return words.get_template(layout).render(
            language=self._language,
            subject=say(own["subject"]),
            greeting=say(common["greeting"]),
            paragraphs=[say(paragraph) for paragraph in own["paragraphs"]],
            button=own["button"],
            fallback=common["fallback"],
            footer=say(own.get("footer", common["footer"])),
            url=url,
            picture=picture,
            picture_text=say(own["picture"]) if picture else "",
        )


@cache
def every_wording() -> Mapping[str, Wording]:
    return {language: Wording(language) for language in TIMES}


def _environment(folder: Path, language: str, *, escape: bool) -> Environment:
    time_form = TIMES[language]
    words = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=escape,  # noqa: S701 (text/plain is the other one)
        keep_trailing_newline=True,
    )
    words.from_string = cache(words.from_string)  # type: ignore[assignment, method-assign]  # compiling takes longer than saying
    words.filters["month"] = lambda text: format_date(datetime.fromisoformat(text), "LLLL yyyy", locale=language)
    words.filters["sums"] = lambda text: _sums(text, language)
    words.filters["time"] = lambda text: datetime.fromisoformat(text).astimezone(UTC).strftime(time_form)
    return words


def _sums(text: str, language: str) -> str:
    """Sums as people write them: `749.00 EUR` is €749.00, and 749,00 € in German."""
    return SUM.sub(lambda found: format_currency(Decimal(found[1]), found[2], locale=PLACES[language]), text)


def message_of(mail: Mail, words: Words, letterhead: Letterhead, now: Any) -> EmailMessage:
    """The mail as RFC 5322 wants it. Its Message-ID follows from its id: sent twice, it is recognisably the same mail."""
    message = EmailMessage(policy=SMTP if mail.recipient.isascii() else SMTPUTF8)
    message["From"] = letterhead.sender
    message["To"] = mail.recipient
    message["Subject"] = words.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail.id}@{letterhead.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = mail.language
    message.set_content(words.text)
    message.add_alternative(words.html, subtype="html")
    return message


def address_of(mail: Mail, letterhead: Letterhead, token: str | None) -> str:
    return url_of(letterhead.public_url, mail.template, mail.link.purpose if mail.link else None, token, mail.content)
