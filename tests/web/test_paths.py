"""One spelling for each path: tricks are refused before anything is routed."""

from __future__ import annotations

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from shared.web.paths import safe_path
from shared.web.server import Request
from tests.web.raw import serving, wire

TRICKS = [
    "/..", "/../x", "/a/../b", "/a/.", "/./a", "/%2e%2e/a", "/a/%2E", "/.%2e/a", "/%2e./a",
    "//", "//a", "/a//b", "/a//", "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a%00", "/a%0a", "/a%0d%0ab", "/a%7f",
    "/%252e%252e/a", "/a%25", "/%c0%ae%c0%ae/a", "/%e0%80%af", "/%ff", "/%ed%a0%80", "/a;b", "/a%3bb",
    "/a%3fb", "/a%23",
    "/%", "/%4", "/%zz", "/a%u002e", "/é", "/\udcff", "", "a", "*", "http://a/b", "/a b", "/a#b", "/%c2%85",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_a_path_trick_is_no_path(path: str) -> None:
    assert safe_path(path) is None
    assert safe_path(path + "?a=b") is None


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/", "/"),
        ("/v1/users", "/v1/users"),
        ("/v1/users/", "/v1/users/"),
        ("/v1/users?q=../%2e%2e//;", "/v1/users"),
        ("/.well-known/jwks.json", "/.well-known/jwks.json"),
        ("/a/...", "/a/..."),
        ("/a..b", "/a..b"),
        ("/v1/users/usr_01", "/v1/users/usr_01"),
        ("/d/caf%C3%A9%20x", "/d/café x"),
        ("/invoices/in_1.pdf", "/invoices/in_1.pdf"),
        ("/%61", "/a"),
    ],
)
def test_a_plain_path_is_decoded_once(raw: str, path: str) -> None:
    assert safe_path(raw) == path


@given(st.text(alphabet=st.sampled_from(list("/.%2eEfF5cC0;\\a?#é")), max_size=24))
def test_whatever_passes_has_one_reading(raw: str) -> None:
    path = safe_path("/" + raw)
    if path is not None:
        assert path.startswith("/")
        assert "//" not in path
        assert not {".", ".."} & set(path.split("/"))
        assert not set(path) & set("%;\\?#\0")


@pytest.mark.parametrize("path", ["/%2e%2e/a", "//a", "/a%2fb", "/a/../b", "/a%00", "/a;b"])
async def test_a_path_trick_reaches_no_handler(path: str) -> None:
    called: list[str] = []

    async def note(request: Request) -> web.Response:
        called.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", note)  # type: ignore[arg-type]
    async with serving(app) as listening, wire(listening.port) as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert (await client.answer()).code == "malformed_request"
    assert called == []
