"""What another plan would do, what may be done now, and embed secrets."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from shared.auth import Actor
from shared.events.sharing import EmbedSecretReset
from shared.sealing import Sealer
from tests.sharing.company import Company, entitlements
from tests.world import World

BILLING = Actor("service", service="billing")


async def effects(company: Company, plan: str) -> Any:
    body = {"org_id": company.org_id, "entitlements": entitlements(plan, company.version + 1).model_dump()}
    return (await company.world.ask("sharing", "POST", "/internal/plan-effects", body, actor=BILLING)).ok()


def names(company: Company, people: list[Any]) -> list[str]:
    by_id = {member.user_id: name for name, member in company.people.items()}
    assert all(set(one) == {"user_id", "name", "email"} for one in people)
    return [by_id[one["user_id"]] for one in people]


@pytest.fixture
async def shared(company: Company) -> Company:
    """Three dashboards of Ben: one for Sales and the Board, one for All Analysts, one for All Users and Sales."""
    await company.group("Board", "dan", "eve", "cyd")
    for board, groups in (
        ("b1", ("Sales", "Board")),
        ("b2", ("All Analysts", "Sales")),
        ("b3", ("All Users", "Sales")),
    ):
        await company.register("ben", board)
        (await company.share("ben", board, "groups", *groups)).ok()
    return company


async def test_a_downgrade_names_each_dashboard_who_loses_it_and_through_what(shared: Company) -> None:
    said = await effects(shared, "pro")
    told = [
        (one["dashboard_id"], names(shared, one["losing"]), one["losing_count"], one["through"])
        for one in said["dashboards"]
    ]
    assert told == [("b1", ["cyd", "dan", "eve"], 3, ["Board", "Sales"]), ("b2", ["dan"], 1, ["Sales"])]
    assert (said["gaining"], said["dashboards_count"]) == ([], 2)


async def test_what_was_foreseen_is_what_happens_and_the_way_back_too(shared: Company) -> None:
    """For every pair of plans: who loses and gains in the preview is who loses and gains."""
    pairs = [(name, board) for name in shared.people for board in ("b1", "b2", "b3")]

    async def seen() -> set[tuple[str, str]]:
        decided = await shared.decisions([{"user_id": shared.id_of(n), "dashboard_id": b} for n, b in pairs])
        return {pair for pair, yes in zip(pairs, decided, strict=True) if yes}

    for first, second in (
        ("business", "pro"),
        ("pro", "business"),
        ("business", "free"),
        ("free", "business"),
        ("free", "pro"),
        ("pro", "free"),
    ):
        await shared.plan(first)
        await slots_follow(shared, first)
        before, foreseen = await seen(), await effects(shared, second)
        await shared.plan(second)
        await slots_follow(shared, second)
        after = await seen()
        losing = {(n, one["dashboard_id"]) for one in foreseen["dashboards"] for n in names(shared, one["losing"])}
        gaining = {(n, one["dashboard_id"]) for one in foreseen["gaining"] for n in names(shared, one["gaining"])}
        assert (losing, gaining) == (before - after, after - before), (first, second)


async def slots_follow(company: Company, plan: str) -> None:
    """What org does after a plan change: on Free there are two author slots, so the later of the two Analysts has none."""
    over = plan == "free"
    if over == (company.people["cyd"].effective_role == "analyst"):
        await (company.suspend_slot if over else company.resume_slot)("cyd")


async def test_losing_a_slot_loses_what_is_shared_with_all_analysts(shared: Company) -> None:
    wanted = entitlements("business", 9).model_copy(update={"author_slots": 2})
    body = {"org_id": shared.org_id, "entitlements": wanted.model_dump()}
    said = (await shared.world.ask("sharing", "POST", "/internal/plan-effects", body, actor=BILLING)).ok()
    assert [(one["dashboard_id"], names(shared, one["losing"]), one["through"]) for one in said["dashboards"]] == [
        ("b2", ["cyd"], ["All Analysts"])
    ]


async def test_the_state_moves_with_every_change_here(shared: Company) -> None:
    before = (await effects(shared, "pro"))["state"]
    assert (await effects(shared, "pro"))["state"] == before
    await shared.share("ben", "b1", "nobody")
    assert (await effects(shared, "pro"))["state"] == before + 1
    assert (await shared.ask("ana", "POST", "/internal/plan-effects", {})).status == 404


async def test_capabilities_say_why_not(company: Company) -> None:
    async def refused(name: str) -> dict[str, tuple[str, str | None]]:
        listed = (await company.ask(name, "GET", "/internal/capabilities")).ok()["capabilities"]
        return {one["action"]: (one["because"]["kind"], one["because"]["plan"]) for one in listed if not one["allowed"]}

    assert await refused("ana") == {}
    assert set(await refused("ben")) == {
        "access.evaluate_others",
        "access.review",
        "dashboards.hand_over",
        "groups.read_dashboards",
        "embed_secrets.read",
        "embed_secrets.reset",
        "embed_secrets.revoke",
        "embed_secrets.reveal",
        "embed_refusals.read",
        "embed_tokens.inspect",
        "links.suspend",
        "links.restrict",
    }
    await company.plan("free")
    assert await refused("ana") == {
        "share.all_analysts": ("plan", "pro"),
        "share.groups": ("plan", "business"),
        "links.create": ("plan", "pro"),
        "links.allow_parameters": ("plan", "business"),
    }
    assert (await refused("dan"))["dashboards.register"] == ("role", None)
    await company.suspend_slot("ben")
    assert (await refused("ben"))["dashboards.register"] == ("limit", None)


async def test_a_new_organization_has_one_embed_secret_sealed_to_its_row(world: World) -> None:
    first, second = await Company(world).found(), await Company(world).found()
    (told,) = [event for event in await world.said("sharing", EmbedSecretReset) if event.subject == first.org_id]
    assert told.data["first"] is True
    listed = (await first.ask("ana", "GET", "/v1/embed-secrets")).ok()["data"]
    assert [(one["id"], one["expires_at"]) for one in listed] == [(told.data["secret_id"], None)]
    assert (listed[0]["state"], listed[0]["uses"], listed[0]["last_used_at"]) == ("current", 0, None)
    await first.join(ben="analyst")
    assert (await first.ask("ben", "GET", "/v1/embed-secrets")).code == "forbidden"
    async with world.started["sharing"].env.database.read("*") as read:
        rows = await read.rows("select org_id, secret_id, sealed, sealing from embed_secrets")
        outbox = b"".join(row["body"] for row in await read.rows("select body from outbox"))
    sealer = Sealer(world.settings.secrets.master)
    opened = {
        row["org_id"]: sealer.open(row["sealed"], "embed_secrets", row["secret_id"], row["org_id"], str(row["sealing"]))
        for row in rows
    }
    assert len(opened[first.org_id]) == 64
    assert opened[first.org_id] != opened[second.org_id]
    for row in rows:
        assert opened[row["org_id"]].encode() not in row["sealed"]
        assert opened[row["org_id"]].encode() not in outbox
        elsewhere = second.org_id if row["org_id"] == first.org_id else first.org_id
        with pytest.raises(InvalidTag):
            sealer.open(row["sealed"], "embed_secrets", row["secret_id"], elsewhere, str(row["sealing"]))
        with pytest.raises(InvalidTag):
            sealer.open(row["sealed"], "embed_secrets", row["secret_id"], row["org_id"], str(row["sealing"] + 1))


async def test_without_the_filter_in_a_query_row_security_still_shows_nothing_foreign(
    company: Company, world: World
) -> None:
    other = await Company(world).found()
    await company.register("ben", "board-1")
    (await company.share("ben", "board-1", "groups", "Sales")).ok()
    (await company.ask("ben", "POST", "/v1/dashboards/board-1/links", {"name": "For the wall"})).ok()
    policy = {"password_required": True}
    (await company.ask("ana", "PATCH", "/v1/links/policy", policy, headers={"If-Match": "*"})).ok()
    tables = (
        "organizations",
        "entitlements",
        "members",
        "groups",
        "group_members",
        "dashboards",
        "dashboard_groups",
        "embed_secrets",
        "links",
        "link_policies",
        "link_switches",
    )
    database = world.started["sharing"].env.database
    for table in tables:
        async with database.read(other.org_id) as read:
            assert await read.value(f"select count(*) from {table} where org_id <> $1", other.org_id) == 0
        async with database.read("") as read:
            assert await read.value(f"select count(*) from {table}") == 0
        async with database.read(company.org_id) as read:
            assert await read.value(f"select count(*) from {table}") > 0
