"""Pure decisions about the legal record: which texts an organization has still to answer, and what a record has to say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.errors import Problem, invalid

Kind = Literal["terms", "privacy", "dpa"]
Decision = Literal["accepted", "not_applicable"]
DpaStatus = Literal["undecided", "accepted", "not_applicable"]


@dataclass(frozen=True)
class Document:
    """A text as people read it. Its hash is of the very bytes of its file."""

    kind: Kind
    version: str
    title: str
    text: str
    sha256: str

    @property
    def document_id(self) -> str:
        return f"{self.kind}-{self.version}"


@dataclass(frozen=True)
class Record:
    """One entry of the legal record, with the names as they were at that moment."""

    acceptance_id: str
    document: Kind
    version: str
    sha256: str
    decision: Decision
    organization: str
    accepted_by: str
    name: str
    email: str
    source_ip: str | None
    signatory_name: str | None
    signatory_title: str | None
    reason: str | None
    accepted_at: datetime


def current(documents: Collection[Document], kind: Kind) -> Document:
    return max((one for one in documents if one.kind == kind), key=lambda one: one.version)


def awaits_answer(document: Document, latest: Record | None) -> bool:
    """Whether the organization has still to answer this current text. Who needs no amendment needs no later version of it either."""
    if latest is None:
        return True
    return latest.decision == "accepted" and latest.version != document.version


def check_readable(document: Document | None, documents: Collection[Document], sha256: str) -> Document:
    """Refuses an answer to anything but the current text, exactly as it is."""
    if document is None:
        raise invalid("/document_id", "unknown_document", "There is no such document.")
    newest = current(documents, document.kind)
    if document.version != newest.version:
        raise Problem(
            "conflict",
            f"There is a newer version: {newest.version}.",
            meta={"because": "newer_version", "version": newest.version, "current": newest.document_id},
        )
    if sha256 != document.sha256:
        raise invalid("/sha256", "another_text", "This isn't the hash of the document: read it again.")
    return document


def check_decision(decision: Decision, *, sha256: bool, signatory: bool, reason: bool) -> None:
    """An acceptance is signed; a refusal has a reason. Neither has the other's."""
    wanted = {"sha256": decision == "accepted", "signatory": decision == "accepted", "reason": decision != "accepted"}
    given = {"sha256": sha256, "signatory": signatory, "reason": reason}
    for name, needed in wanted.items():
        if needed and not given[name]:
            raise invalid(f"/{name}", "missing", f"`{decision}` needs this.")
        if given[name] and not needed:
            raise invalid(f"/{name}", "unexpected", f"`{decision}` doesn't take this.")
