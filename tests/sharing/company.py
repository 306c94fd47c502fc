"""An organization for tests: what org and billing would say about it, and its people as actors."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from shared.auth import Actor
from shared.events import Event
from shared.events.billing import Entitlements, EntitlementsChanged
from shared.events.org import (
    Group,
    GroupCreated,
    GroupDeleted,
    GroupMemberAdded,
    GroupMemberRemoved,
    Member,
    MemberDeactivated,
    MemberJoined,
    MemberReactivated,
    MemberRemoved,
    MemberRoleChanged,
    MemberSlotResumed,
    MemberSlotSuspended,
    Organization,
    OrganizationCreated,
    Role,
)
from shared.ids import new_id
from tests.world import Reply, World

PLANS: dict[str, dict[str, Any]] = {
    "free": {"author_slots": 2, "share_all_analysts": False, "custom_groups": False},
    "pro": {"author_slots": 5, "share_all_analysts": True, "custom_groups": False, "sharing_links": True},
    "business": {
        "author_slots": 20,
        "share_all_analysts": True,
        "custom_groups": True,
        "sharing_links": True,
        "interactive_embedding": True,
    },
}
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def entitlements(plan: str, version: int) -> Entitlements:
    usual: dict[str, Any] = {"sharing_links": False, "interactive_embedding": False}
    return Entitlements(
        version=version,
        plan=plan,
        plan_name=plan.capitalize(),
        viewer_slots=None,
        additional_domains="none",
        single_sign_on=False,
        scim=False,
        api_keys=False,
        audit_days=30,
        **(usual | PLANS[plan]),
    )


@dataclass
class Company:
    """Says what org and billing would say. People and groups go by name."""

    world: World
    org_id: str = field(default_factory=lambda: new_id("org"))
    people: dict[str, Member] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    version: int = 0

    async def found(self, plan: str | None = "business", *, admin: str = "ana") -> Company:
        organization = Organization(name="Northwind", location="eu", contact_email="a@example.com", product_mails=False)
        built_in = [
            Group(group_id=new_id("grp"), kind="all_users", name="All Users", description=""),
            Group(group_id=new_id("grp"), kind="all_analysts", name="All Analysts", description=""),
        ]
        self.groups |= {group.name: group for group in built_in}
        created = OrganizationCreated(org_id=self.org_id, organization=organization, created_by=new_id("usr"))
        await self.world.hear(
            "org",
            created,
            *(GroupCreated(org_id=self.org_id, group=group) for group in built_in),
            self.joining(admin, "admin"),
        )
        if plan is not None:
            await self.plan(plan)
        return self

    def joining(self, name: str, role: Role) -> MemberJoined:
        self.people[name] = Member(
            user_id=new_id("usr"),
            email=f"{name}@example.com",
            name=name.capitalize(),
            role=role,
            effective_role=role,
            status="active",
            joined_at=BEGAN + timedelta(days=len(self.people)),
        )
        return MemberJoined(org_id=self.org_id, member=self.people[name])

    async def join(self, **roles: Role) -> None:
        await self.world.hear("org", *(self.joining(name, role) for name, role in roles.items()))

    async def plan(self, plan: str, version: int | None = None) -> str:
        self.version = version if version is not None else self.version + 1
        told = EntitlementsChanged(org_id=self.org_id, entitlements=entitlements(plan, self.version))
        return await self.world.hear("billing", told)

    async def group(self, name: str, *members: str) -> str:
        group = Group(group_id=new_id("grp"), kind="custom", name=name, description="")
        self.groups[name] = group
        await self.world.hear(
            "org",
            GroupCreated(org_id=self.org_id, group=group),
            *(self._membership(GroupMemberAdded, name, member) for member in members),
        )
        return group.group_id

    def _membership(self, kind: type[Any], group: str, name: str) -> Event:
        said: Event = kind(org_id=self.org_id, group=self.groups[group], user_id=self.people[name].user_id)
        return said

    async def add(self, group: str, name: str) -> str:
        return await self.world.hear("org", self._membership(GroupMemberAdded, group, name))

    async def take_out(self, group: str, name: str) -> str:
        return await self.world.hear("org", self._membership(GroupMemberRemoved, group, name))

    async def delete_group(self, name: str) -> str:
        return await self.world.hear("org", GroupDeleted(org_id=self.org_id, group=self.groups.pop(name)))

    async def _tell(self, kind: type[Any], name: str, **change: Any) -> str:
        previous = {"previous_role": self.people[name].role} if kind is MemberRoleChanged else {}
        self.people[name] = self.people[name].model_copy(update=change)
        return await self.world.hear("org", kind(org_id=self.org_id, member=self.people[name], **previous))

    async def deactivate(self, name: str) -> str:
        return await self._tell(MemberDeactivated, name, status="inactive")

    async def reactivate(self, name: str) -> str:
        return await self._tell(MemberReactivated, name, status="active")

    async def remove(self, name: str) -> str:
        return await self._tell(MemberRemoved, name, status="removed")

    async def rejoin(self, name: str) -> str:
        return await self._tell(MemberJoined, name, status="active")

    async def change_role(self, name: str, role: Role) -> str:
        return await self._tell(MemberRoleChanged, name, role=role, effective_role=role)

    async def suspend_slot(self, name: str) -> str:
        return await self._tell(MemberSlotSuspended, name, effective_role="viewer")

    async def resume_slot(self, name: str) -> str:
        return await self._tell(MemberSlotResumed, name, effective_role=self.people[name].role)

    def id_of(self, name: str) -> str:
        return self.people[name].user_id

    def actor(self, name: str) -> Actor:
        """The person as the gateway would name them now."""
        person = self.people[name]
        return Actor(
            "person", person.user_id, self.org_id, person.effective_role, new_id("ses"), ("pwd",), int(time.time())
        )

    def stale_actor(self, name: str, role: Literal["admin", "analyst", "viewer"]) -> Actor:
        """The person with a token from when they had another role."""
        return replace(self.actor(name), role=role)

    async def ask(self, name: str, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        return await self.world.ask("sharing", method, path, body, actor=self.actor(name), **options)

    async def register(self, owner: str, dashboard_id: str, title: str | None = None) -> Any:
        body = {"id": dashboard_id, "title": title or dashboard_id.capitalize()}
        return (await self.ask(owner, "POST", "/v1/dashboards", body)).ok()

    async def share(self, owner: str, dashboard_id: str, mode: str, *groups: str, if_match: str = "*") -> Reply:
        body: dict[str, Any] = {"mode": mode, "notify": False}
        if groups:
            body["group_ids"] = [self.groups[group].group_id for group in groups]
        path = f"/v1/dashboards/{dashboard_id}/sharing"
        return await self.ask(owner, "PUT", path, body, headers={"If-Match": if_match})

    async def sees(self, name: str) -> list[str]:
        """The dashboards in this person's list, over all pages."""
        found: list[str] = []
        path = "/v1/dashboards?limit=3"
        cursor = ""
        while True:
            page = (await self.ask(name, "GET", path + cursor)).ok()
            found += [row["id"] for row in page["data"]]
            if page["page"]["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['page']['next_cursor']}"

    def question(self, name: str, dashboard_id: str, action: str = "dashboard.view") -> dict[str, Any]:
        return {
            "subject": {"type": "user", "id": self.id_of(name)},
            "action": {"name": action},
            "resource": {"type": "dashboard", "id": dashboard_id},
        }

    async def may(self, name: str, dashboard_id: str, action: str = "dashboard.view") -> bool:
        """The person's own question; of who can't ask any more, another service's."""
        if self.people[name].status == "active":
            reply = await self.ask(name, "POST", "/access/v1/evaluation", self.question(name, dashboard_id, action))
            return bool(reply.ok()["decision"])
        check = {"user_id": self.id_of(name), "dashboard_id": dashboard_id, "action": action}
        return bool((await self.decisions([check]))[0])

    async def decisions(self, checks: list[dict[str, str]]) -> list[bool]:
        body = {"org_id": self.org_id, "checks": checks}
        reply = await self.world.ask(
            "sharing", "POST", "/internal/decisions", body, actor=Actor("service", service="gateway")
        )
        return [one["decision"] for one in reply.ok()["decisions"]]

    async def why(self, asker: str, dashboard_id: str, subject: str | None = None) -> Any:
        body = {"dashboard_id": dashboard_id} | ({"subject_id": self.id_of(subject)} if subject else {})
        return (await self.ask(asker, "POST", "/v1/access-explanations", body)).ok()
