"""What org opens once and keeps: the keys of its lists and links, the way to DNS, and the domains that no organization can call its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from publicsuffixlist import PublicSuffixList

from services.org.usecases.dns import LookUp, txt_records
from services.org.usecases.legal_texts import LegalTexts
from shared.paging import Cursors
from shared.service import Ctx

CONSUMER_DOMAINS = Path(__file__).parent.parent / "consumer_mail_domains.txt"


@dataclass(frozen=True)
class Own:
    """Made by `app.py` when the service starts."""

    cursors: Cursors
    links: bytes
    look_up: LookUp
    legal_texts: LegalTexts
    consumer_domains: frozenset[str]
    public_suffixes: PublicSuffixList

    @classmethod
    def open(
        cls, cursors: bytes, links: bytes, look_up: LookUp = txt_records, legal_texts: LegalTexts | None = None
    ) -> Own:
        lines = CONSUMER_DOMAINS.read_text().split("\n")
        names = frozenset(line for line in lines if line and not line.startswith("#"))
        return cls(Cursors(cursors), links, look_up, legal_texts or LegalTexts(), names, public_suffixes())

    def can_be_registered(self, domain: str) -> bool:
        """Whether a domain can be one organization's: not a mail provider's, and not one under which anybody registers."""
        belongs_to = self.public_suffixes.privatesuffix(domain)
        return belongs_to is not None and not {domain, belongs_to} & self.consumer_domains


@cache
def public_suffixes() -> PublicSuffixList:
    """The list as it was when the library was made. Reading it takes a third of a second."""
    return PublicSuffixList()


def own(ctx: Ctx) -> Own:
    kept = ctx.own
    assert isinstance(kept, Own)
    return kept
