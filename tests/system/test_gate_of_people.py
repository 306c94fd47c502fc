"""Plans gate setup, never protection, in a whole organization: who signs in by what, what is demanded of them, and who is an author.

What it finds is a table of docs/plans-gate-setup.md.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from services.launcher import PRODUCT
from shared.cli.demo.api import PASSWORD, Person, until
from tests.identity.provider import CLIENT, Provider, providing
from tests.system.days.acting import Acting
from tests.system.test_single_sign_on import REACHING, with_proven_domain
from tests.system.visiting import Browser
from tests.system.whole import WholeProduct, a_cast, whole_product
from tests.world import Databases

PAGE = Path(__file__).parent.parent.parent / "docs" / "plans-gate-setup.md"


class House(Protocol):
    """An organization that something happens to."""

    me: Acting

    async def comes_again(self) -> None:
        """The Admin has a session of now."""


Happening = Callable[[House], Awaitable[None]]


async def to(me: Acting, plan: str, **how: str) -> None:
    async def confirm() -> Any:
        preview = await me.do("POST", "/v1/subscription/change-previews", {"plan": plan, **how})
        wanted = {"plan": plan, **how, "fingerprint": preview["fingerprint"]}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        return await me.person.write("POST", "/v1/subscription/changes", wanted, headers=key)

    await until(confirm, lambda reply: reply.status == 201)


async def cancelled(house: House) -> None:
    await to(house.me, "free", when="now")


async def there_and_back(house: House) -> None:
    await cancelled(house)
    await arrived(house.me)
    await to(house.me, "business")


async def to_pro_now(house: House) -> None:
    await to(house.me, "business")
    await to(house.me, "pro", when="now")


async def end_of_trial(house: House) -> None:
    house.me.product.clock.advance(timedelta(days=15))
    await house.comes_again()
    person = house.me.person
    await until(lambda: person.ask("GET", "/v1/subscription", after=""), lambda reply: reply.ok()["plan"] == "free")


HAPPENINGS: dict[str, tuple[Happening, str]] = {
    "to Pro, at once": (to_pro_now, "pro"),
    "cancelled": (cancelled, "free"),
    "cancelled, and back": (there_and_back, "business"),
    "end of the trial": (end_of_trial, "free"),
}


@pytest.fixture(scope="module")
async def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    reaching = replace(PRODUCT, service=lambda name: REACHING.get(name) or PRODUCT.service(name))
    async with whole_product(databases, tmp_path_factory.mktemp("gate"), product=reaching) as running:
        yield running


async def arrived(me: Acting) -> None:
    """Everybody whom a change of the plan concerns has heard of it."""
    await until(
        lambda: me.person.ask("GET", f"/v1/changes/{me.person.last_change[-1]}", after=""),
        lambda reply: reply.status == 200 and all(one["state"] == "applied" for one in reply.json["subscribers"]),
    )


@dataclass
class Authors:
    """Three authors, of whom the free plan has room for two; everybody must have two-factor, and the time for it is over."""

    me: Acting
    people: list[Person]
    secret: str

    @classmethod
    async def of(cls, product: WholeProduct) -> Authors:
        cast = await a_cast(product.gateway)
        me = Acting(product, cast.admin)
        await me.do("POST", f"/v1/users/{cast.deactivated.user_id}/reactivation")
        secret = (await me.do("POST", "/v1/me/totp"))["secret"]
        await me.do("POST", "/v1/me/totp/activation", {"code": me.code(secret)})
        await me.signs_in_with(totp=me.code(secret))
        deadline = (product.clock.now() + timedelta(days=1, minutes=1)).isoformat()
        demanded = {"two_factor_required": True, "two_factor_deadline": deadline}
        await me.do("PATCH", "/v1/security-policy", demanded)
        await until(lambda: me.person.ask("GET", "/v1/security-policy/roster"), lambda reply: bool(reply.ok()["data"]))
        product.clock.advance(timedelta(days=1, minutes=2))
        await me.signs_in_with(totp=me.code(secret))
        return cls(me, [cast.admin, cast.analyst, cast.deactivated, cast.viewer], secret)

    async def comes_again(self) -> None:
        await self.me.signs_in_with(totp=self.me.code(self.secret))

    async def by_password_alone(self) -> set[str]:
        """Who gets a session for nothing but a password."""
        found = set()
        for person in self.people:
            asked = {"email": person.email, "password": PASSWORD}
            if (await self.me.anyone("POST", "/v1/auth/sessions", asked))["access_token"]:
                found.add(person.email)
        return found

    async def authors(self) -> set[str]:
        return authors_in(await self.listed())

    async def listed(self) -> Any:
        return await self.me.person.ask("GET", "/v1/users", after="")


@dataclass
class SignedOn:
    """An organization whose people come by its identity provider, and by nothing else."""

    me: Acting
    provider: Provider
    path: str
    domain: str

    async def by_password(self) -> set[str]:
        asked = {"email": self.me.person.email, "password": PASSWORD}
        reply = await self.me.product.gateway.send("POST", "/v1/auth/sessions", asked)
        return {self.me.person.email} if reply.status == 201 else set()

    async def comes_again(self) -> None:
        token = await self._signs_in(self.me.person.email, "bearer")
        assert token is not None
        self.me.person.token = token["access_token"]

    async def by_the_provider(self) -> set[str]:
        email = f"ivy@{self.domain}"
        return {email} if await self._signs_in(email, "cookie") is not None else set()

    async def _signs_in(self, email: str, keep: str) -> Any:
        browser = Browser(self.me.product.gateway.url)
        _, way, _ = await browser.ask("POST", "/v1/auth/discovery", {"email": email})
        _, _, there = await browser.ask("GET", way["sso"]["url"])
        back = await comes_back(browser, self.provider, there, email)
        status, session, _ = await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": keep})
        if status == 201 and (asked := session["account_proof"]):
            owner = {"challenge_id": asked["id"], "token": asked["token"], "password": PASSWORD}
            status, session, _ = await browser.ask("POST", "/v1/auth/sso/links", owner)
        return session if (back, status) == ("/console/sign-in/sso", 201) else None


async def signed_on(product: WholeProduct, domain: str) -> tuple[Acting, str]:
    boss = Acting(product, await with_proven_domain(product, domain))
    wanted = {"name": "Northwind IdP", "protocol": "oidc", "domains": [domain], "new_users": "at_once"}
    made = await until(
        lambda: boss.person.write("POST", "/v1/sso-connections", wanted), lambda reply: reply.status in (201, 409)
    )
    return boss, f"/v1/sso-connections/{made.ok()['id']}"


async def activated(boss: Acting, provider: Provider, path: str) -> None:
    told = {"issuer": provider.url, "client_id": CLIENT[0], "client_secret": CLIENT[1]}
    await boss.do("PUT", f"{path}/metadata", {"oidc": told})
    mine = Browser(boss.product.gateway.url)
    _, begun, _ = await mine.ask("POST", f"{path}/verification", {}, Authorization=f"Bearer {boss.person.token}")
    await comes_back(mine, provider, begun["url"], boss.person.email)
    await boss.do("POST", f"{path}/activation")


async def comes_back(browser: Browser, provider: Provider, url: str, email: str) -> str:
    """From the provider, where this person signed in; the page of the console that the browser ends at."""
    state = parse_qs(urlsplit(url).query)["state"][0]
    asked = urlencode({"code": provider.code_for(url, email, email), "state": state})
    callback = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0]).path
    status, _, location = await browser.ask("GET", f"{callback}?{asked}")
    assert status == 303, location
    return location.removeprefix(browser.url)


async def frozen_but_to_be_switched_off(house: SignedOn, plan: str) -> None:
    """Of what a plan without single sign-on leaves, only less can be made."""
    off = await house.me.person.ask("PUT", "/v1/sso-enforcement", {"enforced": False}, headers={"If-Match": "*"})
    assert off.status == 200, off
    again = await house.me.person.ask("PUT", "/v1/sso-enforcement", {"enforced": True}, headers={"If-Match": "*"})
    wanted = {"name": "Another", "protocol": "oidc"}
    another = await house.me.person.write("POST", "/v1/sso-connections", wanted)
    if plan == "free":
        assert (again.code, another.code) == ("plan_required", "plan_required")
    else:
        assert (again.status, another.status) == (200, 201)


def cell(before: set[str], after: set[str]) -> str:
    assert after <= before, "whoever gets in afterwards got in before"
    return "the same" if after == before else "fewer" if after else "nobody"


async def test_nothing_that_happens_to_a_plan_lets_anybody_in_more_easily(product: WholeProduct) -> None:
    rows: dict[str, list[str]] = {
        name: []
        for name in (
            "two-factor is required: by a password alone",
            "single sign-on is in force: by a password",
            "single sign-on is in force: by the provider",
            "three authors: as an author",
        )
    }
    passwords, enforced, provided, authors = rows.values()
    for name, (happens, plan) in HAPPENINGS.items():
        house = await Authors.of(product)
        alone, acting = await house.by_password_alone(), await house.authors()
        assert (alone, len(acting)) == (set(), 3), name
        await happens(house)
        assert (await house.me.sees("/v1/subscription"))["plan"] == plan
        await until(house.listed, lambda reply: (len(authors_in(reply)) == 2) == (plan == "free"))
        passwords.append(cell(alone, await house.by_password_alone()))
        authors.append(cell(acting, await house.authors()))

        domain = f"gate-{secrets.token_hex(4)}.example"
        boss, path = await signed_on(product, domain)
        async with providing(lambda: product.clock.now().timestamp()) as provider:
            await activated(boss, provider, path)
            on = SignedOn(boss, provider, path, domain)
            by_password, by_provider = await on.by_password(), await on.by_the_provider()
            assert (by_password, len(by_provider)) == (set(), 1), name
            await happens(on)
            await until(
                lambda: boss.person.ask("GET", "/v1/subscription", after=""), lambda reply: reply.ok()["plan"] == plan
            )
            await arrived(boss)
            enforced.append(cell(by_password, await on.by_password()))
            provided.append(cell(by_provider, await on.by_the_provider()))
            await frozen_but_to_be_switched_off(on, plan)
    table = written(rows)
    assert table in PAGE.read_text(), f"the page should say\n\n{table}"


def authors_in(reply: Any) -> set[str]:
    return {one["email"] for one in reply.ok()["data"] if one["effective_role"] in ("admin", "analyst")}


def written(rows: dict[str, list[str]]) -> str:
    first = ["| who gets in |", *(f" {name} |" for name in HAPPENINGS)]
    lines = [f"| {row} | {' | '.join(cells)} |" for row, cells in rows.items()]
    return "\n".join(["".join(first), "|---" * (len(HAPPENINGS) + 1) + "|", *lines])
