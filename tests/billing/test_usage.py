"""Slots over time: what was held at the end of each day, who by, and what explains it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.rules.usage import Held, Turn, days_of, expected, full_in
from shared.events.org import (
    Invitation,
    InvitationAccepted,
    InvitationExpired,
    InvitationResent,
    InvitationSent,
    Member,
    MemberDeactivated,
    MemberJoined,
    MemberReactivated,
    MemberRemoved,
    MemberRenamed,
    MemberRoleChanged,
)
from shared.ids import new_id
from tests.billing.conftest import Stage

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def a_member(role: Any = "analyst", status: Any = "active", user_id: str | None = None) -> Member:
    return Member(
        user_id=user_id or new_id("usr"),
        email="m@northwind.example",
        name="M",
        role=role,
        effective_role=role,
        status=status,
        joined_at=LONG_AGO,
    )


def an_invitation(role: Any = "viewer") -> Invitation:
    return Invitation(
        invitation_id=new_id("inv"),
        email="i@northwind.example",
        role=role,
        group_ids=[],
        status="open",
        expires_at=LONG_AGO,
        link_version=1,
    )


async def usage(stage: Stage, query: str = "") -> Any:
    return (await stage.ask("GET", f"/v1/usage/slots{query}")).ok()


async def join(stage: Stage, member: Member) -> str:
    return await stage.world.hear("org", MemberJoined(org_id=stage.ada.org(), member=member))


async def test_each_day_counts_who_holds_a_slot_when_it_ends(stage: Stage) -> None:
    org_id, member = stage.ada.org(), a_member()
    await join(stage, member)
    await join(stage, a_member("viewer"))
    await stage.pass_time(days=1)
    changed = member.model_copy(update={"role": "viewer"})
    await stage.world.hear("org", MemberRoleChanged(org_id=org_id, member=changed, previous_role="analyst"))
    await stage.pass_time(days=1)
    removed = changed.model_copy(update={"status": "removed"})
    await stage.world.hear("org", MemberRemoved(org_id=org_id, member=removed))
    found = await usage(stage)
    assert [(one["author"], one["viewer"]) for one in found["days"]] == [(0, 0)] * 27 + [(1, 1), (0, 2), (0, 1)]
    assert (found["slot_days"], found["now"]) == ({"author": 1, "viewer": 4}, {"author": 0, "viewer": 1})
    assert found["limits"] == {"author": 2, "viewer": 5}
    assert found["days"][-1]["day"] == stage.world.clock.now().date().isoformat()
    whole = await usage(stage, f"?from={found['days'][-2]['day']}&to={found['days'][-2]['day']}")
    assert whole["days"] == [found["days"][-2]]


async def test_every_slot_day_names_its_holder_and_the_event_behind_it(stage: Stage) -> None:
    member = a_member()
    joined = await join(stage, member)
    await stage.pass_time(days=1)
    inactive = member.model_copy(update={"status": "inactive"})
    left = await stage.world.hear("org", MemberDeactivated(org_id=stage.ada.org(), member=inactive))
    yesterday = (stage.world.clock.now() - timedelta(days=1)).date()
    held = (await stage.ask("GET", f"/v1/usage/slot-holders?day={yesterday}&kind=author")).ok()["data"]
    assert [(one["id"], one["taken_by"], one["freed_by"]) for one in held] == [(member.user_id, joined, left)]
    assert (await stage.ask("GET", "/v1/usage/slot-holders")).ok()["data"] == []
    again = await stage.world.hear("org", MemberReactivated(org_id=stage.ada.org(), member=member))
    now = (await stage.ask("GET", "/v1/usage/slot-holders")).ok()["data"]
    assert [(one["taken_by"], one["freed_by"]) for one in now] == [(again, None)]
    assert (await stage.ask("GET", "/v1/usage/slot-holders?kind=viewer")).ok()["data"] == []


async def test_an_open_invitation_holds_a_slot_until_it_is_accepted_or_expires(stage: Stage) -> None:
    org_id, invitation = stage.ada.org(), an_invitation("admin")
    sent = InvitationSent(org_id=org_id, invitation=invitation, invited_by=stage.ada.person())
    await stage.world.hear("org", sent)
    await stage.world.hear("org", InvitationResent(org_id=org_id, invitation=invitation))
    assert (await usage(stage))["now"] == {"author": 1, "viewer": 0}
    expired = invitation.model_copy(update={"status": "expired"})
    await stage.world.hear("org", InvitationExpired(org_id=org_id, invitation=expired))
    assert (await usage(stage))["now"] == {"author": 0, "viewer": 0}
    await stage.world.hear("org", InvitationResent(org_id=org_id, invitation=invitation))
    accepted = invitation.model_copy(update={"status": "accepted"})
    guest = a_member("admin")
    told = InvitationAccepted(org_id=org_id, invitation=accepted, user_id=guest.user_id)
    await stage.world.hear("org", told, MemberJoined(org_id=org_id, member=guest))
    assert (await usage(stage))["now"] == {"author": 1, "viewer": 0}


async def test_a_new_name_takes_no_slot_and_moves_none(stage: Stage) -> None:
    member = a_member()
    joined = await join(stage, member)
    await stage.world.hear("org", MemberRenamed(org_id=stage.ada.org(), member=member))
    assert [one["taken_by"] for one in (await stage.ask("GET", "/v1/usage/slot-holders")).ok()["data"]] == [joined]


async def test_the_forecast_goes_on_as_the_last_thirty_days_went(stage: Stage) -> None:
    await join(stage, a_member())
    await stage.pass_time(days=31)
    for _ in range(2):
        await join(stage, a_member("viewer"))
    found = await usage(stage)
    today = stage.world.clock.now().date()
    assert found["forecast"] == {
        "since": (today - timedelta(days=30)).isoformat(),
        "day": (today + timedelta(days=30)).isoformat(),
        "expected": {"author": 1, "viewer": 4},
        "author_full_on": None,
        "viewer_full_on": (today + timedelta(days=45)).isoformat(),
    }


async def test_there_is_no_forecast_before_thirty_days_have_passed(stage: Stage) -> None:
    began = stage.world.clock.now().date()
    nobody = await usage(stage)
    assert (nobody["forecast"], nobody["forecast_from"]) == (None, (began + timedelta(days=30)).isoformat())
    await join(stage, a_member())
    await stage.pass_time(days=29)
    young = await usage(stage)
    assert (young["forecast"], young["forecast_from"]) == (None, (began + timedelta(days=30)).isoformat())
    await stage.pass_time(days=1)
    grown = await usage(stage)
    assert grown["forecast"]["expected"] == {"author": 1, "viewer": 0}
    assert grown["forecast_from"] is None


async def test_usage_is_the_admins_of_its_organization_alone(stage: Stage) -> None:
    await join(stage, a_member())
    eve = await stage.found("Evil Inc")
    for path in ("/v1/usage/slots", "/v1/usage/slot-holders"):
        assert (await stage.ask("GET", path, actor=replace(stage.ada, role="viewer"))).code == "forbidden"
    assert (await stage.ask("GET", "/v1/usage/slots", actor=eve)).ok()["now"] == {"author": 0, "viewer": 0}
    assert (await stage.ask("GET", "/v1/usage/slot-holders", actor=eve)).ok()["data"] == []


@pytest.mark.parametrize(
    "query", ["slots?to=2999-01-01", "slots?from=2020-01-01", "slots?from=0001-01-01&to=0001-01-02", "slots?from=x", "slots?to=0001-01-01", "slot-holders?day=2999-01-01", "slot-holders?day=9999-12-31", "slot-holders?day=0001-01-01"]
)  # fmt: skip
async def test_days_that_can_not_be_shown_are_refused(stage: Stage, query: str) -> None:
    reply = await stage.ask("GET", f"/v1/usage/{query}")
    assert (reply.status, reply.code) == (422, "invalid")


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 3)), max_size=30), st.integers(0, 50))
def test_days_add_up_whatever_happens_on_them(turns: list[tuple[int, int]], before: int) -> None:
    first = date(2024, 2, 1)
    by_day: dict[date, int] = {}
    for day, turn in turns:
        by_day[first + timedelta(days=day)] = by_day.get(first + timedelta(days=day), 0) + turn
    held = days_of(first, date(2024, 3, 12), before, 0, [Turn(day, turn, -turn) for day, turn in by_day.items()])
    assert len(held) == 41
    assert held[-1] == Held(date(2024, 3, 12), before + sum(by_day.values()), -sum(by_day.values()))


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 90), st.integers(0, 500))
def test_a_forecast_is_a_straight_line_that_reaches_the_limit_on_the_day_it_says(
    then: int, now: int, ahead: int, limit: int
) -> None:
    assert expected(then, now, 30, 0) == now
    assert expected(then, now, 30, ahead) >= 0
    full = full_in(then, now, 30, limit)
    if full is None:
        assert now < limit
        assert now <= then
    elif full:
        assert now + (now - then) * full / 30 >= limit > now + (now - then) * (full - 1) / 30
    assert full_in(then, now, 30, None) is None
