"""What DNS says: the TXT records of a name, or that nobody answered, which is something else than that there are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

SECONDS = 5.0

LookUp = Callable[[str], Awaitable[Sequence[str]]]


class Unanswered(Exception):
    """There was no answer that says anything: a time-out, a failing server, a broken chain of aliases."""


async def txt_records(
    name: str, resolver: dns.asyncresolver.Resolver | None = None, seconds: float = SECONDS
) -> Sequence[str]:
    """The texts that a name, or what it is an alias of, has. Asks the system's resolver unless another is given."""
    try:
        asked = resolver or dns.asyncresolver.Resolver()
        answer = await asked.resolve(dns.name.from_text(name), "TXT", lifetime=seconds, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as why:
        raise Unanswered(type(why).__name__) from why
    return sorted(b"".join(record.strings).decode("ascii", "replace") for record in answer)
