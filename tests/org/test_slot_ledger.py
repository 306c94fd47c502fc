"""The slot ledger: every day of every slot is explained, whatever happened, and what was written is never rewritten."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.org.app import service
from services.org.rules import SlotStep, most_held
from shared.auth import Actor
from shared.clock import MovableClock
from tests.org.house import House, a_person, founded, identity_with
from tests.world import Databases, World, world_of

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    """A world of its own, for its clock moves by days."""
    services = [service, identity_with(tmp_path / "identity", {})]
    async with world_of(services, databases, tmp_path, clock=MovableClock()) as world:
        yield world


async def spells(house: House, query: str = "") -> list[dict[str, Any]]:
    return list((await house.ask("GET", f"/v1/slot-ledger?limit=200{query}")).ok()["data"])


def held_at(ledger: list[dict[str, Any]], at: datetime) -> dict[str, int]:
    """How many slots the ledger says were held at a moment."""

    def holds(spell: dict[str, Any], kind: str) -> bool:
        begun = datetime.fromisoformat(spell["since"]) <= at
        over = spell["until"] is not None and datetime.fromisoformat(spell["until"]) <= at
        return spell["kind"] == kind and begun and not over

    return {kind: sum(holds(spell, kind) for spell in ledger) for kind in ("author", "viewer")}


async def test_the_ledger_tells_who_held_a_slot_from_when_to_when(world: World) -> None:
    house = await founded(world)
    start = world.clock.now()
    world.clock.advance(timedelta(days=1))
    ben = await house.member("viewer", "Ben")
    world.clock.advance(timedelta(days=1))
    (await house.give(ben, "analyst")).ok()
    world.clock.advance(timedelta(days=1))
    (await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")).ok()
    told = [(one["kind"], one["holder"], one["name"], one["until"] is None) for one in await spells(house)]
    assert told == [
        ("author", "member", "Ben", False),
        ("viewer", "member", "Ben", False),
        ("viewer", "invitation", None, False),
        ("author", "member", "Ana Ruiz", True),
    ]
    author, viewer, invitation, _ = await spells(house)
    assert viewer["until"] == author["since"]
    assert invitation["until"] == viewer["since"]
    assert {one["email"] for one in (author, viewer, invitation)} == {f"ben@{house.domain}"}
    assert datetime.fromisoformat(author["until"]) - datetime.fromisoformat(author["since"]) >= timedelta(days=1)
    assert [one["kind"] for one in await spells(house, "&kind=viewer")] == ["viewer", "viewer"]
    first = start.date()
    usage = (await house.ask("GET", f"/v1/slot-usage?first={first}&last={first + timedelta(days=4)}")).ok()["days"]
    assert [(day["author"], day["viewer"]) for day in usage] == [(1, 0), (1, 1), (2, 1), (2, 0), (1, 0)]
    assert [day["day"] for day in usage] == [str(first + timedelta(days=n)) for n in range(5)]


async def test_an_invitation_gives_its_slot_back_when_it_expires_whoever_notices_and_when(world: World) -> None:
    house = await founded(world)
    invitation = (await house.invite(f"ben@{house.domain}")).ok()
    expires = invitation["expires_at"]
    world.clock.advance(timedelta(days=20))
    assert [one["until"] for one in await spells(house, "&kind=viewer")] == [expires]
    (await house.ask("POST", f"/v1/invitations/{invitation['id']}/resends")).ok()
    again, before = await spells(house, "&kind=viewer")
    assert (before["until"], again["until"]) == (expires, None)
    assert again["since"] > expires
    world.clock.advance(timedelta(days=20))
    (await house.invite(f"eve@{house.domain}")).ok()  # sweeps
    assert [one["until"] is None for one in await spells(house, "&kind=viewer")] == [True, False, False]


async def test_what_was_written_is_never_rewritten(world: World) -> None:
    house = await founded(world)
    with pytest.raises(asyncpg.RaiseError, match="only ever added"):
        async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
            await tx.run("update slot_entries set at = at - interval '1 day' where org_id = $1", house.org_id)


@pytest.mark.parametrize("query", ["first=2026-01-02&last=2026-01-01", "first=2026-01-01&last=2027-12-31", "first=x"])
async def test_days_that_are_none_are_refused(world: World, query: str) -> None:
    house = await founded(world)
    assert (await house.ask("GET", f"/v1/slot-usage?{query}")).code == "invalid"


async def test_the_ledger_is_for_admins_of_the_organization_alone(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben = await house.member("analyst", "Ben")
    for path in ("/v1/slot-ledger", "/v1/slot-usage"):
        assert (await house.ask("GET", path, by=ben)).status == 403
    assert {one["email"] for one in await spells(other)} == {f"ana@{other.domain}"}


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["invite", "accept", "role", "off", "on", "remove", "revoke", "resend", "wait"]),
        st.integers(0, 9),
    ),
    min_size=10,
    max_size=30,
)


async def do(house: House, people: list[Actor], what: str, number: int, count: int) -> None:
    """One act, whether or not it is granted: the ledger tells what was."""
    roles = ("admin", "analyst", "viewer")
    if what == "wait":
        house.world.clock.advance(timedelta(hours=7 + 31 * number))
    elif what == "invite":
        await house.invite(f"p{count}@{house.domain}", roles[number % 3])  # type: ignore[arg-type]
    elif what in ("revoke", "resend", "accept"):
        pending = (await house.ask("GET", "/v1/invitations")).ok()["data"]
        if not pending:
            return
        one = pending[number % len(pending)]
        if what == "accept":
            person = await a_person(house.world, one["email"], f"P{count}")
            if (await house.accept(house.token(one), person)).status == 201:
                people.append(person)
        elif what == "revoke":
            await house.ask("DELETE", f"/v1/invitations/{one['id']}")
        else:
            await house.ask("POST", f"/v1/invitations/{one['id']}/resends")
    elif people:
        path = f"/v1/users/{people[number % len(people)].user_id}"
        if what == "role":
            body = {"role": roles[count % 3], "group_ids": []}
            await house.ask("PUT", f"{path}/role-and-groups", body, headers={"If-Match": "*"})
        elif what == "remove":
            await house.ask("DELETE", path)
        else:
            await house.ask("POST", f"{path}/{'deactivation' if what == 'off' else 'reactivation'}")


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(acts=ACTS)
async def test_after_any_history_the_ledger_knows_what_was_in_use_at_every_moment(
    world: World, acts: list[tuple[str, int]]
) -> None:
    house = await founded(world)
    await house.on("business", author_slots=4)
    people: list[Actor] = []
    seen: list[tuple[datetime, dict[str, int]]] = []
    for count, (what, number) in enumerate(acts):
        await do(house, people, what, number, count)
        slots = await house.slots()
        seen.append((house.world.clock.now(), {kind: int(slots[kind]["used"] or 0) for kind in slots}))
        house.world.clock.advance(timedelta(seconds=1))
    ledger = await spells(house)
    assert [held_at(ledger, at) for at, _ in seen] == [used for _, used in seen]
    for holder in {one["holder_id"] for one in ledger}:
        times = sorted((one["since"], one["until"] or "9") for one in ledger if one["holder_id"] == holder)
        assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(times))
    first = seen[0][0].date()
    usage = (await house.ask("GET", f"/v1/slot-usage?first={first}&last={first + timedelta(days=399)}")).ok()["days"]
    of_day = {day["day"]: day for day in usage}
    for at, used in seen:
        if str(at.date()) in of_day:
            day = of_day[str(at.date())]
            assert day["author"] >= used["author"]
            assert day["viewer"] >= used["viewer"]


STEPS = st.lists(st.tuples(st.integers(0, 95), st.sampled_from(["author", "viewer"])), max_size=30)


@given(steps=STEPS)
def test_the_most_of_a_day_is_what_counting_every_hour_finds(steps: list[tuple[int, Any]]) -> None:
    """Steps on whole hours; counting at each hour, and just after it, is all that can be seen."""
    taken = [SlotStep(BEGAN + timedelta(hours=hour), kind, True) for hour, kind in sorted(steps)]
    given_back = [SlotStep(one.at + timedelta(hours=5), one.kind, False) for one in taken]
    walk = sorted([*taken, *given_back], key=lambda one: (one.at, one.taken))
    days = [date(2026, 3, day) for day in range(1, 7)]
    found = most_held({"author": 2, "viewer": 0}, walk, days)
    for place, day in enumerate(days):
        for kind, already in (("author", 2), ("viewer", 0)):
            counted = []
            for hour in range(place * 24, place * 24 + 24):
                at = BEGAN + timedelta(hours=hour)
                counted.append(already + sum((1 if s.taken else -1) for s in walk if s.kind == kind and s.at <= at))
            before = already + sum(
                (1 if s.taken else -1) for s in walk if s.kind == kind and s.at < BEGAN + timedelta(days=place)
            )
            assert found[place][kind] == max([before, *counted]), day  # type: ignore[index]
