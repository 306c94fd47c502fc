"""Whatever an identity provider sends in whatever order, users and groups are what a small model says, and an Admin stays."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.org.provider import Provider, provided
from tests.world import Reply, World

STEPS = 60
SEEDS = range(4)


@dataclass
class Model:
    """What the provider should see. Nothing is held here: the threshold is out of reach."""

    admin: str
    addresses: dict[str, str] = field(default_factory=dict)
    users: dict[str, tuple[str, bool]] = field(default_factory=dict)
    groups: dict[str, tuple[str, set[str]]] = field(default_factory=dict)


@dataclass
class Player:
    """Draws calls and foresees their answers."""

    idp: Provider
    model: Model
    dice: random.Random

    async def step(self) -> None:
        act = self.dice.choice(
            [
                self.create,
                self.create,
                self.switch,
                self.switch,
                self.rename,
                self.delete,
                self.form,
                self.fill,
                self.fill,
                self.drop,
            ]
        )
        await act()

    def somebody(self) -> str:
        return self.dice.choice([self.model.admin, *self.model.users, "usr_" + "0" * 26])

    def some_group(self) -> str:
        return self.dice.choice([*self.model.groups, "grp_" + "0" * 26])

    async def create(self) -> None:
        name = f"name{self.dice.randrange(12)}"
        reply = await self.idp.ask("POST", "/Users", self.idp.user(name))
        taken = {known for known, _ in self.model.users.values()}
        if name in taken | {self.model.addresses[user] for user in self.model.users}:
            assert reply.status == 409, "an address stays with its person, whatever they are called later"
        else:
            assert reply.status == 201, reply.body
            self.model.users[reply.json["id"]] = (name, True)
            self.model.addresses[reply.json["id"]] = name

    async def switch(self) -> None:
        user, on = self.somebody(), self.dice.random() < 0.5
        value: Any = self.dice.choice([on, str(on)])
        operation = self.dice.choice(
            [{"op": "Replace", "path": "active", "value": value}, {"op": "replace", "value": {"active": value}}]
        )
        reply = await self.idp.patches(f"/Users/{user}", operation)
        if user == self.model.admin:
            assert reply.status == (200 if on else 403)
        elif self.expects(reply, user in self.model.users):
            self.model.users[user] = (self.model.users[user][0], on)

    async def rename(self) -> None:
        user, name = self.somebody(), f"name{self.dice.randrange(12)}"
        if user == self.model.admin:
            return
        wanted = f"{name}@{self.idp.house.domain}"
        reply = await self.idp.patches(f"/Users/{user}", {"op": "replace", "path": "userName", "value": wanted})
        if user in self.model.users and any(
            known == name for one, (known, _) in self.model.users.items() if one != user
        ):
            assert reply.status == 409
        elif self.expects(reply, user in self.model.users):
            self.model.users[user] = (name, self.model.users[user][1])

    async def delete(self) -> None:
        user = self.somebody()
        reply = await self.idp.ask("DELETE", f"/Users/{user}")
        if user == self.model.admin:
            assert reply.status == 403
        elif self.expects(reply, user in self.model.users, 204):
            del self.model.users[user]
            for _, people in self.model.groups.values():
                people.discard(user)

    async def form(self) -> None:
        name = f"Group {self.dice.randrange(5)}"
        people = set(self.dice.sample(sorted(self.model.users), self.dice.randint(0, min(3, len(self.model.users)))))
        body = {"displayName": name, "members": [{"value": one} for one in sorted(people)]}
        reply = await self.idp.ask("POST", "/Groups", body)
        if name in {known for known, _ in self.model.groups.values()}:
            assert reply.status == 409
        else:
            assert reply.status == 201, reply.body
            self.model.groups[reply.json["id"]] = (name, people)

    async def fill(self) -> None:
        group, user = self.some_group(), self.somebody()
        adding = self.dice.random() < 0.6
        operation: dict[str, Any] = {"op": "Add", "path": "members", "value": [{"value": user}]}
        if not adding:
            operation = self.dice.choice(
                [{"op": "Remove", "path": f'members[value eq "{user}"]'}, {**operation, "op": "Remove"}]
            )
        reply = await self.idp.patches(f"/Groups/{group}", operation)
        known = user in self.model.users or user == self.model.admin
        if group in self.model.groups and adding and not known:
            assert reply.status == 400
        elif self.expects(reply, group in self.model.groups):
            people = self.model.groups[group][1]
            (people.add if adding else people.discard)(user)

    async def drop(self) -> None:
        group = self.some_group()
        if self.expects(await self.idp.ask("DELETE", f"/Groups/{group}"), group in self.model.groups, 204):
            del self.model.groups[group]

    @staticmethod
    def expects(reply: Reply, known: bool, status: int = 200) -> bool:
        assert reply.status == (status if known else 404), reply.body
        return known

    async def compare(self) -> None:
        seen = (await self.idp.ask("GET", "/Users", count=200)).ok()["Resources"]
        users = {
            one["id"]: (one["userName"].partition("@")[0], one["active"])
            for one in seen
            if one["id"] != self.model.admin
        }
        assert users == self.model.users
        shown = (await self.idp.ask("GET", "/Groups", count=200)).ok()["Resources"]
        groups = {one["id"]: (one["displayName"], {m["value"] for m in one.get("members", ())}) for one in shown}
        assert groups == self.model.groups
        for user, (_, active) in self.model.users.items():
            member = (await self.idp.house.ask("GET", f"/v1/users/{user}")).ok()
            assert member["status"] == ("active" if active else "inactive")
            held = {one["id"] for one in member["groups"] if one["kind"] == "custom"}
            assert held == {group for group, (_, people) in self.model.groups.items() if user in people}


@pytest.mark.parametrize("seed", SEEDS)
async def test_after_any_history_users_and_groups_are_what_the_model_says(world: World, seed: int) -> None:
    idp = await provided(world)
    await idp.house.on("business", viewer_slots=None)
    asked = {"removals_per_hour": 10_000}
    (await idp.house.ask("PATCH", "/v1/provisioning", asked, headers={"If-Match": "*"})).ok()
    player = Player(idp, Model(idp.house.admin.user_id or ""), random.Random(seed))
    async with asyncio.timeout(60):
        for _ in range(STEPS):
            await player.step()
        await player.compare()
