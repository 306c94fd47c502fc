"""Capabilities are remembered while nothing happens, and never longer than an event leaves doubt."""

from __future__ import annotations

import asyncio

import pytest

from services.gateway.possibilities import SETTLING_SECONDS
from shared.events import Event
from shared.events.identity import PasswordChanged
from shared.events.org import Group, GroupDeleted
from shared.ids import new_id
from tests.gateway.standins import House, Somebody, somebody

ASKED = "capabilities of org"


async def asks(house: House, ana: Somebody, **headers: str) -> int:
    """How often org is asked by one request of a person."""
    before = house.people.asked.count(ASKED)
    (await house.ask("GET", "/v1/me/capabilities", {**ana.bearer, **headers})).ok()
    return house.people.asked.count(ASKED) - before


async def test_they_are_asked_once_and_then_remembered_for_each_person(house: House) -> None:
    await house.whole()
    ana, ben = somebody(house.people), somebody(house.people)
    assert [await asks(house, one) for one in (ana, ana, ben, ana, ben)] == [1, 0, 1, 0, 0]


def group_deleted(ana: Somebody) -> Event:
    group = Group(group_id=new_id("grp"), kind="custom", name="Sales", description="")
    return GroupDeleted(org_id=ana.org_id or "", group=group)


def password_changed(ana: Somebody) -> Event:
    return PasswordChanged(user_id=ana.user_id)


@pytest.mark.parametrize(("source", "event"), [("org", group_deleted), ("identity", password_changed)])
async def test_after_an_event_they_are_asked_each_time_until_every_service_has_had_time_to_hear_it(
    own_house: House, source: str, event: object
) -> None:
    await own_house.whole()
    ana, ben = somebody(own_house.people), somebody(own_house.people)
    assert [await asks(own_house, one) for one in (ana, ana, ben)] == [1, 0, 1]
    await own_house.hear(source, event(ana))  # type: ignore[operator]
    assert [await asks(own_house, one) for one in (ana, ana, ben)] == [1, 1, 0]
    own_house.watch.offset += SETTLING_SECONDS
    await own_house.whole()
    assert [await asks(own_house, ana) for _ in range(3)] == [1, 0, 0]


async def test_an_answer_that_an_event_overtakes_is_not_kept(own_house: House) -> None:
    await own_house.whole()
    ana = somebody(own_house.people)
    held = own_house.people.hold_back(ASKED)
    asking = asyncio.create_task(asks(own_house, ana))
    await held.wait()
    await own_house.hear("org", group_deleted(ana))
    own_house.people.let_go(ASKED)
    assert await asking >= 1
    assert await asks(own_house, ana) == 1
    own_house.watch.offset += SETTLING_SECONDS
    await own_house.whole()
    assert await asks(own_house, ana) == 1, "what was answered meanwhile wasn't remembered"


async def test_who_read_their_own_write_and_who_is_not_heard_ask_the_owners(own_house: House) -> None:
    await own_house.whole()
    ana = somebody(own_house.people)
    assert await asks(own_house, ana) == 1
    written = await own_house.ask("POST", "/v1/notes", ana.bearer, {"text": "hello"})
    own_house.watch.offset += SETTLING_SECONDS
    await own_house.whole()
    assert await asks(own_house, ana, **{"Tenantry-After": written.change}) == 1
    own_house.ears.mute("org")
    own_house.watch.offset += 10
    assert [await asks(own_house, ana) for _ in range(2)] == [1, 1]
