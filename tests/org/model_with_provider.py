"""The same organization with an identity provider beside its Admins: what SCIM does, and what it may not undo or overtake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.auth import Actor
from shared.ids import new_id
from tests.org.house import PLANS
from tests.org.model import Model, Play, Someone, kind_of
from tests.org.provider import Provider
from tests.world import Reply

REMOVALS_PER_HOUR = 1


@dataclass
class Provided(Model):
    """`taken`: whom the provider took, and nobody touched since. `held`: whom it wants out, and an Admin hasn't decided."""

    newcomers: str = "viewer"
    groups_provided: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def seen_by_provider(self) -> dict[str, bool]:
        """Who is held is gone to the provider's eyes."""
        return {
            user_id: member.active and user_id not in self.held
            for user_id, member in self.members.items()
            if self.held.get(user_id) != "deletion"
        }


class PlayWithProvider(Play):
    """Admins and an identity provider take turns."""

    model: Provided

    def __init__(self, idp: Provider) -> None:
        super().__init__(idp.house)
        self.idp = idp
        self.addresses: dict[str, str] = {}
        self.model = Provided(**vars(self.model))

    async def hold_beyond_the_first_removal(self) -> None:
        await self._set_up(removals_per_hour=REMOVALS_PER_HOUR)

    async def _set_up(self, **wanted: Any) -> None:
        headers = {"If-Match": "*"}
        self.expect(
            await self.house.ask("PATCH", "/v1/provisioning", wanted, by=self.by(), headers=headers), granted=True
        )

    async def newcomers(self, a: int, b: int) -> None:
        self.model.newcomers = ("viewer", "analyst")[a % 2]
        await self._set_up(default_role=self.model.newcomers)

    async def scim_create(self, a: int, b: int) -> None:
        """Somebody new, somebody who was invited, or somebody whom the provider deleted before."""
        self.count += 1
        name, freed = f"s{self.count}", None
        if b % 3 == 1 and self.model.invited:
            freed = self.model.invited[a % len(self.model.invited)]
            name = freed["email"].partition("@")[0]
        elif b % 3 == 2 and self.model.deleted:
            name = self.model.deleted[a % len(self.model.deleted)]
        known = next((u for u, address in self.addresses.items() if address == name and u in self.model.members), None)
        reply = await self.idp.ask("POST", "/Users", self.idp.user(name))
        if known is not None and self.model.held.get(known) == "deletion":
            granted = self._may_be_active(known)
            self.answered(reply, 201 if granted else 403)
            if granted:
                assert reply.json["id"] == known, "they were never away"
                del self.model.held[known]
                self._is_active(known)
        elif known is not None:
            self.answered(reply, 409)
        else:
            kind = kind_of(self.model.newcomers)
            limit, used = self.model.limit(kind), self.model.used(kind)
            used -= freed is not None and kind_of(freed["role"]) == kind
            self.answered(reply, 201 if limit is None or used < limit else 403)
            if reply.status == 201:
                if freed is not None:
                    self.model.invited.remove(freed)
                self._joins(reply.json["id"], name)

    def _joins(self, user_id: str, name: str) -> None:
        person = Actor(
            "person", user_id, self.house.org_id, "admin", new_id("ses"), ("pwd",), self.house.admin.auth_time
        )
        self.model.members[user_id] = Someone(person, self.model.newcomers, self.count)
        self.model.taken.discard(user_id)
        self.addresses[user_id] = name

    def _may_be_active(self, user_id: str) -> bool:
        """An Admin whom the provider didn't take comes back by an Admin alone."""
        member = self.model.members[user_id]
        forbidden = member.role == "admin" and user_id not in self.model.taken
        return member.active or (not forbidden and self.model.room(kind_of(member.role)))

    def _is_active(self, user_id: str) -> None:
        self.model.members[user_id].active = True
        self.model.taken.discard(user_id)

    async def scim_switch(self, a: int, b: int) -> None:
        user_id, member = self.someone(a)
        on = b % 2 == 0
        reply = await self.idp.patches(f"/Users/{user_id}", {"op": "replace", "path": "active", "value": on})
        if self.model.held.get(user_id) == "deletion":
            self.answered(reply, 404)
        elif on:
            granted = self._may_be_active(user_id)
            self.answered(reply, 200 if granted else 403)
            if granted:
                self.model.held.pop(user_id, None)
                self._is_active(user_id)
        elif member.active and user_id not in self.model.held:
            self._taken_away(reply, user_id, "deactivation", 200)
        else:
            self.answered(reply, 200)

    async def scim_delete(self, a: int, b: int) -> None:
        user_id, _ = self.someone(a)
        reply = await self.idp.ask("DELETE", f"/Users/{user_id}")
        if self.model.held.get(user_id) == "deletion":
            self.answered(reply, 404)
        else:
            self._taken_away(reply, user_id, "deletion", 204)

    def _taken_away(self, reply: Reply, user_id: str, kind: str, status: int) -> None:
        """Accepted whatever happens, but for the last Admin; beyond the threshold it is held."""
        member = self.model.members[user_id]
        if self.model.last_admin(user_id):
            self.answered(reply, 403)
            return
        self.answered(reply, status)
        if kind == "deletion" and user_id in self.addresses:
            self.model.deleted.append(self.addresses[user_id])
        if member.active and (user_id in self.model.held or len(self.model.taken) >= REMOVALS_PER_HOUR):
            self.model.held[user_id] = kind
        else:
            self._goes(user_id, kind, by_provider=True)

    def _goes(self, user_id: str, kind: str, *, by_provider: bool) -> None:
        self.model.held.pop(user_id, None)
        (self.model.taken.add if by_provider else self.model.taken.discard)(user_id)
        if kind == "deactivation":
            self.model.members[user_id].active = False
        else:
            del self.model.members[user_id]
            for people in self.model.groups.values():
                people.discard(user_id)

    async def decide(self, a: int, b: int) -> None:
        """An Admin approves or rejects one of those that are held, or all of them."""
        if not self.model.held:
            return
        wanted = list(self.model.held)[: 1 + a % 3]
        body = {"user_ids": wanted, "approve": b % 2 == 0}
        reply = await self.house.ask("POST", "/v1/provisioning/removals/decisions", body, by=self.by())
        decided = reply.ok()
        assert set(decided["done"]) | set(decided["refused"]) == set(wanted)
        for user_id in decided["done"]:
            if body["approve"]:
                self._goes(user_id, self.model.held[user_id], by_provider=False)
            else:
                del self.model.held[user_id]
        for user_id in decided["refused"]:
            assert self.model.last_admin(user_id)

    async def scim_form(self, a: int, b: int) -> None:
        self.count += 1
        people = {self.someone(a)[0], self.someone(b)[0]} if a % 4 else set()
        body = {"displayName": f"S{self.count}", "members": [{"value": one} for one in sorted(people)]}
        reply = await self.idp.ask("POST", "/Groups", body)
        self.answered(reply, 201 if PLANS[self.model.plan][2] else 403)
        if reply.status == 201:
            group_id = reply.json["id"]
            self.model.groups[group_id], self.model.names[group_id] = people, f"S{self.count}"
            self.model.groups_provided.add(group_id)

    async def scim_fill(self, a: int, b: int) -> None:
        """Puts somebody in a group or takes them out; groups that were made by hand aren't there for the provider."""
        if not self.model.groups:
            return
        group_id, user_id = list(self.model.groups)[b % len(self.model.groups)], self.someone(a)[0]
        people, adding = self.model.groups[group_id], (a + b) % 3 > 0
        operation: dict[str, Any] = {"op": "add", "path": "members", "value": [{"value": user_id}]}
        if not adding:
            operation = {"op": "remove", "path": f'members[value eq "{user_id}"]'}
        reply = await self.idp.patches(f"/Groups/{group_id}", operation)
        unseen = self.model.held.get(user_id) == "deletion"
        if group_id not in self.model.groups_provided:
            self.answered(reply, 404)
        elif not adding:
            self.answered(reply, 200)
            if not unseen:
                people.discard(user_id)
        elif (user_id in people and not unseen) or PLANS[self.model.plan][2]:
            self.answered(reply, 200)
            people.add(user_id)
        else:
            self.answered(reply, 403)

    async def scim_drop(self, a: int, b: int) -> None:
        if self.model.groups:
            group_id = list(self.model.groups)[b % len(self.model.groups)]
            provided = group_id in self.model.groups_provided
            self.answered(await self.idp.ask("DELETE", f"/Groups/{group_id}"), 204 if provided else 404)
            if provided:
                self.model.groups_provided.remove(group_id)
                del self.model.groups[group_id], self.model.names[group_id]

    # what is done by hand, as far as the provider hears or feels it

    async def role(self, a: int, b: int) -> None:
        user_id, member = self.someone(a)
        before = member.role
        await super().role(a, b)
        if member.role != before:
            self.model.taken.discard(user_id)

    async def deactivate(self, a: int, b: int) -> None:
        user_id, member = self.someone(a)
        was_active = member.active
        await super().deactivate(a, b)
        if was_active and not member.active and self.model.held.get(user_id) == "deactivation":
            del self.model.held[user_id]

    async def reactivate(self, a: int, b: int) -> None:
        user_id, member = self.someone(a)
        await super().reactivate(a, b)
        if member.active:
            self.model.taken.discard(user_id)

    async def remove(self, a: int, b: int) -> None:
        user_id, _ = self.someone(a)
        await super().remove(a, b)
        if user_id not in self.model.members:
            self.model.held.pop(user_id, None)
            self.model.taken.discard(user_id)

    async def add(self, a: int, b: int) -> None:
        await self._touching(a, b, super().add)

    async def take(self, a: int, b: int) -> None:
        await self._touching(a, b, super().take)

    async def _touching(self, a: int, b: int, step: Any) -> None:
        """Who is put in a group or taken out by hand was touched by hand."""
        user_id, _ = self.someone(a)
        before = {group_id: set(people) for group_id, people in self.model.groups.items()}
        await step(a, b)
        if any(user_id in before.get(group_id, set()) ^ people for group_id, people in self.model.groups.items()):
            self.model.taken.discard(user_id)

    def kept_by_hand(self, group_id: str) -> bool:
        return group_id not in self.model.groups_provided

    def answered(self, reply: Reply, status: int) -> None:
        assert reply.status == status, (reply.status, reply.json if reply.body else None)

    async def compare(self) -> None:
        await super().compare()
        model = self.model
        users = (await self.idp.ask("GET", "/Users", count=200)).ok()["Resources"]
        assert {one["id"]: one["active"] for one in users} == model.seen_by_provider()
        groups = (await self.idp.ask("GET", "/Groups", count=200)).ok()["Resources"]
        unseen = {user_id for user_id, kind in model.held.items() if kind == "deletion"}
        assert {one["id"]: {member["value"] for member in one.get("members", ())} for one in groups} == {
            group_id: model.groups[group_id] - unseen for group_id in model.groups_provided
        }
        waiting = (await self.house.ask("GET", "/v1/provisioning/removals", by=self.by())).ok()["data"]
        assert {one["user_id"]: one["kind"] for one in waiting} == model.held
