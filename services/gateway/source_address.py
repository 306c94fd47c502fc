"""Where a request comes from: the peer, or, behind a proxy that the operator trusts, whom that proxy names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from shared.web.server import Request

Address = IPv4Address | IPv6Address

MOST_HOPS = 20
WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?")


class SourceAddresses:
    """Reads `X-Forwarded-For` from the right, for as long as the one who wrote is trusted; otherwise ignores it."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = [ip_network(proxy, strict=False) for proxy in trusted_proxies]

    def of(self, request: Request) -> str:
        """The address as text; empty when it is unknown, and on a unix socket."""
        if self._trusted and "X-Forwarded-For" in request.headers:
            peer = address_of(request.remote)
            if peer is not None and self._trusts(peer):
                return str(self._behind(peer, ",".join(request.headers.getall("X-Forwarded-For"))) or "")
        return _spelt(request.remote)

    def _behind(self, peer: Address, forwarded: str) -> Address | None:
        """Nobody where a trusted proxy names somebody that can't be read, like RFC 7239's `unknown`: the proxy itself would be let in where it is."""
        written = [named for part in forwarded.split(",") if (named := part.strip())]
        for named in reversed(written[-MOST_HOPS:]):
            address = _address_in(named)
            if address is None or not self._trusts(address):
                return address
            peer = address
        return peer

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(maxsize=10_000)
def address_of(text: str | None) -> Address | None:
    """An IP address; one that is IPv4 inside IPv6 as IPv4."""
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _address_in(named: str) -> Address | None:
    """What a proxy wrote: an address, with the port that some add to it."""
    if match := WITH_PORT.fullmatch(named):
        return address_of(match["v6"] or match["v4"])
    return address_of(named)


@lru_cache(maxsize=10_000)
def _spelt(text: str | None) -> str:
    return str(address_of(text) or "")


@lru_cache(maxsize=10_000)
def limited_as(source: str) -> str:
    """Under which key an address is limited: an IPv6 client owns its whole /64."""
    address = address_of(source)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return source
