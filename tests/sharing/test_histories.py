"""Random histories: after every step, every way of asking agrees with the naive model."""

from __future__ import annotations

import copy
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.sharing.company import PLANS, Company, entitlements
from tests.sharing.model import Board, Model, Person
from tests.world import World

STEPS = 30
GROUPS = ("Sales", "Board", "Berlin")


class History:
    """One organization and its model, changed together by random steps."""

    def __init__(self, company: Company, seed: int) -> None:
        self.company = company
        self.model = Model("business")
        self.random = random.Random(seed)
        self.steps: list[Callable[[], Awaitable[str | None]]] = [
            self.change_plan, self.change_plan, self.share, self.share, self.share, self.add, self.take_out,
            self.new_group, self.delete_group, self.deactivate, self.reactivate, self.slot, self.unshare, self.register,
            self.hand_over,
        ]  # fmt: skip

    async def begin(self) -> None:
        await self.company.found("business")
        await self.company.join(ben="analyst", cyd="analyst", dan="viewer", eve="viewer")
        self.model.people = {name: Person(member.role) for name, member in self.company.people.items()}
        for group in GROUPS[:2]:
            await self.company.group(group)
            self.model.groups[group] = set()
        for _ in range(3):
            await self.register()

    def anybody(self, status: str = "active") -> str | None:
        names = [name for name, person in self.model.people.items() if person.status == status and name != "ana"]
        return self.random.choice(names) if names else None

    def an_author(self) -> str:
        return self.random.choice(
            [n for n, p in self.model.people.items() if p.status == "active" and p.acts_as != "viewer"]
        )

    async def register(self) -> str:
        owner, board_id = self.an_author(), f"b{len(self.model.boards)}"
        await self.company.register(owner, board_id)
        self.model.boards[board_id] = Board(owner)
        return f"{owner} registers {board_id}"

    async def change_plan(self) -> str:
        self.model.plan = self.random.choice(list(PLANS))
        await self.company.plan(self.model.plan)
        return f"plan {self.model.plan}"

    async def share(self) -> str | None:
        board_id = self.random.choice(list(self.model.boards))
        board = self.model.boards[board_id]
        mode = self.random.choice(["all_users", "all_analysts", "groups", "groups", "groups"])
        groups: set[str] = set()
        if mode == "groups":
            choice = [*self.model.groups, "All Users", "All Analysts"]
            groups = set(self.random.sample(choice, self.random.randint(1, 2)))
        owner = self.model.people[board.owner]
        if owner.status != "active":
            return None
        reply = await self.company.share(board.owner, board_id, mode, *sorted(groups))
        kept = board.groups if board.mode == "groups" else set()
        reached_analysts = board.mode == "all_analysts" or "All Analysts" in kept
        added = groups - kept
        refused = owner.acts_as == "viewer"
        refused |= (
            (mode == "all_analysts" or "All Analysts" in added) and not reached_analysts and not self.model.all_analysts
        )
        refused |= bool(added - {"All Users", "All Analysts"}) and not self.model.custom_groups
        assert (reply.status >= 400) == refused, f"{reply.status} {reply.body!r}"
        if not refused:
            board.mode, board.groups = mode, groups
        return f"{board.owner} shares {board_id}: {mode} {sorted(groups)} → {reply.status}"

    async def unshare(self) -> str | None:
        board_id = self.random.choice(list(self.model.boards))
        board = self.model.boards[board_id]
        if self.model.people[board.owner].status != "active":
            return None
        reply = await self.company.ask(board.owner, "DELETE", f"/v1/dashboards/{board_id}/sharing")
        assert reply.status == 204
        board.mode, board.groups = "nobody", set()
        return f"{board.owner} unshares {board_id}"

    async def hand_over(self) -> str | None:
        board_id = self.random.choice(list(self.model.boards))
        board, heir = self.model.boards[board_id], self.an_author()
        owner = self.model.people[board.owner]
        asking = board.owner if owner.status == "active" and owner.acts_as != "viewer" else "ana"
        body = {"owner_id": self.company.id_of(heir)}
        reply = await self.company.ask(asking, "POST", f"/v1/dashboards/{board_id}/transfer", body)
        if owner.status == "active" and owner.acts_as == "viewer":
            assert reply.status in (403, 404)
            return None
        assert reply.status == 200
        board.owner = heir
        return f"{asking} hands {board_id} to {heir}"

    async def add(self) -> str | None:
        if not self.model.groups or (name := self.anybody()) is None:
            return None
        group = self.random.choice(list(self.model.groups))
        await self.company.add(group, name)
        self.model.groups[group].add(name)
        return f"{name} into {group}"

    async def take_out(self) -> str | None:
        pairs = [(group, name) for group, members in self.model.groups.items() for name in sorted(members)]
        if not pairs:
            return None
        group, name = self.random.choice(pairs)
        await self.company.take_out(group, name)
        self.model.groups[group].discard(name)
        return f"{name} out of {group}"

    async def new_group(self) -> str | None:
        names = [name for name in GROUPS if name not in self.model.groups]
        if not names:
            return None
        await self.company.group(names[0])
        self.model.groups[names[0]] = set()
        for board in self.model.boards.values():
            board.groups.discard(names[0])  # a new group of an old name is another group
        return f"new group {names[0]}"

    async def delete_group(self) -> str | None:
        if not self.model.groups:
            return None
        name = self.random.choice(list(self.model.groups))
        await self.company.delete_group(name)
        del self.model.groups[name]
        for board in self.model.boards.values():
            board.groups.discard(name)
        return f"delete group {name}"

    async def deactivate(self) -> str | None:
        if (name := self.anybody()) is None:
            return None
        await self.company.deactivate(name)
        self.model.people[name].status = "inactive"
        return f"deactivate {name}"

    async def reactivate(self) -> str | None:
        if (name := self.anybody("inactive")) is None:
            return None
        await self.company.reactivate(name)
        self.model.people[name].status = "active"
        return f"reactivate {name}"

    async def slot(self) -> str:
        name = self.random.choice(["ben", "cyd"])
        person = self.model.people[name]
        person.slot = not person.slot
        await (self.company.resume_slot if person.slot else self.company.suspend_slot)(name)
        return f"{name} {'has' if person.slot else 'loses'} a slot"

    async def check(self, told: list[str]) -> None:
        """Decisions, lists, both searches and explanations, for everybody and everything."""
        company, model = self.company, self.model
        pairs = [(name, board) for name in model.people for board in model.boards]
        expected = model.everything()
        decided = await company.decisions([{"user_id": company.id_of(n), "dashboard_id": b} for n, b in pairs])
        assert {pair for pair, yes in zip(pairs, decided, strict=True) if yes} == expected, told
        for name, person in model.people.items():
            mine = {board for who, board in expected if who == name}
            if person.status == "active":
                assert set(await company.sees(name)) == mine, (name, told)
        for board in model.boards:
            viewers = {who for who, seen in expected if seen == board}
            search = {
                "subject": {"type": "user"},
                "action": {"name": "dashboard.view"},
                "resource": {"type": "dashboard", "id": board},
            }
            found = (await company.ask("ana", "POST", "/access/v1/search/subject", search)).ok()["results"]
            assert {one["id"] for one in found} == {company.id_of(name) for name in viewers}, (board, told)
        name, board = self.random.choice(pairs)
        assert (await company.why("ana", board, name))["decision"] == ((name, board) in expected), (name, board, told)


@pytest.mark.parametrize("seed", range(6))
async def test_every_answer_agrees_with_the_model_after_every_step(world: World, seed: int) -> None:
    history = History(Company(world), seed)
    await history.begin()
    told: list[str] = []
    for _ in range(STEPS):
        step = await history.random.choice(history.steps)()
        if step is not None:
            told.append(step)
            await history.check(told)


@pytest.mark.parametrize("seed", range(3))
async def test_a_lapse_only_ever_shrinks_and_the_way_back_restores_exactly(world: World, seed: int) -> None:
    history = History(Company(world), 100 + seed)
    await history.begin()
    for _ in range(15):
        await history.random.choice(history.steps)()
    company, model = history.company, history.model
    pairs = [{"user_id": company.id_of(n), "dashboard_id": b} for n in model.people for b in model.boards]

    async def seen() -> set[int]:
        return {place for place, yes in enumerate(await company.decisions(pairs)) if yes}

    async def rows() -> list[Any]:
        async with world.started["sharing"].env.database.read("*") as read:
            return [
                await read.rows(f"select * from {table} order by 1, 2, 3")
                for table in ("dashboards", "dashboard_groups", "groups", "group_members", "members")
            ]

    await company.plan("business")
    full, kept = await seen(), await rows()
    for lower, higher in (("pro", "business"), ("free", "pro"), ("free", "business")):
        await company.plan(higher)
        wide = await seen()
        await company.plan(lower)
        assert await seen() <= wide
    await company.plan("business")
    assert (await seen(), await rows()) == (full, kept), "a plan change is one row, and nothing else is touched"


@pytest.mark.parametrize("seed", range(4))
async def test_billing_and_org_may_arrive_in_any_order_to_each_other(world: World, seed: int) -> None:
    """The same two streams in several interleavings end in the same answers; before any plan is known, gated paths are closed."""
    order = random.Random(seed)
    company = Company(world)
    told: list[tuple[str, Any]] = []
    hear, world.hear = world.hear, _recorder(told)  # type: ignore[method-assign]
    await company.found("free")
    await company.join(ben="analyst", dan="viewer")
    await company.group("Sales", "dan")
    for plan in ("business", "pro", "business"):
        await company.plan(plan)
    world.hear = hear  # type: ignore[method-assign]
    org, billing = ([event for source, event in told if source == wanted] for wanted in ("org", "billing"))
    while org or billing:
        source, line = order.choice([(name, line) for name, line in (("org", org), ("billing", billing)) if line])
        await world.hear(source, line.pop(0))
    await company.register("ben", "board-1")
    (await company.share("ben", "board-1", "groups", "Sales")).ok()
    assert await company.sees("dan") == ["board-1"]
    late = copy.copy(company)
    await late.plan("free", version=2)  # an older version changes nothing
    assert await company.sees("dan") == ["board-1"]
    assert entitlements("free", 2).version < 4


def _recorder(told: list[tuple[str, Any]]) -> Callable[..., Awaitable[str]]:
    async def record(source: str, *events: Any) -> str:
        told.extend((source, event) for event in events)
        return ""

    return record
