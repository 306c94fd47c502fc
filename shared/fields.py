"""Field types that messages are made of: they say what is accepted, and OpenAPI says the same."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

HIDDEN = frozenset("\u00ad\u061c\u180e\ufeff") | {
    chr(c) for c in (*range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070))
}


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
        raise ValueError("must not be blank")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") or c in HIDDEN for c in text):
        raise ValueError("must not contain control, zero-width or direction characters")
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
        raise ValueError(str(why)) from None


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


class Money(View):
    """An amount in the currency's smallest unit (cents), never a fraction."""

    amount_minor: int
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
