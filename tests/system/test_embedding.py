"""A link through the gateway: opened by anybody, from where its owner allows, behind a proxy that is trusted; and what the logs keep of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
import structlog

from shared.cli.demo.api import Person, sign_up
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases


@pytest.fixture(scope="module")
async def behind_a_proxy(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    folder = tmp_path_factory.mktemp("proxied")
    async with whole_product(databases, folder, trusted_proxies=("127.0.0.1", "10.0.0.0/8")) as running:
        yield running


async def an_owner(product: WholeProduct) -> Person:
    owner = await sign_up(product.gateway, f"ada@embed-{secrets.token_hex(4)}.example", "Ada", "Embedders")
    (await owner.write("POST", "/v1/subscription/trial", after=owner.last_change[-1])).ok()
    board = {"id": "board-1", "title": "Revenue", "parameters": ["region"]}
    (await owner.write("POST", "/v1/dashboards", board, after=owner.last_change[-1])).ok()
    return owner


async def a_link(owner: Person, **options: Any) -> Any:
    return (await owner.write("POST", "/v1/dashboards/board-1/links", {"name": "Wall"} | options)).ok()


async def opened(product: WholeProduct, forwarded: str = "", **query: str) -> int:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return (await product.gateway.send("GET", f"/v1/shared/board-1?{urlencode(query)}", None, headers)).status


async def test_networks_are_compared_with_whom_a_trusted_proxy_names(behind_a_proxy: WholeProduct) -> None:
    link = await a_link(await an_owner(behind_a_proxy), networks=["198.51.100.0/24", "2001:db8::/32"])
    for forwarded, status in (
        ("198.51.100.7", 200),
        ("2001:db8::7", 200),
        ("198.51.100.7, 10.1.2.3", 200),
        ("::ffff:198.51.100.7", 200),
        ("203.0.113.9", 401),
        ("2001:db9::7", 401),
        ("198.51.100.7, 203.0.113.9", 401),  # who wrote the first address isn't trusted
        ("", 401),
    ):
        assert await opened(behind_a_proxy, forwarded, sharingToken=link["token"]) == status, forwarded


async def test_who_is_not_trusted_names_nobody(product: WholeProduct) -> None:
    owner = await an_owner(product)
    foreign = await a_link(owner, networks=["198.51.100.0/24"])
    local = await a_link(owner, networks=["127.0.0.0/8", "::1"])
    assert await opened(product, "198.51.100.7", sharingToken=foreign["token"]) == 401
    assert await opened(product, "198.51.100.7", sharingToken=local["token"]) == 200


async def test_no_log_line_holds_what_a_viewer_brought(
    product: WholeProduct, capfd: pytest.CaptureFixture[str]
) -> None:
    owner = await an_owner(product)
    link = await a_link(owner, requires_secret=True, password="a password for the wall")
    (secret,) = (await owner.ask("GET", "/v1/embed-secrets")).ok()["data"]
    shown = (await owner.write("POST", f"/v1/embed-secrets/{secret['id']}/reveal")).ok()["secret"]
    claims = {"sharing_token": link["token"], "exp": int(time.time()) + 600}
    token = jwt.encode(claims, shown, algorithm="HS256")
    with structlog.testing.capture_logs() as logs:
        body = {"sharing_token": link["token"], "password": "a password for the wall"}
        unlock = (await product.gateway.send("POST", "/v1/shared/board-1/unlocks", body)).ok()["unlock"]
        brought = {"sharingToken": link["token"], "sharingSecret": token, "unlock": unlock}
        assert await opened(product, **brought) == 200
        assert await opened(product, **(brought | {"sharingSecret": token[:-2]})) == 401
        assert await opened(product, **(brought | {"unlock": unlock[:-2]})) == 401
    printed = "".join(capfd.readouterr()) + repr(logs)
    for what in (link["token"].partition("-")[2], token.rpartition(".")[2], unlock.rpartition(".")[2], shown):
        assert what not in printed
