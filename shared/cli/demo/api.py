"""The gateway as a client sees it: people who sign in, ask, and read their own writes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from shared.cli.place import Refused

PASSWORD = "correct-horse-battery-staple-9"  # noqa: S105 the demo's people are made up
MAIL_SECONDS = 15.0
SETTLE_SECONDS = 10.0
PATIENT_SECONDS = 60.0
PAUSE_SECONDS = 0.2
EXPIRED = "The access token has expired."
TOKEN = re.compile(r"tms_[\w-]+")


class Unexpected(Refused):
    """Something isn't as the story says."""


def expect(truth: bool, otherwise: str) -> None:
    if not truth:
        raise Unexpected(f"That isn't as it should be: {otherwise}")


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    json: Any

    @property
    def code(self) -> str | None:
        return self.json.get("code") if self.status >= 400 and isinstance(self.json, dict) else None

    def ok(self) -> Any:
        expect(self.status < 300, f"{self.status} {self.json}")
        return self.json


class Gateway:
    """One origin. `watch` is told of every exchange."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.watch: Callable[[str, str, int, float], None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=30), connector=aiohttp.TCPConnector(limit=16)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, quietly: bool = False
    ) -> Reply:
        if self._session is None:
            raise RuntimeError("open the gateway first")
        began = time.perf_counter()
        content = None if body is None else orjson.dumps(body)
        sent = {**({"Content-Type": "application/json"} if content else {}), **(headers or {})}
        try:
            async with self._session.request(method, self.url + path, data=content, headers=sent) as answer:
                raw = await answer.read()
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as away:
            raise Refused(f"The gateway at {self.url} can't be reached: {away}") from None
        if self.watch is not None and not quietly:
            self.watch(method, path, answer.status, (time.perf_counter() - began) * 1000)
        is_json = "json" in answer.headers.get("Content-Type", "")
        return Reply(
            answer.status,
            {k.lower(): v for k, v in answer.headers.items()},
            orjson.loads(raw) if raw and is_json else None,
        )

    async def mailed_token(self, to: str, subject_has: str = "") -> str:
        """The token of the newest mail to an address, waiting for it; only where mail goes to files."""
        deadline = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < deadline:
            reply = await self.send("GET", "/dev/mail", headers={"Accept": "application/json"}, quietly=True)
            if reply.status == 404:
                raise Refused(
                    "This product sends real mail, so the demo can't open it. Play it against `tenantry up` on your own machine."
                )
            for mail in reply.ok()["data"]:
                if mail["to"].lower() == to.lower() and subject_has in mail["subject"]:
                    found = TOKEN.search(" ".join(mail["links"]))
                    if found:
                        return found[0]
            await asyncio.sleep(0.1)
        raise Unexpected(f"No mail for {to} came within {MAIL_SECONDS:.0f} s.")


class PatientGateway(Gateway):
    """A client that does what the API says: what wasn't answered, or answered 503, is sent again under the same key, and who waited until their token expired signs in again. `again` counts why."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.again: Counter[str] = Counter()
        self._signed_in: dict[str, Any] = {}  # what each access token was got by
        self._renewed: dict[str, str] = {}

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, quietly: bool = False
    ) -> Reply:
        token = (headers or {}).get("Authorization", "").removeprefix("Bearer ")
        while token in self._renewed:
            token = self._renewed[token]
        sent = {**(headers or {}), "Authorization": f"Bearer {token}"} if token else headers
        reply = await self._sent(method, path, body, sent, quietly)
        if path == "/v1/auth/sessions" and reply.status < 300 and "access_token" in reply.json:
            self._signed_in[reply.json["access_token"]] = body
        if reply.code == "unauthenticated" and reply.json["detail"] == EXPIRED and token in self._signed_in:
            self.again[EXPIRED] += 1
            session = await self.send("POST", "/v1/auth/sessions", self._signed_in[token], quietly=quietly)
            self._renewed[token] = session.ok()["access_token"]
            return await self.send(method, path, body, headers, quietly=quietly)
        return reply

    async def _sent(self, method: str, path: str, body: Any, headers: dict[str, str] | None, quietly: bool) -> Reply:
        deadline = time.monotonic() + PATIENT_SECONDS
        while True:
            try:
                reply = await super().send(method, path, body, headers, quietly=quietly)
                if reply.status not in (502, 503, 504) and reply.code != "idempotency_running":
                    return reply
                why = str(reply.code)
            except (Refused, TimeoutError) as away:
                why = str(away) or "no answer"
            self.again[why] += 1
            expect(time.monotonic() < deadline, f"{method} {path} isn't answered for {PATIENT_SECONDS:.0f} s: {why}")
            await asyncio.sleep(PAUSE_SECONDS)


@dataclass
class Person:
    """Somebody with a session. Reads carry the last change, so they never see an older state."""

    gateway: Gateway
    email: str
    name: str
    user_id: str = ""
    token: str = ""
    refresh_token: str = ""
    last_change: list[str] = field(default_factory=list)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        after: str | None = None,
        headers: dict[str, str] | None = None,
        quietly: bool = False,
    ) -> Reply:
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if after is None and method == "GET" and self.last_change:
            after = self.last_change[-1]
        if after:
            sent["Tenantry-After"] = after
        reply = await self.gateway.send(method, path, body, sent, quietly=quietly)
        if "tenantry-change" in reply.headers:
            self.last_change.append(reply.headers["tenantry-change"])
        return reply

    async def write(self, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        """A write with an Idempotency-Key."""
        headers = {"Idempotency-Key": secrets.token_hex(12), **options.pop("headers", {})}
        return await self.ask(method, path, body, headers=headers, **options)

    async def sign_in(self, *, quietly: bool = False) -> None:
        body = {"email": self.email, "password": PASSWORD}
        session = (await self.gateway.send("POST", "/v1/auth/sessions", body, quietly=quietly)).ok()
        self.token, self.refresh_token = session["access_token"], session["refresh_token"]

    async def accept(self, token: str, *, quietly: bool = False) -> Reply:
        """Makes an account by an invitation's link, signs in, and accepts."""
        wanted = {"name": self.name, "password": PASSWORD}
        path = f"/v1/invitation-tokens/{token}/account"
        account = await until(  # a mail may be quicker than the news of its invitation
            lambda: self.gateway.send("POST", path, wanted, quietly=quietly),
            lambda answer: answer.code != "not_yet_consistent",
        )
        unheard = account.code == "already_exists"  # the answer to a try before this one got lost
        if not unheard:
            self.user_id = account.ok()["user_id"]
        await self.sign_in(quietly=quietly)
        if unheard:
            self.user_id = (await self.ask("GET", "/v1/me", quietly=True)).ok()["user"]["id"]
        accepted = await self.write("POST", f"/v1/invitation-tokens/{token}/acceptance", quietly=quietly)
        accepted.ok()
        return accepted


async def sign_up(
    gateway: Gateway, email: str, name: str, company: str, location: str = "eu", *, quietly: bool = False
) -> Person:
    """Signs up, opens the mail, confirms, and signs in."""
    body = {
        "email": email,
        "password": PASSWORD,
        "name": name,
        "company": company,
        "location": location,
        "accept_terms": True,
    }
    signup = (await gateway.send("POST", "/v1/signups", body, quietly=quietly)).ok()
    person = Person(gateway, email, name)

    async def confirm() -> Reply:
        token = await gateway.mailed_token(email)
        path = f"/v1/signups/{signup['id']}/confirmation"
        return await gateway.send("POST", path, {"token": token}, quietly=quietly)

    confirmed = await confirm()
    # An answer got lost: that to the confirmation, or that to the sign-up, and another mail comes.
    if confirmed.code == "gone":
        with contextlib.suppress(Unexpected):
            await person.sign_in(quietly=quietly)
        if not person.token:
            confirmed = await until(confirm, lambda answer: answer.code != "gone")
    if person.token:
        person.user_id = (await person.ask("GET", "/v1/me", quietly=True)).ok()["user"]["id"]
    else:
        person.user_id = confirmed.ok()["user_id"]
        person.last_change.append(confirmed.headers["tenantry-change"])
        await person.sign_in(quietly=quietly)
    await until(lambda: person.ask("GET", "/v1/subscription", quietly=True), lambda answer: answer.status == 200)
    return person


async def until(ask: Callable[[], Awaitable[Reply]], enough: Callable[[Reply], bool]) -> Reply:
    """Asks until the answer is good enough."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        reply = await ask()
        if enough(reply):
            return reply
        expect(
            time.monotonic() < deadline, f"after {SETTLE_SECONDS:.0f} s the answer is still {reply.status} {reply.json}"
        )
        await asyncio.sleep(0.02)
