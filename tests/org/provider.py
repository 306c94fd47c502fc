"""An identity provider for tests: what it sends to one organization, and how its answers look."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from shared.auth import Actor
from shared.ids import new_id
from tests.org.house import House, founded
from tests.world import Reply, World

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
names = itertools.count(1)


@dataclass
class Provider:
    """Holds a provisioning token of an organization."""

    house: House
    token: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.token = Actor("key", org_id=self.house.org_id, key_id=new_id("sct"), scopes=("scim:provision",))

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Reply:
        sent = {"Content-Type": "application/scim+json", **(headers or {})}
        target = f"/scim/v2{path}" + (f"?{urlencode(query)}" if query else "")
        return await self.house.world.ask("org", method, target, body, actor=self.token, headers=sent)

    def user(self, name: str | None = None, **more: Any) -> dict[str, Any]:
        name = name or f"new{next(names)}"
        return {
            "schemas": [USER],
            "userName": f"{name}@{self.house.domain}",
            "externalId": f"ext-{name}",
            "name": {"givenName": name.title(), "familyName": "Provided"},
            "emails": [{"primary": True, "type": "work", "value": f"{name}@{self.house.domain}"}],
            "active": True,
            **more,
        }

    async def creates(self, name: str | None = None, **more: Any) -> dict[str, Any]:
        return dict((await self.ask("POST", "/Users", self.user(name, **more))).ok())

    async def patches(self, path: str, *operations: Mapping[str, Any], **more: Any) -> Reply:
        return await self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **more)

    async def finds(self, kind: str, filter: str) -> list[Any]:
        return list((await self.ask("GET", f"/{kind}", filter=filter)).ok()["Resources"])

    async def group(self, name: str, *user_ids: str) -> dict[str, Any]:
        body = {"schemas": [GROUP], "displayName": name, "members": [{"value": one} for one in user_ids]}
        return dict((await self.ask("POST", "/Groups", body)).ok())


async def provided(world: World, plan: str = "business") -> Provider:
    """An organization that has proven its domain, and its identity provider."""
    house = await founded(world, plan)
    async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:  # type: ignore[arg-type, return-value]
        await tx.run(
            "update domains set status = 'verified', verified_at = created_at, next_check_at = created_at + interval '30 days'"
            " where org_id = $1",
            house.org_id,
        )
    return Provider(house)
