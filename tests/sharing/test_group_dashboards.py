"""The dashboards that are shared with a group."""

from __future__ import annotations

from typing import Any

from shared.ids import new_id
from tests.sharing.company import Company
from tests.world import World


async def shown(company: Company, group: str, query: str = "", by: str = "ana") -> list[Any]:
    path = f"/v1/groups/{company.groups[group].group_id}/dashboards{query}"
    return list((await company.ask(by, "GET", path)).ok()["data"])


async def test_a_group_lists_what_is_shared_with_it_whoever_owns_it_and_whatever_the_plan(company: Company) -> None:
    for board, owner, groups in (
        ("b1", "ben", ("Sales",)),
        ("a2", "cyd", ("Sales", "All Analysts")),
        ("c3", "ben", ("All Users",)),
    ):
        await company.register(owner, board)
        (await company.share(owner, board, "groups", *groups)).ok()
    await company.register("ben", "private")
    listed = await shown(company, "Sales")
    assert [(one["id"], one["title"], one["owner"]["name"]) for one in listed] == [
        ("a2", "A2", "Cyd"),
        ("b1", "B1", "Ben"),
    ]
    assert [one["id"] for one in await shown(company, "All Analysts")] == ["a2"]
    assert [one["id"] for one in await shown(company, "All Users")] == ["c3"]
    await company.plan("free")
    assert await shown(company, "Sales") == listed
    await company.share("ben", "b1", "nobody")
    assert [one["id"] for one in await shown(company, "Sales")] == ["a2"]


async def test_the_list_is_paged_by_title(company: Company) -> None:
    for number in range(5):
        await company.register("ben", f"b{number}", f"{'zyxwv'[number]} board")
        (await company.share("ben", f"b{number}", "groups", "Sales")).ok()
    path, cursor, walked = f"/v1/groups/{company.groups['Sales'].group_id}/dashboards?limit=2", "", []
    while True:
        page = (await company.ask("ana", "GET", path + cursor)).ok()
        walked += [one["id"] for one in page["data"]]
        if page["page"]["next_cursor"] is None:
            break
        cursor = f"&cursor={page['page']['next_cursor']}"
    assert walked == ["b4", "b3", "b2", "b1", "b0"]


async def test_only_admins_of_the_organization_see_what_a_group_opens(world: World, company: Company) -> None:
    other = await Company(world).found()
    sales = company.groups["Sales"].group_id
    for name in ("ben", "dan"):
        assert (await company.ask(name, "GET", f"/v1/groups/{sales}/dashboards")).status == 403
    for group_id in (sales, new_id("grp")):
        reply = await other.ask("ana", "GET", f"/v1/groups/{group_id}/dashboards")
        assert (reply.status, reply.code) == (404, "not_found")
    await company.delete_group("Sales")
    assert (await company.ask("ana", "GET", f"/v1/groups/{sales}/dashboards")).status == 404
