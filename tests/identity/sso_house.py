"""An organization that signs in at a provider: its Admin sets the connection up, its people come and go by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from argon2 import PasswordHasher

from services.identity.app import service
from services.identity.usecases.opened import opening
from shared.auth import ANONYMOUS, Actor
from shared.events import Envelope
from shared.events.billing import Entitlements, EntitlementsChanged
from shared.events.identity_sso import SsoIdentityLinked
from shared.events.org import Domain, DomainLapsed, DomainVerified, MemberJoined, OrganizationCreated
from shared.events.org_shapes import Organization
from shared.ids import new_id
from shared.outbound import Outbound, Policy
from shared.service import Ctx, Service, on_everything
from tests.identity.people import PASSWORD, Someone, member, somebody
from tests.identity.provider import CLIENT, HERE, Provider
from tests.world import Reply, World


async def listen(ctx: Ctx, told: Envelope) -> None:
    """Hears, for events that nobody hears stay in the outbox."""


BYSTANDER = Service(
    "audit", Path(__file__).parent, consumers=[on_everything(listen)], sources=["identity", "org", "billing"]
)


def identity_reaching(policy: Policy) -> Service:
    """Identity as it is, but for which addresses it may ask, and for the work that a password takes. Its jobs run when a test says so."""
    return replace(service, opens=opening(Outbound(policy=policy), LITTLE_WORK), jobs=())


LITTLE_WORK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
IDENTITY = identity_reaching(HERE)


@dataclass
class Browser:
    """Somebody's browser, with the one cookie that matters."""

    world: World
    cookie: str = ""

    async def ask(self, method: str, path: str, body: Any = None, actor: Actor = ANONYMOUS, **more: Any) -> Reply:
        headers = {"User-Agent": "Tester/1.0", **({"Cookie": f"__Host-sso={self.cookie}"} if self.cookie else {})}
        reply = await self.world.ask("identity", method, path, body, actor=actor, headers={**headers, **more})
        self.keep(reply)
        return reply

    def keep(self, reply: Reply) -> None:
        for line in reply.headers.get("set-cookie", "").split("\n"):
            name, _, value = line.partition(";")[0].partition("=")
            if name == "__Host-sso":
                self.cookie = value


@dataclass
class SsoHouse:
    """The organization, its domain, its Admin with a session that was begun by password, and a connection once there is one."""

    world: World
    provider: Provider
    org_id: str
    domain: str
    boss: Someone
    admin: Actor
    connection: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        return await self.world.ask("identity", method, path, body, actor=more.pop("actor", self.admin), **more)

    async def on_plan(self, included: bool, version: int = 1) -> None:
        told = EntitlementsChanged(org_id=self.org_id, entitlements=entitlements(included, version))
        await self.world.hear("billing", told)

    async def proves(self, name: str, lapsed: bool = False) -> None:
        facts: Any = {
            "domain_id": domain_id(name),
            "name": name,
            "status": "lapsed" if lapsed else "verified",
            "origin": "claimed",
            "stands": not lapsed,
        }
        lost = DomainLapsed(org_id=self.org_id, domain=Domain(**facts), reason="proof_gone")
        won = DomainVerified(org_id=self.org_id, domain=Domain(**facts))
        await self.world.hear("org", lost if lapsed else won)

    async def begins(self, **changes: Any) -> dict[str, Any]:
        wanted = {"name": "Northwind IdP", "protocol": "oidc", "domains": [self.domain], "new_users": "at_once"}
        made: dict[str, Any] = (await self.ask("POST", "/v1/sso-connections", {**wanted, **changes})).ok()
        self.connection = made["id"]
        return made

    def path(self, rest: str = "") -> str:
        return f"/v1/sso-connections/{self.connection}{rest}"

    async def imports(self, **changes: Any) -> Reply:
        oidc = {"issuer": self.provider.url, "client_id": CLIENT[0], "client_secret": CLIENT[1], **changes}
        return await self.ask("PUT", self.path("/metadata"), {"oidc": oidc})

    async def verifies(self, email: str | None = None, subject: str = "the-boss") -> Reply:
        browser = Browser(self.world)
        begun = await browser.ask("POST", self.path("/verification"), actor=self.admin)
        url = begun.ok()["url"]
        return await self.returns(browser, url, subject, email or self.boss.email)

    async def set_up(self, **changes: Any) -> SsoHouse:
        """Down to the activation."""
        await self.begins(**changes)
        (await self.imports()).ok()
        assert "verified=true" in (await self.verifies()).headers["location"]
        (await self.ask("POST", self.path("/activation"))).ok()
        return self

    async def leaves(self, browser: Browser, **query: str) -> str:
        """To the provider; its address."""
        went = await browser.ask("GET", f"/v1/auth/sso/{self.connection}/authorize?{urlencode(query)}")
        assert went.status == 303, went
        return went.headers["location"]

    async def returns(
        self,
        browser: Browser,
        url: str,
        subject: str,
        email: str | None,
        changes: dict[str, Any] | None = None,
        **query: Any,
    ) -> Reply:
        """From the provider, where somebody signed in."""
        code = self.provider.code_for(url, subject, email, **(changes or {}))
        asked = {"code": code, "state": parse_qs(urlsplit(url).query)["state"][0], **query}
        sent = urlencode({name: value for name, value in asked.items() if value is not None})
        return await browser.ask("GET", f"/v1/auth/sso/{self.connection}/callback?{sent}")

    async def goes(self, subject: str, email: str | None, **claims: Any) -> tuple[Browser, Reply]:
        """There and back."""
        browser = Browser(self.world)
        url = await self.leaves(browser)
        return browser, await self.returns(browser, url, subject, email, claims)

    async def signs_in(self, subject: str, email: str | None, keep: str = "bearer", **claims: Any) -> Reply:
        """As far as it goes without any other proof."""
        browser, back = await self.goes(subject, email, **claims)
        assert "failed" not in back.headers["location"], back.headers["location"]
        return await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": keep})

    async def links(self, subject: str, email: str, **proof: Any) -> Reply:
        """The first time of somebody whose account was there before: their password shows that it is theirs."""
        asked = (await self.signs_in(subject, email)).ok()["account_proof"]
        return await shows(self.world, asked, **(proof or {"password": PASSWORD}))

    async def attempts(self) -> list[dict[str, Any]]:
        return (await self.ask("GET", self.path("/login-attempts"))).ok()["data"]  # type: ignore[no-any-return]


async def linked(world: World, someone: Someone) -> list[Envelope]:
    """What was told of a provider's subject standing for this person."""
    return [told for told in await world.said("identity", SsoIdentityLinked) if told.subject == someone.user_id]


async def shows(world: World, asked: dict[str, Any], **proof: Any) -> Reply:
    """Answers what was asked of the account's person."""
    headers = {"Tenantry-Source-Ip": "203.0.113.7", "User-Agent": "Tester/1.0"}
    body = {"challenge_id": asked["id"], "token": asked["token"], **proof}
    return await world.ask("identity", "POST", "/v1/auth/sso/links", body, headers=headers)


def domain_id(name: str) -> str:
    letters = "".join(c for c in name if c in "0123456789abcdefghjkmnpqrstvwxyz")
    return f"dom_{letters[-26:]:0>26}"


def entitlements(included: bool, version: int) -> Entitlements:
    return Entitlements(
        version=version,
        plan="pro" if included else "free",
        plan_name="Some",
        author_slots=5,
        viewer_slots=None,
        share_all_analysts=True,
        custom_groups=True,
        additional_domains="any",
        single_sign_on=included,
        scim=False,
        sharing_links=True,
        interactive_embedding=False,
        api_keys=True,
        audit_days=30,
    )


async def sso_house(world: World, provider: Provider) -> SsoHouse:
    """On a plan with single sign-on, with a proven domain, and nothing set up."""
    org_id, domain = new_id("org"), f"d{new_id('dom')[-8:]}.example"
    boss = await somebody(world, f"boss@{domain}")
    state = Organization(name="Northwind", location="eu", contact_email=boss.email, product_mails=False)
    await world.hear("org", OrganizationCreated(org_id=org_id, organization=state, created_by=boss.user_id))
    await joins(world, org_id, boss)
    house = SsoHouse(world, provider, org_id, domain, boss, await boss.comes())
    await house.proves(domain)
    await house.on_plan(True)
    return house


async def joins(world: World, org_id: str, someone: Someone, role: str = "admin") -> None:
    facts = member(world, someone.user_id, email=someone.email).model_copy(
        update={"role": role, "effective_role": role}
    )
    await world.hear("org", MemberJoined(org_id=org_id, member=facts))
