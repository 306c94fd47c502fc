"""An embedder for tests: a dashboard with parameters, links on it, tokens signed as customers do, and a viewer at the door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import jwt

from shared.auth import ANONYMOUS
from tests.sharing.company import Company
from tests.world import Reply


@dataclass
class Embedder:
    """Ben's organization, and the secret that Ana showed his server."""

    company: Company
    secret: str
    secret_id: str

    @classmethod
    async def of(cls, company: Company) -> Embedder:
        body = {"id": "board-1", "title": "Revenue", "parameters": ["region", "product"]}
        (await company.ask("ben", "POST", "/v1/dashboards", body)).ok()
        secret_id = (await company.ask("ana", "GET", "/v1/embed-secrets")).ok()["data"][0]["id"]
        return cls(company, await cls.reveal(company, secret_id), secret_id)

    @staticmethod
    async def reveal(company: Company, secret_id: str) -> str:
        shown = await company.ask("ana", "POST", f"/v1/embed-secrets/{secret_id}/reveal")
        return str(shown.ok()["secret"])

    async def link(self, **options: Any) -> Any:
        body = {"name": "For partners"} | options
        return (await self.company.ask("ben", "POST", "/v1/dashboards/board-1/links", body)).ok()

    async def change(self, link: Any, **fields: Any) -> None:
        (await self.company.ask("ben", "PATCH", f"/v1/links/{link['id']}", fields)).ok()

    def claims(self, link: Any, **more: Any) -> dict[str, Any]:
        ends = self.company.world.clock.now() + timedelta(minutes=10)
        return {"sharing_token": link["token"], "exp": int(ends.timestamp())} | more

    def token(self, link: Any, *, headers: dict[str, Any] | None = None, secret: str | None = None, **more: Any) -> str:
        """A proper token, with other claims where they are given."""
        return jwt.encode(self.claims(link, **more), secret or self.secret, algorithm="HS256", headers=headers)

    async def open(
        self,
        link: Any,
        token: str | None = None,
        *,
        source: str = "203.0.113.7",
        dashboard_id: str = "board-1",
        **query: Any,
    ) -> Reply:
        asked = {"sharingToken": link["token"]} | ({"sharingSecret": token} if token is not None else {}) | query
        path = f"/v1/shared/{dashboard_id}?{urlencode(asked, doseq=True)}"
        return await self.company.world.ask(
            "sharing", "GET", path, actor=ANONYMOUS, headers={"Tenantry-Source-Ip": source}
        )

    async def unlock(self, link: Any, password: str, *, source: str = "203.0.113.7") -> Reply:
        body = {"sharing_token": link["token"], "password": password}
        headers = {"Tenantry-Source-Ip": source}
        return await self.company.world.ask(
            "sharing", "POST", "/v1/shared/board-1/unlocks", body, actor=ANONYMOUS, headers=headers
        )

    async def refusals(self) -> dict[str, Any]:
        """The log, by reason."""
        listed = (await self.company.ask("ana", "GET", "/v1/embed-refusals?limit=200")).ok()["data"]
        return {one["reason"]: one for one in listed}


def shut(reply: Reply) -> bool:
    """The one public answer."""
    told = {name: value for name, value in reply.json.items() if name != "instance"}
    return reply.status == 401 and told == {
        "type": "/problems/link_refused",
        "title": "This link doesn't open",
        "status": 401,
        "detail": "This link doesn't open",
        "code": "link_refused",
        "remedy": ["Ask whoever gave it to you for a new one."],
    }
