"""People who do what is documented, one request after the other, and see it done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from secrets import token_hex
from typing import Any

import pyotp

from shared.cli.demo.api import PASSWORD, Person, Reply, until
from tests.system.whole import WholeProduct

ANY_VERSION = {"If-Match": "*"}


def is_no_wait(reply: Reply) -> bool:
    """503 says that nothing was done, and to ask again."""
    return reply.status != 503


@dataclass
class Acting:
    """A person at the gateway. Whatever they ask for must be done."""

    product: WholeProduct
    person: Person

    async def do(self, method: str, path: str, body: Any = None) -> Any:
        return (await self.reply(method, path, body)).json

    async def reply(self, method: str, path: str, body: Any = None) -> Reply:
        after = self.person.last_change[-1] if self.person.last_change else None
        write = partial(self.person.write, method, path, body, headers=ANY_VERSION, after=after)
        reply = await until(write, is_no_wait)
        assert reply.status < 400, f"{method} {path}: {reply}"
        return reply

    async def sees(self, path: str) -> Any:
        return (await until(lambda: self.person.ask("GET", path), is_no_wait)).ok()

    async def anyone(self, method: str, path: str, body: Any = None) -> Any:
        """Without being signed in."""
        reply = await self.product.gateway.send(method, path, body, {"Idempotency-Key": token_hex(12)})
        assert reply.status < 400, f"{method} {path}: {reply}"
        return reply.json

    async def signs_in_with(self, **shown: Any) -> None:
        """By password, and by this second factor."""
        asked = {"email": self.person.email, "password": PASSWORD}
        challenge = (await self.anyone("POST", "/v1/auth/sessions", asked))["challenge"]
        path = f"/v1/auth/challenges/{challenge['id']}/answers"
        if "passkey" in shown:
            shown["passkey"] = shown["passkey"].get(challenge["passkey"])
        session = await self.anyone("POST", path, {"token": challenge["token"], **shown})
        self.person.token, self.person.refresh_token = session["access_token"], session["refresh_token"]

    def code(self, secret: str) -> str:
        """What an authenticator app shows now, which it hasn't shown before."""
        self.product.clock.advance(timedelta(seconds=30))
        return str(pyotp.TOTP(secret).at(int(self.product.clock.now().timestamp())))
