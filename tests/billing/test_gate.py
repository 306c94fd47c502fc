"""Plans gate setup, never protection: every restriction × everything that can happen to a plan, as real billing says it to real sharing.

Whoever reaches a dashboard afterwards reached it before. The table in docs/plans-gate-setup.md is what this finds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.billing.app import service as billing
from services.sharing.app import service as sharing
from shared.service import Service
from tests.billing.conftest import OPERATOR, Stage, without_jobs
from tests.billing.neighbours import NO_TABLES, Neighbours
from tests.sharing.company import Company
from tests.world import Databases, world_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "plans-gate-setup.md"

RESTRICTIONS: dict[str, tuple[str, ...]] = {
    "not shared": ("nobody",),
    "All Users": ("groups", "All Users"),
    "All Analysts": ("groups", "All Analysts"),
    "selected groups": ("groups", "Sales"),
    "All Analysts and a group": ("groups", "All Analysts", "Sales"),
    "All Users and a group": ("groups", "All Users", "Sales"),
}

Reach = dict[str, set[str]]
Happening = Callable[[Stage], Awaitable[None]]


async def to_pro_at_the_end(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    await stage.pay()
    await stage.pass_time(days=32)


async def to_pro_now(stage: Stage) -> None:
    (await stage.change("pro", when="now")).ok()


async def to_free_now(stage: Stage) -> None:
    (await stage.change("free", when="now")).ok()


async def there_and_back(stage: Stage) -> None:
    await to_free_now(stage)
    await stage.world.settle()
    (await stage.change("business")).ok()


async def past_due(stage: Stage) -> None:
    await stage.pass_time(days=31)
    assert (await stage.subscription())["status"] == "past_due"


async def lapse(stage: Stage) -> None:
    await past_due(stage)
    await stage.pass_time(days=15)
    assert (await stage.subscription())["plan"] == "free"


async def renewal(stage: Stage) -> None:
    await stage.pay()
    await stage.pass_time(days=32)
    assert (await stage.subscription())["plan"] == "business"


async def end_of_trial(stage: Stage) -> None:
    await stage.pass_time(days=15)
    assert (await stage.subscription())["plan"] == "free"


async def end_of_exception(stage: Stage) -> None:
    await stage.pay()
    await stage.pass_time(days=11)


HAPPENINGS: dict[str, tuple[str, Happening, str]] = {
    "renewal": ("business", renewal, "business"),
    "past due": ("business", past_due, "business"),
    "lapse": ("business", lapse, "free"),
    "to Pro, at the end": ("business", to_pro_at_the_end, "pro"),
    "to Pro, at once": ("business", to_pro_now, "pro"),
    "cancelled": ("business", to_free_now, "free"),
    "cancelled, and back": ("business", there_and_back, "business"),
    "end of the trial": ("trial", end_of_trial, "free"),
    "end of an exception": ("exception", end_of_exception, "pro"),
}


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path) -> AsyncIterator[Stage]:
    neighbours = Neighbours()
    (org,) = [one for one in neighbours.services() if one.name == "org"]
    audit = Service(name="audit", migrations=NO_TABLES, sources=("sharing",))  # what nobody hears isn't published
    async with world_of([without_jobs(billing), sharing, org, audit], databases, tmp_path) as world:
        yield Stage(world, neighbours, OPERATOR)


async def set_up(stage: Stage, on: str) -> Company:
    """Ana is Admin, Ben and Cyd are Analysts, Dan and Eve Viewers; a dashboard of Ben under each restriction."""
    company = await Company(stage.world).found(None)
    stage.ada = company.actor("ana")
    await company.join(ben="analyst", cyd="analyst", dan="viewer", eve="viewer")
    await company.group("Sales", "dan", "cyd")
    if on == "trial":
        (await stage.ask("POST", "/v1/subscription/trial")).ok()
    else:
        (await stage.change("pro" if on == "exception" else on)).ok()
    if on == "exception":
        until = (stage.world.clock.now() + timedelta(days=10)).isoformat()
        body = {"entitlement": "custom_groups", "value": True, "until": until, "reason": "Pilot", "by": "olga"}
        (await stage.ask("PUT", f"/internal/overrides/{company.org_id}", body, actor=OPERATOR)).ok()
    await stage.world.settle()
    for number, sharing_with in enumerate(RESTRICTIONS.values()):
        await company.register("ben", f"b{number}")
        if sharing_with != ("nobody",):
            (await company.share("ben", f"b{number}", *sharing_with)).ok()
    await stage.world.settle()
    return company


async def reach(company: Company) -> Reach:
    """Who reaches what, asked of sharing as every data path asks it."""
    found: Reach = {}
    for number, restriction in enumerate(RESTRICTIONS):
        wanted = [{"user_id": company.id_of(name), "dashboard_id": f"b{number}"} for name in company.people]
        decided = await company.decisions(wanted)
        found[restriction] = {name for name, yes in zip(company.people, decided, strict=True) if yes}
    return found


async def test_whoever_reaches_data_after_anything_that_happens_to_a_plan_reached_it_before(stage: Stage) -> None:
    table: dict[str, list[str]] = {restriction: [] for restriction in RESTRICTIONS}
    for name, (on, happens, ends_on) in HAPPENINGS.items():
        company = await set_up(stage, on)
        before = await reach(company)
        assert before["selected groups"] == {"ben", "cyd", "dan"}, name
        await happens(stage)
        await stage.world.settle()
        assert (await stage.subscription())["plan"] == ends_on, name
        after = await reach(company)
        for restriction, cells in table.items():
            assert after[restriction] <= before[restriction], (name, restriction)
            assert "ben" in after[restriction], (name, restriction)
            cells.append("the same" if after[restriction] == before[restriction] else "fewer")
    assert written(table) in PAGE.read_text(), f"the page should say\n\n{written(table)}"


def written(table: dict[str, list[str]]) -> str:
    head = ["| a dashboard shared with |", *(f" {name} |" for name in HAPPENINGS)]
    rows = [f"| {restriction} | {' | '.join(cells)} |" for restriction, cells in table.items()]
    return "\n".join(["".join(head), "|---" * (len(HAPPENINGS) + 1) + "|", *rows])
