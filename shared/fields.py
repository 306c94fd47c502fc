"""Field types that messages are made of: they say what is accepted, and OpenAPI says the same."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from shared.errors import FieldError

HIDDEN = frozenset("\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\ufeff\uffa0") | {
    chr(c) for c in (*range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070), *range(0xE0000, 0xE0080))
}


DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Message(BaseModel):
    """What a use case is asked: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Signed(Message):
    """The exact bytes of a body that its sender has signed, and the header that carries the signature: the use case verifies, then parses."""

    body: bytes
    signature: str


class View(BaseModel):
    """What a use case answers: snake_case JSON. Clients must expect new fields and new enum values."""

    model_config = ConfigDict(frozen=True)


class Versioned(View):
    """An answer with a strong ETag: the row's version."""

    version: int = Field(exclude=True)


class Composed(Versioned):
    """A row's version and more: what it shows can change without the row (a count, a suspension), so its ETag adds a digest.

    `If-Match` looks at the version alone.
    """


class Nothing(Message):
    """A request without input."""


def _visible(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") or c in HIDDEN for c in text):
        raise PydanticCustomError("hidden_characters", "must not contain control, zero-width or direction characters")
    return unicodedata.normalize("NFC", text.strip())


def _paragraph(text: str) -> str:
    for line in text.splitlines():
        if line.strip():
            _visible(line)
    return unicodedata.normalize("NFC", text)


def _email(text: str) -> str:
    try:
        return validate_email(
            text, check_deliverability=False, allow_quoted_local=False, allow_domain_literal=False
        ).normalized
    except EmailNotValidError as why:
        raise PydanticCustomError("not_an_email", "{reason}", {"reason": str(why)}) from None


def _written_out(value: Any) -> Any:
    """A mere number, or a year alone, would be read as seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and DATE.match(value)):
        return value
    raise PydanticKnownError("datetime_parsing", {"error": "written like 2026-03-01T09:30:00Z"})


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticKnownError("datetime_parsing", {"error": "between the years 1 and 9999 in UTC"}) from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_visible)]
Paragraph = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_paragraph)]
Email = Annotated[
    str, StringConstraints(max_length=254), AfterValidator(_email), Field(json_schema_extra={"format": "email"})
]
ForeignId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._:~-]+$")]


def canonical_email(email: str) -> str:
    """One spelling per account: NFC and casefolded local part, IDNA-2008 domain; no plus or dot folding."""
    local, _, domain = email.rpartition("@")
    parts: Any = validate_email(f"{local}@{domain}", check_deliverability=False)
    return f"{unicodedata.normalize('NFC', parts.local_part).casefold()}@{parts.ascii_domain.lower()}"


def domain_of(email: str) -> str:
    return canonical_email(email).rpartition("@")[2]


def faults_of(wrong: ValidationError, pointer: str = "") -> list[FieldError]:
    """Every fault of an input, at JSON pointers below `pointer`, with the numbers and texts that its words name."""
    return [
        FieldError(
            pointer + pointer_to(e["loc"]),
            e["type"],
            e["msg"].removeprefix("Value error, "),
            {name: fact for name, fact in e.get("ctx", {}).items() if isinstance(fact, str | int | float)},
        )
        for e in wrong.errors(include_url=False, include_input=False)
    ]


def pointer_to(location: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


class Money(View):
    """An amount in the currency's smallest unit (cents), never a fraction."""

    amount_minor: int
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
