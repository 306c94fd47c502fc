"""Requests to addresses that others name go to public hosts only, and nothing that answers can hurt."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from shared.outbound import Outbound, Policy, Refused, Unreachable, is_public

HERE = Policy(schemes=frozenset({"http"}), may_connect=lambda address: address == "127.0.0.1", seconds=30)
IN_A_HURRY = replace(HERE, seconds=1)
HERE_BY_TLS = Policy(may_connect=HERE.may_connect, seconds=30)


def names(*answers: Sequence[str]) -> Callable[[str], object]:
    """A resolver that gives one answer after the other, then the last again."""
    left = list(answers)

    async def resolve(host: str) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@asynccontextmanager
async def serving(handler: Callable[[web.Request], object], tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "fe80::1", "fc00::1",
    "fec0::1", "ff02::1", "2002:7f00:1::", "2001:0:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001:db8::1", "nonsense", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_no_host_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_a_host_on_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_nothing_public_is_private_local_multicast_or_reserved(address: ipaddress.IPv4Address) -> None:
    bad = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (is_public(str(address)) and (bad or address.is_reserved or address.is_unspecified))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "example.com", "", "https://", "https:///path",
        "https://127.0.0.1/", "https://2130706433/", "https://0177.0.0.1/", "https://0x7f.1/", "https://0x7f000001/", "https://127.1/",
        "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[fe80::1%25eth0]/", "https://169.254.169.254/latest",
        "https://user:secret@example.com/", "https://example.com@127.0.0.1/", "https://exa mple.com/", "https://example.com\\@evil.test/",
        "https://example.com\r\nHost: evil/", "https://ex\u00e4mple.com/", "https://\uff11\uff12\uff17.0.0.1/", "https://-a.example/",
        "https://a..example/", "https://example.com:0/", "https://example.com:99999/", "https://" + "a" * 2100 + "/",
    ],
)  # fmt: skip
async def test_a_url_that_is_never_asked_is_refused_before_anything_is_resolved(url: str) -> None:
    async def never(host: str) -> Sequence[str]:
        raise AssertionError(host)

    with pytest.raises(Refused):
        await Outbound(resolve=never).get(url)
    with pytest.raises(Refused):
        Outbound().check(url)


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:169.254.169.254"], ["fe80::1"]])
async def test_a_name_with_any_address_that_is_not_public_is_refused(answer: list[str]) -> None:
    with pytest.raises(Refused, match="isn't public"):
        await Outbound(resolve=names(answer)).get("https://rebinding.example/")


async def test_a_name_that_rebinds_is_refused_the_second_time() -> None:
    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    async with serving(hello) as port:
        client = Outbound(HERE, names(["127.0.0.1"], ["127.0.0.2"]))
        assert (await client.get(f"http://idp.example:{port}/")).body == b"hello"
        with pytest.raises(Refused):
            await client.get(f"http://idp.example:{port}/")


async def test_what_is_connected_to_is_looked_at_once_more() -> None:
    looks = iter([True, False])
    policy = Policy(schemes=frozenset({"http"}), may_connect=lambda _: next(looks))
    with pytest.raises(Refused):
        await Outbound(policy, names(["127.0.0.1"])).get("http://idp.example:9/")


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    asked = []

    async def away(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with serving(away) as port:
        answer = await Outbound(HERE, names(["127.0.0.1"])).get(f"http://idp.example:{port}/here")
    assert (answer.status, answer.headers["location"], asked) == (302, "/elsewhere", ["/here"])


async def test_a_post_arrives_with_its_body_and_headers() -> None:
    async def echo(request: web.BaseRequest) -> web.Response:
        return web.Response(body=await request.read(), headers={"X-Seen": request.headers["X-Sent"]})

    async with serving(echo) as port:
        answer = await Outbound(HERE, names(["127.0.0.1"])).post(
            f"http://idp.example:{port}/", b"body", {"X-Sent": "a"}
        )
    assert (answer.status, answer.headers["x-seen"], answer.body) == (200, "a", b"body")


async def test_an_answer_that_is_too_long_slow_compressed_or_broken_is_none() -> None:
    async def hostile(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/long":
            return web.Response(body=b"x" * (HERE.bytes + 1))
        if request.path == "/packed":
            return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})
        response = web.StreamResponse()
        await response.prepare(request)
        while request.path == "/trickle":
            await response.write(b"x")
            await asyncio.sleep(0.01)
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(hostile) as port:
        client, hasty = (Outbound(policy, names(["127.0.0.1"])) for policy in (HERE, IN_A_HURRY))
        whys = {"long": "too_large", "packed": "compressed", "trickle": "too_slow", "broken": "broken_off"}
        for path, code in whys.items():
            with pytest.raises(Unreachable) as failed:
                await (hasty if path == "trickle" else client).get(f"http://idp.example:{port}/{path}")
            assert failed.value.code == code
    with pytest.raises(Unreachable) as failed:
        await client.get(f"http://idp.example:{port}/gone")
    assert failed.value.code == "no_connection"


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="resolve"):
        await Outbound(resolve=names([])).get("https://nowhere.example/")


async def test_a_handshake_that_breaks_off_is_no_answer() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unreachable):
        await Outbound(HERE_BY_TLS, names(["127.0.0.1"])).get(f"https://idp.example:{port}/")
    server.close()


async def test_a_certificate_counts_only_from_a_trusted_issuer_and_for_the_name_that_was_asked(tmp_path: Path) -> None:
    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    authority = self_signed("idp.example", tmp_path)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(authority)
    trusting = ssl.create_default_context(cafile=authority)
    async with serving(hello, ours) as port:
        here = names(["127.0.0.1"])
        assert (await Outbound(HERE_BY_TLS, here, trusting).get(f"https://idp.example:{port}/")).body == b"hello"
        for client, host in (
            (Outbound(HERE_BY_TLS, here), "idp.example"),
            (Outbound(HERE_BY_TLS, here, trusting), "else.example"),
        ):
            with pytest.raises(Unreachable, match="certificate"):
                await client.get(f"https://{host}:{port}/")


def self_signed(host: str, folder: Path) -> Path:
    """A file with a key and a certificate for this host that is its own issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    written = folder / "server.pem"
    written.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return written
