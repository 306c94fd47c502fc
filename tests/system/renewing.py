"""A client as good front ends are: it renews an access token that expired, and asks again what can't be answered just now."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from shared.cli.demo.api import EXPIRED, PATIENT_SECONDS, PAUSE_SECONDS, Gateway, Reply

PASSING = ("not_yet_consistent", "auth_unavailable")  # with nothing done yet


class RenewingGateway(Gateway):
    """What is told with it may last longer than a token lives, and on a busy machine than a service waits for an event or for another's answer."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._refreshing: dict[str, str] = {}
        self._renewed: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, quietly: bool = False
    ) -> Reply:
        given = (headers or {}).get("Authorization", "").removeprefix("Bearer ")
        token = self._newest(given)
        sent = {**(headers or {}), "Authorization": f"Bearer {token}"} if token else headers
        deadline = time.monotonic() + PATIENT_SECONDS
        while (reply := await super().send(method, path, body, sent, quietly=quietly)).code in PASSING:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        if isinstance(reply.json, dict) and reply.json.get("access_token") and reply.json.get("refresh_token"):
            self._refreshing[reply.json["access_token"]] = reply.json["refresh_token"]
        if reply.code == "unauthenticated" and reply.json["detail"] == EXPIRED and await self._renew(token):
            return await self.send(method, path, body, headers, quietly=quietly)
        return reply

    def _newest(self, token: str) -> str:
        while token in self._renewed:
            token = self._renewed[token]
        return token

    async def _renew(self, token: str) -> bool:
        async with self._one_at_a_time:
            if token in self._renewed:
                return True
            if token not in self._refreshing:
                return False
            wanted = {"refresh_token": self._refreshing.pop(token)}
            reply = await super().send("POST", "/v1/auth/tokens", wanted, quietly=True)
            if reply.status >= 300:
                return False
            self._renewed[token] = reply.json["access_token"]
            self._refreshing[reply.json["access_token"]] = reply.json["refresh_token"]
            return True
