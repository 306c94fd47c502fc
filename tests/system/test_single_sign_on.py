"""Single sign-on through the gateway, at a provider that others wrote: from the proof of a domain to the last way in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from services.identity.app import service as identity
from services.identity.usecases.opened import opening as identity_opening
from services.launcher import PRODUCT
from services.org.app import opening as org_opening
from services.org.app import service as org
from shared.cli.demo.api import Person, Reply, sign_up, until
from shared.outbound import Outbound
from tests.identity.oidc_provider import CLIENT, RealProvider, real_provider
from tests.identity.provider import HERE
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases

RECORDS: dict[str, list[str]] = {}


async def records_of(name: str) -> Sequence[str]:
    return RECORDS.get(name, [])


REACHING = {
    "identity": replace(identity, opens=identity_opening(Outbound(policy=HERE))),
    "org": replace(org, opens=org_opening(records_of)),
}


@pytest.fixture(scope="module")
async def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    reaching = replace(PRODUCT, service=lambda name: REACHING.get(name) or PRODUCT.service(name))
    async with whole_product(databases, tmp_path_factory.mktemp("sso"), product=reaching) as running:
        yield running


@dataclass
class Browser:
    """A browser at the gateway: it keeps cookies, and says where it is sent instead of going there."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
        """Status, JSON and `Location`."""
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        sent |= {"Origin": self.url, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.csrf}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, self.url + path, json=body, headers=sent, allow_redirects=False) as answer,
        ):
            for line in answer.headers.getall("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            is_json = "json" in answer.headers.get("Content-Type", "")
            return (
                answer.status,
                await answer.json(content_type=None) if is_json else None,
                answer.headers.get("Location", ""),
            )

    async def comes_back(self, provider: RealProvider, url: str, login: str) -> str:
        """Through the provider's pages; the page of the console that it ends at."""
        parts = urlsplit(await provider.sign_in(url, login))
        status, _, location = await self.ask("GET", f"{parts.path}?{parts.query}")
        assert status == 303, location
        return location.removeprefix(self.url)


async def with_proven_domain(product: WholeProduct, domain: str) -> Person:
    boss = await sign_up(product.gateway, f"boss@{domain}", "Bo Boss", "Northwind")
    (await boss.write("POST", "/v1/subscription/trial", after=boss.last_change[-1])).ok()
    found = (await boss.ask("GET", "/v1/domains")).ok()["data"][0]
    RECORDS[found["record"]["name"]] = [found["record"]["value"]]
    assert (await boss.write("POST", f"/v1/domains/{found['id']}/verifications")).ok()["outcome"] == "proven"
    return boss


async def test_from_the_first_setting_to_the_last_way_in(product: WholeProduct) -> None:
    domain = "northwind-sso.example"
    boss = await with_proven_domain(product, domain)
    wanted = {"name": "Northwind IdP", "protocol": "oidc", "domains": [domain], "new_users": "at_once"}
    made = await until(
        lambda: boss.write("POST", "/v1/sso-connections", wanted), lambda reply: reply.status in (201, 409)
    )
    connection = made.ok()
    path = f"/v1/sso-connections/{connection['id']}"
    with real_provider(connection["service_provider"]["redirect_uri"], domain) as provider:
        told = {"issuer": provider.url, "client_id": CLIENT[0], "client_secret": CLIENT[1]}
        (await boss.ask("PUT", f"{path}/metadata", {"oidc": told})).ok()

        mine = Browser(product.gateway.url)
        bearer = {"Authorization": f"Bearer {boss.token}"}
        _, begun, _ = await mine.ask("POST", f"{path}/verification", {}, **bearer)
        assert await mine.comes_back(provider, begun["url"], "boss") == f"/console/sso/{connection['id']}?verified=true"
        (await boss.ask("POST", f"{path}/activation")).ok()

        ivy = Browser(product.gateway.url)
        _, way, _ = await ivy.ask("POST", "/v1/auth/discovery", {"email": f"ivy@{domain}"})
        assert (way["method"], way["password_works"]) == ("sso", False)
        _, _, there = await ivy.ask("GET", way["sso"]["url"] + "&return_to=/console/dashboards")
        assert set(ivy.cookies) == {"__Host-sso"}
        assert await ivy.comes_back(provider, there, "ivy") == "/console/sign-in/sso"
        assert set(ivy.cookies) == {"__Host-sso"}, "nothing of a session leaves before it is asked for"
        status, done, _ = await ivy.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "cookie"})
        assert (status, done["return_to"], done["access_token"]) == (201, "/console/dashboards", None)
        assert ivy.cookies["__Host-sso"] == ""

        async def enters() -> Reply:
            status, answer, _ = await ivy.ask("GET", "/v1/me")
            return Reply(status, {}, answer)

        known = (await until(enters, lambda reply: bool(reply.json["organization"]))).ok()
        assert (known["user"]["email"], known["session"]["amr"]) == (f"ivy@{domain}", ["sso"])
        assert (known["organization"]["name"], known["organization"]["role"]) == ("Northwind", "viewer")
        refused = await product.gateway.send(
            "POST", "/v1/auth/sessions", {"email": boss.email, "password": "correct-horse-battery-staple-9"}
        )
        assert refused.code == "invalid_credentials"
        entries = (await boss.ask("GET", "/v1/audit-entries?q=action:identity.sso*")).ok()["data"]
        assert {entry["action"].split(".")[1] + "." + entry["action"].split(".")[2] for entry in entries} >= {
            "sso_connection.created",
            "sso_connection.verified",
            "sso_connection.activated",
            "sso_identity.linked",
            "sso_user.arrived",
        }

    assert (await product.gateway.send("POST", "/v1/auth/break-glass", {"email": boss.email})).status == 202
    token = await product.gateway.mailed_token(boss.email, "emergency")
    session = (await product.gateway.send("POST", "/v1/auth/break-glass-sessions", {"token": token})).ok()
    boss.token = session["access_token"]
    for closed in ("/v1/users", "/v1/audit-entries", "/v1/events", "/v1/subscription", "/v1/dashboards", "/v1/domains"):
        assert (await boss.ask("GET", closed, after="")).code == "emergency_only", closed
    assert (await boss.ask("GET", "/v1/me", after="")).ok()["user"]["email"] == boss.email
    assert (await boss.ask("POST", f"{path}/deactivation")).ok()["status"] == "off"
    await boss.sign_in()
    assert (await boss.ask("GET", "/v1/users")).status == 200
