"""Where requests come from, as far as attempts are counted by it."""

from __future__ import annotations

import ipaddress


def source_of(ip: str | None) -> str:
    """Whose attempts are counted together: an IPv4 address, or the /64 that one subscriber has."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def is_this_machine(source: str) -> bool:
    return source == "::/64" or source.startswith("127.")
