"""Requests to addresses that others name: over TLS, to public unicast addresses only, without redirects, short and small."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

Resolve = Callable[[str], Awaitable[Sequence[str]]]

MOST_BYTES = 256 * 1024
MOST_SECONDS = 5.0
LONGEST_URL = 2048
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
TUNNELS = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("2001::/32"))


class NotFetched(Exception):
    """The text says why, for a person; `code` says the same for programs, and never changes."""

    def __init__(self, why: str, code: str) -> None:
        super().__init__(why)
        self.code = code


class Refused(NotFetched):
    """The address is none that is ever asked."""


class Unreachable(NotFetched):
    """The address was asked and gave no usable answer."""


@dataclass(frozen=True)
class Fetched:
    """An answer as it came, redirects included: nobody follows them. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(address: str) -> bool:
    """Whether an IP address is one host on the internet: nothing private, local, shared, multicast, mapped or tunnelled."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        return ip.is_global and ip in GLOBAL_UNICAST and not any(ip in tunnel for tunnel in TUNNELS)
    return ip.is_global and not ip.is_multicast


@dataclass(frozen=True)
class Policy:
    """What may be asked. The defaults are the rule; a test that serves on its own machine passes another."""

    schemes: frozenset[str] = frozenset({"https"})
    may_connect: Callable[[str], bool] = is_public
    seconds: float = MOST_SECONDS
    bytes: int = MOST_BYTES


async def resolve(host: str) -> Sequence[str]:
    """The addresses that the system's resolver gives for a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Outbound:
    """The one client for such addresses. Each request resolves anew, and has a connection of its own."""

    policy: Policy = field(default_factory=Policy)
    resolve: Resolve = resolve
    tls: ssl.SSLContext | None = None

    def check(self, url: str) -> None:
        """Raises `Refused` for what can be told from the text alone: scheme, credentials, odd hosts, addresses that aren't public."""
        _check_url(url, self.policy)

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        return await self._send("GET", url, headers or {}, None)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Fetched:
        return await self._send("POST", url, headers or {}, body)

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Fetched:
        """Raises `Refused` or `Unreachable`."""
        self.check(url)
        connector = aiohttp.TCPConnector(
            resolver=_Checking(self.resolve, self.policy),
            use_dns_cache=False,
            force_close=True,
            ssl=self.tls or True,
            socket_factory=self._socket,
        )
        try:
            async with (
                asyncio.timeout(self.policy.seconds),
                aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
                ) as session,
                session.request(
                    method,
                    url.partition("#")[0],
                    data=body,
                    headers={"Accept-Encoding": "identity", **headers},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                    max_line_size=16 * 1024,
                ) as answer,
            ):
                if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise Unreachable("it answers compressed, although it was asked not to", "compressed")
                content = await self._bounded(answer)
                return Fetched(answer.status, {k.lower(): v for k, v in answer.headers.items()}, content)
        except TimeoutError:
            raise Unreachable(f"it took longer than {self.policy.seconds:g} seconds", "too_slow") from None
        except aiohttp.ClientConnectorCertificateError:
            raise Unreachable("its TLS certificate can't be verified", "certificate") from None
        except (aiohttp.ClientError, OSError, ValueError) as failed:
            raise _not_fetched(failed) from None

    async def _bounded(self, answer: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for piece in answer.content.iter_chunked(16 * 1024):
            content += piece
            if len(content) > self.policy.bytes:
                raise Unreachable(f"it answers with more than {self.policy.bytes // 1024} KiB", "too_large")
        return bytes(content)

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """Looks once more at the very address that is connected to."""
        family, kind, protocol, _, address = info
        if not self.policy.may_connect(str(address[0])):
            raise Refused("it leads to an address that isn't public", "not_public")
        return socket.socket(family=family, type=kind, proto=protocol)


class _Checking(AbstractResolver):
    """Refuses a name when any of its addresses is none that may be connected to."""

    def __init__(self, resolve: Resolve, policy: Policy) -> None:
        self._resolve = resolve
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            addresses = await self._resolve(host)
        except OSError:
            addresses = []
        if not addresses:
            raise Unreachable("its name doesn't resolve", "unresolved")
        if not all(self._policy.may_connect(address) for address in addresses):
            raise Refused("it leads to an address that isn't public", "not_public")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Holds nothing."""


def _check_url(url: str, policy: Policy) -> None:
    if len(url) > LONGEST_URL or not url.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in url):
        raise Refused("it isn't a plain URL of at most 2,048 characters", "not_a_plain_url")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused("it isn't a URL", "not_a_url") from None
    if parts.scheme not in policy.schemes:
        raise Refused("it doesn't begin with https://", "not_https")
    if "@" in parts.netloc:
        raise Refused("it holds a user name or password", "with_password")
    if port == 0:
        raise Refused("it names no port that can be asked", "no_port")
    _check_host(host, policy)


def _check_host(host: str, policy: Policy) -> None:
    """A name, or an address in its one usual spelling: decimal, octal and hexadecimal ones are read differently by different programs."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels) or NUMBER.fullmatch(labels[-1]):
            raise Refused("its host is neither a name nor a usual IP address", "odd_host") from None
        return
    if getattr(address, "scope_id", None) or not policy.may_connect(str(address)):
        raise Refused("it leads to an address that isn't public", "not_public")


def _not_fetched(failed: Exception) -> Unreachable:
    if isinstance(failed, aiohttp.ClientConnectorError):
        return Unreachable("it can't be connected to", "no_connection")
    if isinstance(failed, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return Unreachable("it broke the connection off", "broken_off")
    return Unreachable("it doesn't answer as HTTP does", "not_http")
