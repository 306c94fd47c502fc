"""One organization in plain Python, and a player who does each step to it and to the real one, then compares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from shared.auth import Actor
from tests.org.house import PLANS, House, a_person
from tests.world import Reply

ROLES = ("admin", "analyst", "viewer")
CHANGES_OF_PLAN = ("free", "free", "pro", "business")


@dataclass
class Someone:
    """A member of the model: `place` is the order in which they joined."""

    actor: Actor
    role: str
    place: int
    active: bool = True


@dataclass
class Model:
    """What must be true, in plain Python."""

    plan: str
    members: dict[str, Someone]
    invited: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def limit(self, kind: str) -> int | None:
        return PLANS[self.plan][0 if kind == "author" else 1]

    def active(self, kind: str) -> int:
        return sum(m.active and kind_of(m.role) == kind for m in self.members.values())

    def used(self, kind: str) -> int:
        return self.active(kind) + sum(kind_of(i["role"]) == kind for i in self.invited)

    def room(self, kind: str) -> bool:
        limit = self.limit(kind)
        return limit is None or self.used(kind) < limit

    def last_admin(self, user_id: str) -> bool:
        admins = [u for u, m in self.members.items() if m.active and m.role == "admin"]
        return admins == [user_id]

    def effective(self) -> dict[str, str]:
        authors = sorted(
            (m.role != "admin", m.place, u) for u, m in self.members.items() if m.active and m.role != "viewer"
        )
        limit = self.limit("author")
        without = set() if limit is None else {u for _, _, u in authors[max(limit, 1) :]}
        return {u: "viewer" if u in without else m.role for u, m in self.members.items()}


def kind_of(role: str) -> str:
    return "viewer" if role == "viewer" else "author"


class Play:
    """Does each step to the real thing and to the model, and compares."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.count = 0
        admin = house.admin.user_id or ""
        self.model = Model("business", {admin: Someone(house.admin, "admin", 0)})

    async def step(self, what: str, a: int, b: int) -> None:
        await getattr(self, what)(a, b)
        await self.compare()

    def by(self) -> Actor:
        """An Admin who acts as one."""
        effective = self.model.effective()
        return next(m.actor for u, m in self.model.members.items() if m.active and effective[u] == "admin")

    def someone(self, n: int) -> tuple[str, Someone]:
        return list(self.model.members.items())[n % len(self.model.members)]

    def expect(self, reply: Reply, granted: bool, *codes: str) -> None:
        assert (reply.status < 300) == granted, (reply.status, reply.json if reply.body else None)
        if not granted:
            assert reply.code in codes

    async def invite(self, a: int, b: int) -> None:
        self.count += 1
        role = ROLES[a % 3]
        body = {"email": f"p{self.count}@{self.house.domain}", "role": role, "group_ids": []}
        reply = await self.house.ask("POST", "/v1/invitations", body, by=self.by())
        self.expect(reply, self.model.room(kind_of(role)), "slots_exhausted")
        if reply.status == 201:
            self.model.invited.append(reply.json)
            assert not self.over(kind_of(role))

    async def join(self, a: int, b: int) -> None:
        before = len(self.model.invited)
        await self.invite(a, b)
        if len(self.model.invited) > before:
            await self.accept(before, b)

    async def accept(self, a: int, b: int) -> None:
        if not self.model.invited:
            return
        invitation = self.model.invited[a % len(self.model.invited)]
        kind = kind_of(invitation["role"])
        person = await a_person(self.house.world, invitation["email"], "P")
        reply = await self.house.accept(self.house.token(invitation), person)
        limit = self.model.limit(kind)
        self.expect(reply, limit is None or self.model.active(kind) < limit, "slots_exhausted")
        if reply.status == 201:
            self.model.invited.remove(invitation)
            self.count += 1
            actor = replace(person, org_id=self.house.org_id, role="admin")
            self.model.members[person.user_id or ""] = Someone(actor, invitation["role"], self.count)

    async def revoke(self, a: int, b: int) -> None:
        if self.model.invited:
            gone = self.model.invited.pop(a % len(self.model.invited))
            reply = await self.house.ask("DELETE", f"/v1/invitations/{gone['id']}", by=self.by())
            self.expect(reply, True)

    async def role(self, a: int, b: int) -> None:
        user_id, member = self.someone(a)
        role = ROLES[b % 3]
        held = [g for g, people in self.model.groups.items() if user_id in people]
        etag = (await self.house.ask("GET", f"/v1/users/{user_id}", by=self.by())).headers["etag"]
        body = {"role": role, "group_ids": held}
        reply = await self.house.ask(
            "PUT", f"/v1/users/{user_id}/role-and-groups", body, by=self.by(), headers={"If-Match": etag}
        )
        last = role != "admin" and self.model.last_admin(user_id)
        other_kind = member.active and kind_of(role) != kind_of(member.role)
        full = other_kind and not self.model.room(kind_of(role))
        self.expect(reply, not last and not full, "last_admin", "slots_exhausted")
        if reply.status == 200:
            member.role = role
            assert not (other_kind and self.over(kind_of(role)))

    async def deactivate(self, a: int, b: int) -> None:
        user_id, member = self.someone(a)
        reply = await self.house.ask("POST", f"/v1/users/{user_id}/deactivation", by=self.by())
        self.expect(reply, not self.model.last_admin(user_id), "last_admin")
        if reply.status == 200:
            member.active = False

    async def reactivate(self, a: int, b: int) -> None:
        user_id, member = self.someone(a)
        reply = await self.house.ask("POST", f"/v1/users/{user_id}/reactivation", by=self.by())
        self.expect(reply, member.active or self.model.room(kind_of(member.role)), "slots_exhausted")
        if reply.status == 200:
            member.active = True

    async def remove(self, a: int, b: int) -> None:
        user_id, _ = self.someone(a)
        reply = await self.house.ask("DELETE", f"/v1/users/{user_id}", by=self.by())
        self.expect(reply, not self.model.last_admin(user_id), "last_admin")
        if reply.status == 204:
            del self.model.members[user_id]
            for people in self.model.groups.values():
                people.discard(user_id)

    async def plan(self, a: int, b: int) -> None:
        self.model.plan = CHANGES_OF_PLAN[a % 4]
        await self.house.on(self.model.plan)

    async def add(self, a: int, b: int) -> None:
        has_groups = PLANS[self.model.plan][2]
        if len([group_id for group_id in self.model.groups if self.kept_by_hand(group_id)]) < 2:
            self.count += 1
            reply = await self.house.ask("POST", "/v1/groups", {"name": f"G{self.count}"}, by=self.by())
            self.expect(reply, has_groups, "plan_required")
            if reply.status == 201:
                self.model.groups[reply.json["id"]] = set()
                self.model.names[reply.json["id"]] = reply.json["name"]
            return
        group_id = list(self.model.groups)[b % len(self.model.groups)]
        user_id, _ = self.someone(a)
        reply = await self.house.ask("PUT", f"/v1/groups/{group_id}/members/{user_id}", by=self.by())
        if not self.kept_by_hand(group_id):
            self.expect(reply, False, "managed_by_provider")
            return
        self.expect(reply, has_groups, "suspended")
        if reply.status == 204:
            self.model.groups[group_id].add(user_id)

    async def take(self, a: int, b: int) -> None:
        if self.model.groups:
            group_id = list(self.model.groups)[b % len(self.model.groups)]
            user_id, _ = self.someone(a)
            reply = await self.house.ask("DELETE", f"/v1/groups/{group_id}/members/{user_id}", by=self.by())
            self.expect(reply, self.kept_by_hand(group_id), "managed_by_provider")
            if reply.status == 204:
                self.model.groups[group_id].discard(user_id)

    async def rename(self, a: int, b: int) -> None:
        if self.model.groups:
            self.count += 1
            group_id = list(self.model.groups)[b % len(self.model.groups)]
            reply = await self.house.ask("PATCH", f"/v1/groups/{group_id}", {"name": f"N{self.count}"}, by=self.by())
            self.expect(reply, self.kept_by_hand(group_id), "managed_by_provider")
            if reply.status == 200:
                self.model.names[group_id] = f"N{self.count}"

    async def close(self, a: int, b: int) -> None:
        """Closed and taken back, which changes nothing; in between nothing can be changed."""
        by = self.by()
        self.expect(await self.house.ask("POST", "/v1/organization/closure", {"name": "Acme"}, by=by), True)
        user_id, _ = self.someone(a)
        refused = await self.house.ask("POST", f"/v1/users/{user_id}/deactivation", by=by)
        self.expect(refused, False, "organization_closed")
        if self.model.invited:
            invitation = self.model.invited[b % len(self.model.invited)]
            person = await a_person(self.house.world, invitation["email"], "P")
            self.expect(await self.house.accept(self.house.token(invitation), person), False, "organization_closed")
        await self.compare()
        self.expect(await self.house.ask("DELETE", "/v1/organization/closure", by=by), True)

    def kept_by_hand(self, group_id: str) -> bool:
        return True

    def over(self, kind: str) -> bool:
        limit = self.model.limit(kind)
        return limit is not None and self.model.used(kind) > limit

    async def compare(self) -> None:
        model, by = self.model, self.by()
        users = []
        for status in ("active", "inactive"):
            users += (await self.house.ask("GET", f"/v1/users?limit=200&status={status}", by=by)).ok()["data"]
        assert any(u["status"] == "active" and u["role"] == "admin" for u in users)
        assert {u["id"]: (u["role"], u["status"] == "active", u["effective_role"]) for u in users} == {
            user_id: (m.role, m.active, effective)
            for (user_id, m), effective in zip(model.members.items(), model.effective().values(), strict=True)
        }
        held = {g: {u["id"] for u in users if g in [h["id"] for h in u["groups"]]} for g in model.groups}
        assert held == model.groups
        for status in ("active", "inactive"):
            page = (await self.house.ask("GET", f"/v1/users?limit=1&status={status}", by=by)).ok()["page"]
            assert page["total"] == sum(u["status"] == status for u in users)
        active = {u["id"]: u["effective_role"] for u in users if u["status"] == "active"}
        everybody, analysts, *groups = (await self.house.ask("GET", "/v1/groups", by=by)).ok()["data"]
        assert everybody["members"] == len(active)
        assert analysts["members"] == sum(role != "viewer" for role in active.values())
        assert {g["id"]: g["members"] for g in groups} == {g: len(held[g] & set(active)) for g in model.groups}
        assert {g["id"]: g["name"] for g in groups} == model.names
        assert {g["suspended"] is None for g in groups} <= {PLANS[model.plan][2]}
        slots = (await self.house.ask("GET", "/v1/organization", by=by)).ok()["slots"]
        assert slots == {kind: {"used": model.used(kind), "limit": model.limit(kind)} for kind in ("author", "viewer")}


async def following_the_events_gives_the_same(play: Play) -> None:
    """Who only hears the events knows the same members, effective roles and groups: nothing went unsaid."""
    house = play.house
    events = sorted(
        (e for e in await house.world.said("org") if e.org_id == house.org_id and e.type.startswith("org.")),
        key=lambda e: e.sequence,
    )
    people: dict[str, tuple[str, str, str]] = {}
    groups: dict[str, set[str]] = {}
    for event in events:
        if "member" in event.data and event.data["member"]["status"] == "removed":
            people.pop(event.data["member"]["user_id"])
            for held in groups.values():
                held.discard(event.data["member"]["user_id"])
        elif "member" in event.data:
            m = event.data["member"]
            people[m["user_id"]] = (m["role"], m["effective_role"], m["status"])
        elif event.type == "org.group.created.v1" and event.data["group"]["kind"] == "custom":
            groups[event.data["group"]["group_id"]] = set()
        elif event.type == "org.group.deleted.v1":
            groups.pop(event.data["group"]["group_id"])
        elif event.type == "org.group.member_added.v1":
            groups[event.data["group"]["group_id"]].add(event.data["user_id"])
        elif event.type == "org.group.member_removed.v1":
            groups[event.data["group"]["group_id"]].discard(event.data["user_id"])
    effective = play.model.effective()
    assert people == {
        u: (m.role, effective[u], "active" if m.active else "inactive") for u, m in play.model.members.items()
    }
    assert groups == play.model.groups
