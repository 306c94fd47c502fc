"""People for identity's tests: they sign up, confirm, sign in, and hold what they were given."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import randrange
from typing import Any

import jwt
import pytest

from shared import hashing
from shared.auth import Actor
from shared.db import Tx
from shared.events.courier import MailRequested
from shared.events.org import (
    Invitation,
    InvitationSent,
    Member,
    MemberDeactivated,
    MemberJoined,
    MemberReactivated,
    MemberRemoved,
)
from shared.ids import new_id
from shared.links import link_token
from tests.world import Reply, World

PASSWORD = "Gelber Regenmantel 41"
GATEWAY = Actor("service", service="gateway")


def wish(email: str, **changes: Any) -> dict[str, Any]:
    return {
        "email": email,
        "password": PASSWORD,
        "name": "Ana Example",
        "company": "Northwind",
        "location": "eu",
        "accept_terms": True,
        **changes,
    }


async def mails(world: World) -> list[MailRequested]:
    return [MailRequested.read(envelope) for envelope in await world.said("identity", MailRequested)]


def link_of(world: World, mail: MailRequested) -> str:
    """The token that courier would put into this mail."""
    assert mail.link is not None
    return link_token(world.settings.secrets.bytes("links"), mail.link.purpose, mail.link.id, mail.link.version)


async def sign_up(world: World, email: str, *, source: str = "203.0.113.7", **changes: Any) -> tuple[str, str]:
    """The pending sign-up's id and the token that was mailed."""
    headers = {"Tenantry-Source-Ip": source}
    pending = (await world.ask("identity", "POST", "/v1/signups", wish(email, **changes), headers=headers)).ok()
    return pending["id"], link_of(world, (await mails(world))[-1])


async def confirm(world: World, signup_id: str, token: str) -> Reply:
    return await world.ask("identity", "POST", f"/v1/signups/{signup_id}/confirmation", {"token": token})


async def sign_in(
    world: World, email: str, password: str = PASSWORD, *, source: str = "203.0.113.7", **more: Any
) -> Reply:
    headers = {"Tenantry-Source-Ip": source, "User-Agent": "Tester/1.0"}
    return await world.ask(
        "identity", "POST", "/v1/auth/sessions", {"email": email, "password": password, **more}, headers=headers
    )


async def refresh(world: World, token: str) -> Reply:
    return await world.ask("identity", "POST", "/v1/auth/tokens", {"refresh_token": token})


async def introspect(world: World, session_id: str) -> dict[str, Any]:
    return (await world.ask("identity", "GET", f"/internal/sessions/{session_id}", actor=GATEWAY)).ok()  # type: ignore[no-any-return]


async def introspect_cookie(world: World, token: str) -> dict[str, Any]:
    return (await world.ask("identity", "POST", "/internal/cookie-sessions", {"token": token}, actor=GATEWAY)).ok()  # type: ignore[no-any-return]


def cookie_of(reply: Reply) -> str:
    return reply.headers["set-cookie"].partition("=")[2].partition(";")[0]


@dataclass
class Someone:
    """A person with an account, and with the sessions that they began."""

    world: World
    user_id: str
    email: str
    held: list[dict[str, Any]] = field(default_factory=list)

    async def comes(self, **more: Any) -> Actor:
        """Signs in; the actor that the gateway would make of the session."""
        reply = await sign_in(self.world, self.email, **more)
        session = reply.ok()
        self.held.append(session)
        return await self.actor(session["session_id"])

    async def actor(self, session_id: str) -> Actor:
        standing = await introspect(self.world, session_id)
        role = "admin" if standing["org_id"] else None
        return Actor("person", self.user_id, standing["org_id"], role, session_id, ("pwd",), standing["auth_time"])  # type: ignore[arg-type]


async def somebody(world: World, email: str | None = None, **changes: Any) -> Someone:
    """A confirmed account, opened at an address of its own: from one alone only so many sign up within an hour."""
    email = email or f"p{new_id('usr')[-10:]}@example.com"
    source = f"198.18.{randrange(256)}.{randrange(1, 255)}"
    registered = (await confirm(world, *await sign_up(world, email, source=source, **changes))).ok()
    return Someone(world, registered["user_id"], registered["email"])


def member(world: World, user_id: str, status: str = "active", email: str = "ana@example.com") -> Member:
    return Member(
        user_id=user_id,
        email=email,
        name="Ana Example",
        role="admin",
        effective_role="admin",
        status=status,
        joined_at=world.clock.now(),
    )


async def joins(world: World, org_id: str, user_id: str) -> None:
    await world.hear("org", MemberJoined(org_id=org_id, member=member(world, user_id)))


async def is_deactivated(world: World, org_id: str, user_id: str) -> None:
    await world.hear("org", MemberDeactivated(org_id=org_id, member=member(world, user_id, "inactive")))


async def is_reactivated(world: World, org_id: str, user_id: str) -> None:
    await world.hear("org", MemberReactivated(org_id=org_id, member=member(world, user_id)))


async def is_removed(world: World, org_id: str, user_id: str) -> None:
    await world.hear("org", MemberRemoved(org_id=org_id, member=member(world, user_id, "removed")))


def invitation(world: World, email: str, **changes: Any) -> Invitation:
    facts = {
        "invitation_id": new_id("inv"),
        "email": email,
        "role": "viewer",
        "group_ids": [],
        "status": "open",
        "expires_at": world.clock.now() + timedelta(days=14),
        "link_version": 1,
    }
    return Invitation(**{**facts, **changes})


async def is_invited(world: World, org_id: str, invited: Invitation) -> str:
    """The token that was mailed."""
    await world.hear("org", InvitationSent(org_id=org_id, invitation=invited, invited_by=new_id("usr")))
    return invitation_token(world, invited.invitation_id, invited.link_version)


def invitation_token(world: World, invitation_id: str, version: int) -> str:
    return link_token(world.settings.secrets.bytes("links"), "invitation", invitation_id, version)


async def verified_claims(world: World, access_token: str) -> dict[str, Any]:
    """The claims, proven only with what `/.well-known/jwks.json` publishes."""
    jwks = (await world.ask("identity", "GET", "/.well-known/jwks.json")).ok()
    keys = {key["kid"]: jwt.PyJWK(key) for key in jwks["keys"]}
    header = jwt.get_unverified_header(access_token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "EdDSA")
    return jwt.decode(
        access_token,
        keys[header["kid"]],
        algorithms=["EdDSA"],
        audience="tenantry",
        issuer=world.settings.public_url,
        leeway=timedelta(days=400),  # the tests' clock runs ahead
        options={"verify_iat": False},
    )


def epoch() -> int:
    return int(time.time())


@asynccontextmanager
async def holding(world: World, lock: str) -> AsyncIterator[Tx]:
    """Holds the rows that a statement locks, until the block ends."""
    async with world.started["identity"].env.database.tx("", lambda event: event) as tx:
        await tx.rows(lock)
        yield tx


async def waits(world: World, how_many: int = 1) -> bool:
    """Whether that many transactions wait for a lock."""
    async with world.started["identity"].env.database.read("") as read:
        waiting = await read.value(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
    return bool(waiting >= how_many)


@asynccontextmanager
async def proven_but_held(
    world: World, monkeypatch: pytest.MonkeyPatch, email: str, lock: str
) -> AsyncIterator[tuple[asyncio.Task[Reply], Tx]]:
    """A sign-in whose password was found right, and which then waits for rows that this block holds."""
    looking, go_on = threading.Event(), threading.Event()
    real = hashing._fits

    def pausing(known: str, given: str) -> bool:
        looking.set()
        go_on.wait(10)
        return real(known, given)

    with monkeypatch.context() as patch:
        patch.setattr(hashing, "_fits", pausing)
        task = asyncio.create_task(sign_in(world, email))
        await asyncio.to_thread(looking.wait, 10)
        async with holding(world, lock) as tx:
            go_on.set()
            await until(lambda: waits(world))
            yield task, tx


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await happened():
            await asyncio.sleep(0.005)
