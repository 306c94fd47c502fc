"""Plans gate setup, never protection: every restriction × everything that can happen to a plan, as real billing says it to real sharing.

Whoever reaches a dashboard afterwards reached it before. The table in docs/plans-gate-setup.md is what this finds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.billing.catalogue import PlanEntitlements
from services.sharing.app import service as sharing
from services.sharing.usecases.link_shapes import CreateLink
from shared.clock import MovableClock
from shared.service import Service
from tests.billing.conftest import OPERATOR, Stage
from tests.billing.gate_links import LINKS, Doors
from tests.billing.neighbours import NO_TABLES, Neighbours
from tests.billing.paid_stage import PaidStage, collecting
from tests.billing.stripe_server import stripe_server
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

ENTITLEMENTS: dict[str, str] = {
    "author_slots": "an Analyst beyond the slots acts as a Viewer: fewer rights, every way in",
    "viewer_slots": "nobody new; who is in stays",
    "share_all_analysts": "All Analysts",
    "custom_groups": "selected groups",
    "additional_domains": "a suspended domain invites nobody new; its members stay and sign in",
    "single_sign_on": "its configuration is frozen; signing in by it goes on, and it can be switched off",
    "scim": "nothing more is provisioned; who is there stays",
    "sharing_links": "every link",
    "interactive_embedding": "a link that allows parameters",
    "api_keys": "keys and webhooks rest; deleting them is always possible",
    "audit_days": "older entries are no longer kept; nobody reaches more",
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


async def provider_away(stage: Stage) -> None:
    """Three days in which nothing that is due can be collected, and nobody can store another card."""
    assert isinstance(stage, PaidStage)
    await stage.store_card()
    stage.stripe.away = True
    for _ in range(3):
        await stage.run()
        await stage.pass_time(days=1)
    stage.stripe.away = False
    assert not stage.stripe.ledger


HAPPENINGS: dict[str, tuple[str, Happening, str]] = {
    "renewal": ("business", renewal, "business"),
    "past due": ("business", past_due, "business"),
    "lapse": ("business", lapse, "free"),
    "provider away": ("business", provider_away, "business"),
    "to Pro, at the end": ("business", to_pro_at_the_end, "pro"),
    "to Pro, at once": ("business", to_pro_now, "pro"),
    "cancelled": ("business", to_free_now, "free"),
    "cancelled, and back": ("business", there_and_back, "business"),
    "end of the trial": ("trial", end_of_trial, "free"),
    "end of an exception": ("exception", end_of_exception, "pro"),
}


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path) -> AsyncIterator[PaidStage]:
    neighbours, clock = Neighbours(), MovableClock()
    (org,) = [one for one in neighbours.services() if one.name == "org"]
    audit = Service(name="audit", migrations=NO_TABLES, sources=("sharing",))  # what nobody hears isn't published
    async with stripe_server(clock) as server:
        services = [collecting(server), sharing, org, audit]
        async with world_of(services, databases, tmp_path, clock=clock) as world:
            yield PaidStage(world, neighbours, OPERATOR, server)


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
        for name in ("custom_groups", "interactive_embedding"):
            body = {"entitlement": name, "value": True, "until": until, "reason": "Pilot", "by": "olga"}
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


async def test_whoever_reaches_data_after_anything_that_happens_to_a_plan_reached_it_before(stage: PaidStage) -> None:
    people: dict[str, list[str]] = {restriction: [] for restriction in RESTRICTIONS}
    links: dict[str, list[str]] = {restriction: [] for restriction in LINKS}
    for name, (on, happens, ends_on) in HAPPENINGS.items():
        company = await set_up(stage, on)
        doors = await Doors.of(company)
        before = await reach(company)
        came_in = {link: await doors.who_comes_in(link) for link in LINKS}
        assert before["selected groups"] == {"ben", "cyd", "dan"}, name
        assert all(bool(came_in[link]) == (link != "that is paused") for link in LINKS), (name, came_in)
        await happens(stage)
        await stage.world.settle()
        assert (await stage.subscription())["plan"] == ends_on, name
        after = await reach(company)
        for restriction, cells in people.items():
            assert after[restriction] <= before[restriction], (name, restriction)
            assert "ben" in after[restriction], (name, restriction)
            cells.append("the same" if after[restriction] == before[restriction] else "fewer")
        for link, cells in links.items():
            now = await doors.who_comes_in(link)
            assert now <= came_in[link], (name, link)
            cells.append("the same" if now == came_in[link] else "fewer" if now else "nobody")
    tables = [written("a dashboard shared with", people), written("a link", links)]
    missing = [table for table in tables if table not in PAGE.read_text()]
    assert not missing, "the page should say\n\n" + "\n\n".join(missing)


def written(head: str, table: dict[str, list[str]]) -> str:
    first = [f"| {head} |", *(f" {name} |" for name in HAPPENINGS)]
    rows = [f"| {restriction} | {' | '.join(cells)} |" for restriction, cells in table.items()]
    return "\n".join(["".join(first), "|---" * (len(HAPPENINGS) + 1) + "|", *rows])


def test_every_restriction_of_a_link_and_every_entitlement_has_its_row() -> None:
    """Who adds one adds its row, or says where it is shown instead."""
    restricts = {name for options in LINKS.values() for name in options} | {"paused"}
    harmless = {"dashboard_id", "name", "description", "tv_mode", "dark_mode", "csv", "excel"}
    assert set(CreateLink.model_fields) | {"paused"} == restricts | harmless
    assert set(PlanEntitlements.model_fields) == set(ENTITLEMENTS)
    page = PAGE.read_text()
    for entitlement, rows in ENTITLEMENTS.items():
        assert f"| `{entitlement}` | {rows} |" in page, f"the page should say | `{entitlement}` | {rows} |"
