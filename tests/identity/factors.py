"""Second factors for identity's tests: an authenticator app that a person holds, and answers to challenges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyotp

from shared.auth import Actor
from tests.identity.people import Someone, sign_in
from tests.world import Reply, World


@dataclass
class Phone:
    """An authenticator app that was set up, and the recovery codes that came with it."""

    world: World
    secret: str
    recovery_codes: list[str]

    def code(self, steps: int = 0) -> str:
        """The present code, or that of some steps before or after."""
        return str(pyotp.TOTP(self.secret).at(int(self.world.clock.now().timestamp()) + 30 * steps))

    def wrong(self) -> str:
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in (f"{n:06}" for n in range(10)) if code not in near)


def time_passes(world: World) -> None:
    """The app shows another code, and only since a second: it isn't over while a test looks at it."""
    world.clock.advance(timedelta(seconds=31 - world.clock.now().timestamp() % 30))


async def begins_totp(world: World, actor: Actor) -> dict[str, Any]:
    return (await world.ask("identity", "POST", "/v1/me/totp", {}, actor=actor)).ok()  # type: ignore[no-any-return]


async def activates_totp(world: World, actor: Actor, code: str) -> Reply:
    return await world.ask("identity", "POST", "/v1/me/totp/activation", {"code": code}, actor=actor)


async def sets_up_totp(world: World, actor: Actor) -> Phone:
    """Sets an app up; the clock then stands at a step whose code wasn't used."""
    phone = Phone(world, (await begins_totp(world, actor))["secret"], [])
    time_passes(world)
    phone.recovery_codes = (await activates_totp(world, actor, phone.code())).ok()["recovery_codes"]
    time_passes(world)
    return phone


async def challenged(someone: Someone, **more: Any) -> dict[str, Any]:
    """The challenge that the right password gets."""
    session = (await sign_in(someone.world, someone.email, **more)).ok()
    assert {name for name, held in session.items() if held is not None} == {"challenge"}
    return session["challenge"]  # type: ignore[no-any-return]


async def answers(world: World, challenge: dict[str, Any], **shown: Any) -> Reply:
    path = f"/v1/auth/challenges/{challenge['id']}/answers"
    headers = {"Tenantry-Source-Ip": "203.0.113.7", "User-Agent": "Tester/1.0"}
    return await world.ask("identity", "POST", path, {"token": challenge["token"], **shown}, headers=headers)
