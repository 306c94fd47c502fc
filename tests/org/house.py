"""An organization for tests: founded by a sign-up, on a plan, with people who were invited and accepted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.auth import Actor, Role
from shared.events.billing import Entitlements, EntitlementsChanged
from shared.events.identity import Person, Signup, UserRegistered
from shared.events.org import OrganizationCreated
from shared.fields import Message
from shared.ids import new_id
from shared.links import link_token
from shared.service import Ctx, Service, get, post, service
from tests.world import Reply, World

counter = itertools.count(1)
SERVICE = Actor("service", service="gateway")


def plan(version: int, name: str, author: int | None, viewer: int | None, groups: bool) -> Entitlements:
    return Entitlements(
        version=version,
        plan=name,
        plan_name=name.title(),
        author_slots=author,
        viewer_slots=viewer,
        share_all_analysts=name != "free",
        custom_groups=groups,
        additional_domains="any" if groups else "none",
        single_sign_on=name != "free",
        scim=groups,
        sharing_links=name != "free",
        interactive_embedding=groups,
        api_keys=name != "free",
        audit_days=30,
    )


PLANS: dict[str, tuple[int | None, int | None, bool]] = {
    "free": (2, 5, False),
    "pro": (5, None, False),
    "business": (20, None, True),
}


@dataclass
class House:
    """One organization and how to act in it."""

    world: World
    org_id: str
    admin: Actor
    domain: str
    versions: itertools.count = field(default_factory=lambda: itertools.count(1))  # type: ignore[type-arg]

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: Actor | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        return await self.world.ask("org", method, path, body, actor=by or self.admin, headers=headers)

    async def on(self, name: str, **other: Any) -> None:
        """Billing says that the organization is on this plan from now on."""
        author, viewer, groups = PLANS[name]
        told = plan(next(self.versions), name, author, viewer, groups).model_copy(update=other)
        await self.world.hear("billing", EntitlementsChanged(org_id=self.org_id, entitlements=told))

    async def invite(self, email: str, role: Role = "viewer", groups: list[str] | None = None) -> Reply:
        return await self.ask("POST", "/v1/invitations", {"email": email, "role": role, "group_ids": groups or []})

    def token(self, invitation: Mapping[str, Any], version: int | None = None) -> str:
        """What courier puts in the mail."""
        key = self.world.settings.secrets.bytes("links")
        return link_token(key, "invitation", invitation["id"], version or invitation["link_version"])

    async def accept(self, token: str, person: Actor) -> Reply:
        return await self.ask("POST", f"/v1/invitation-tokens/{token}/acceptance", by=person)

    async def member(self, role: Role = "viewer", name: str | None = None, groups: list[str] | None = None) -> Actor:
        """Somebody who was invited and accepted."""
        name = name or f"person{next(counter)}"
        email = f"{name.split()[0].lower()}@{self.domain}"
        invitation = (await self.invite(email, role, groups)).ok()
        person = await a_person(self.world, email, name)
        (await self.accept(self.token(invitation), person)).ok()
        return self.acting(person, role)

    def acting(self, person: Actor, role: Role) -> Actor:
        return Actor("person", person.user_id, self.org_id, role, person.session_id, ("pwd",), int(time.time()))

    async def user(self, actor: Actor) -> Any:
        return (await self.ask("GET", f"/v1/users/{actor.user_id}")).ok()

    async def give(
        self, actor: Actor, role: Role, groups: list[str] | None = None, *, by: Actor | None = None
    ) -> Reply:
        """Role and groups, with the ETag that was just read; the groups they have unless others are named."""
        read = await self.ask("GET", f"/v1/users/{actor.user_id}")
        if groups is None:
            groups = [g["id"] for g in read.ok()["groups"] if g["kind"] == "custom"]
        return await self.ask(
            "PUT",
            f"/v1/users/{actor.user_id}/role-and-groups",
            {"role": role, "group_ids": groups},
            by=by,
            headers={"If-Match": read.headers["etag"]},
        )

    async def group(self, name: str, *people: Actor) -> str:
        made = (await self.ask("POST", "/v1/groups", {"name": name})).ok()
        for person in people:
            (await self.ask("PUT", f"/v1/groups/{made['id']}/members/{person.user_id}")).ok()
        return str(made["id"])

    async def slots(self) -> dict[str, dict[str, int | None]]:
        return dict((await self.ask("GET", "/v1/organization")).ok()["slots"])

    async def said(self) -> list[str]:
        """The types of what was said about this organization, in order, mail aside."""
        said = [e for e in await self.world.said("org") if e.org_id == self.org_id]
        return [
            e.type.removeprefix("org.").removesuffix(".v1")
            for e in sorted(said, key=lambda e: e.sequence)
            if e.type.startswith("org.")
        ]

    async def since(self, act: Any) -> list[str]:
        """What an act made org say."""
        before = len(await self.said())
        await act
        return (await self.said())[before:]


async def a_person(world: World, email: str, name: str) -> Actor:
    """Somebody with an account, of whom org was told, acting in no organization."""
    user_id = new_id("usr")
    await world.hear("identity", UserRegistered(user_id=user_id, person=Person(email=email, name=name)))
    return Actor("person", user_id, None, None, new_id("ses"), ("pwd",), int(time.time()))


async def founded(
    world: World, plan_name: str | None = "business", *, email: str | None = None, name: str = "Ana Ruiz"
) -> House:
    """An organization whose founder just confirmed their address."""
    domain = f"acme{next(counter)}.example.com"
    email = email or f"ana@{domain}"
    user_id = new_id("usr")
    signup = Signup(company="Acme", location="eu", product_mails=True, source_ip="198.51.100.4")
    await world.hear("identity", UserRegistered(user_id=user_id, person=Person(email=email, name=name), signup=signup))
    created = [e for e in await world.said("org", OrganizationCreated) if e.data["created_by"] == user_id]
    assert len(created) == 1
    org_id = created[0].subject
    admin = Actor("person", user_id, org_id, "admin", new_id("ses"), ("pwd",), int(time.time()))
    house = House(world, org_id, admin, email.partition("@")[2])
    if plan_name:
        await house.on(plan_name)
    return house


class WhichSession(Message):
    session_id: str


class ProvisionAccount(Message):
    org_id: str
    email: str
    name: str


class WhoseAccounts(Message):
    org_id: str
    emails: list[str]


class WhoseKeys(Message):
    org_id: str
    user_id: str


def identity_with(
    folder: Path, sessions: dict[str, dict[str, Any]], keys: dict[str, list[dict[str, Any]]] | None = None
) -> Service:
    """A stand-in for identity that knows these sessions, and the keys that people made."""

    async def session(ctx: Ctx, which: WhichSession) -> dict[str, Any]:
        """A session."""
        if which.session_id in sessions:
            return sessions[which.session_id]
        return {
            "session_id": which.session_id,
            "live": False,
            "user_id": None,
            "org_id": None,
            "email": None,
            "name": None,
        }

    accounts: dict[str, dict[str, Any]] = {}

    async def provision(ctx: Ctx, wanted: ProvisionAccount) -> dict[str, Any]:
        """The account of an address."""
        address = wanted.email.lower()
        own = sessions.get(f"account {address}")
        if own is not None:
            return own | {"created": False, "of_organization": False}
        made = address not in accounts
        new = {"user_id": new_id("usr"), "email": wanted.email, "name": wanted.name}
        return accounts.setdefault(address, new) | {"created": made, "of_organization": True}

    async def held(ctx: Ctx, wanted: WhoseAccounts) -> dict[str, Any]:
        """Whose accounts are their own."""
        return {"emails": [one for one in wanted.emails if f"account {one}" in sessions]}

    async def keys_made_by(ctx: Ctx, who: WhoseKeys) -> dict[str, Any]:
        """What a person made."""
        return {"keys": (keys or {}).get(who.user_id, [])}

    folder.mkdir(exist_ok=True)
    return Service(
        name="identity",
        migrations=folder,
        routes=[
            get("/internal/sessions/{session_id}", session, service("sessions.read")),
            get("/internal/organizations/{org_id}/keys-made-by/{user_id}", keys_made_by, service("api_keys.read")),
            post("/internal/provisioned-accounts", provision, service("accounts.provision")),
            post("/internal/accounts-held", held, service("accounts.provision")),
        ],
        sources=["org"],  # the bus takes nothing that nobody listens to
    )


async def at_once(*asks: Any) -> list[Reply]:
    """Requests that race. A server that is too busy says so (503); then it is asked again, as a client would."""

    async def patient(ask: Any) -> Reply:
        reply: Reply = await ask()
        if reply.status != 503:
            return reply
        await asyncio.sleep(0.05)
        return await patient(ask)

    return await asyncio.gather(*(patient(ask) for ask in asks))


__all__ = ["SERVICE", "House", "a_person", "at_once", "founded", "identity_with", "plan"]
