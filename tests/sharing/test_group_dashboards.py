"""The dashboards that are shared with a group."""

from __future__ import annotations

from typing import Any

from shared.events.sharing import DashboardShared
from shared.ids import new_id
from tests.sharing.company import Company
from tests.world import Reply, World


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


async def join(company: Company, who: str, method: str, group: str, dashboard_id: str, **body: Any) -> Reply:
    path = f"/v1/groups/{company.groups[group].group_id}/dashboards/{dashboard_id}"
    return await company.ask(who, method, path, body or None)


async def sharing(company: Company, dashboard_id: str) -> tuple[str, set[str]]:
    now = (await company.ask("ben", "GET", f"/v1/dashboards/{dashboard_id}/sharing")).ok()
    return now["mode"], {group["name"] for group in now["groups"]}


async def test_a_dashboard_joins_groups_and_leaves_them_one_by_one(company: Company) -> None:
    await company.register("ben", "b1")
    await company.group("Berlin", "eve")
    first = (await join(company, "ben", "PUT", "Sales", "b1")).ok()
    assert (first["mode"], first["people"]) == ("groups", 2)
    (await join(company, "ben", "PUT", "Berlin", "b1")).ok()
    assert await sharing(company, "b1") == ("groups", {"Sales", "Berlin"})
    said = len(await company.world.said("sharing", DashboardShared))
    (await join(company, "ben", "PUT", "Berlin", "b1")).ok()
    assert len(await company.world.said("sharing", DashboardShared)) == said, "twice is once"
    assert (await join(company, "ben", "DELETE", "Sales", "b1")).status == 204
    assert await sharing(company, "b1") == ("groups", {"Berlin"})
    assert (await join(company, "ben", "DELETE", "Sales", "b1")).status == 204
    assert (await join(company, "ben", "DELETE", "Berlin", "b1")).status == 204
    assert await sharing(company, "b1") == ("nobody", set())


async def test_whom_a_mode_reaches_is_kept_when_a_group_is_added(company: Company) -> None:
    await company.register("ben", "b1")
    for mode, built_in in (("all_users", "All Users"), ("all_analysts", "All Analysts")):
        (await company.share("ben", "b1", mode)).ok()
        (await join(company, "ben", "PUT", built_in, "b1")).ok()
        assert await sharing(company, "b1") == (mode, set()), "it is there already"
        assert (await join(company, "ben", "DELETE", "Sales", "b1")).status == 204
        assert await sharing(company, "b1") == (mode, set())
        seen = {name for name in company.people if await company.may(name, "b1")}
        (await join(company, "ben", "PUT", "Sales", "b1")).ok()
        assert await sharing(company, "b1") == ("groups", {built_in, "Sales"})
        assert {name for name in company.people if await company.may(name, "b1")} == seen | {"dan"}


async def test_from_the_groups_side_the_same_rights_and_plans_hold(world: World, company: Company) -> None:
    await company.register("ben", "b1")
    await company.register("ben", "b2")
    (await company.share("ben", "b1", "all_users")).ok()
    other = await Company(world).found()
    foreign = await other.group("Theirs")
    for who, board, status in (("ana", "b1", 403), ("cyd", "b1", 403), ("dan", "b1", 403), ("ana", "b2", 404), ("dan", "b2", 404)):  # fmt: skip
        for method in ("PUT", "DELETE"):
            assert (await join(company, who, method, "Sales", board)).status == status, (who, board, method)
    for group_id in (foreign, new_id("grp")):
        for method in ("PUT", "DELETE"):
            reply = await company.ask("ben", method, f"/v1/groups/{group_id}/dashboards/b1")
            assert (reply.status, reply.code) == (404, "not_found")
    (await join(company, "ben", "PUT", "Sales", "b2")).ok()
    await company.group("Late")
    await company.plan("pro")
    assert (await join(company, "ben", "PUT", "Late", "b2")).code == "suspended"
    (await join(company, "ben", "PUT", "Sales", "b2")).ok()
    assert (await join(company, "ben", "DELETE", "Sales", "b2")).status == 204, "taking away needs no plan"
    stale = await company.ask(
        "ben", "DELETE", f"/v1/groups/{company.groups['Sales'].group_id}/dashboards/b2", headers={"If-Match": '"1"'}
    )
    assert stale.code == "precondition_failed"


async def test_an_admin_takes_a_dashboard_out_of_a_group_when_its_owner_has_left(company: Company) -> None:
    await company.register("ben", "b1")
    (await join(company, "ben", "PUT", "Sales", "b1")).ok()
    assert (await join(company, "ana", "DELETE", "Sales", "b1")).status == 404, "it isn't hers to know of"
    await company.deactivate("ben")
    assert (await join(company, "ana", "PUT", "All Users", "b1")).status == 403
    assert (await join(company, "ana", "DELETE", "Sales", "b1")).status == 204
    assert not await company.may("dan", "b1")


async def test_who_gains_it_through_the_group_is_told_unless_asked_not_to(company: Company) -> None:
    await company.register("ben", "b1")
    await company.group("Berlin", "eve")
    (await join(company, "ben", "PUT", "Sales", "b1")).ok()
    (await join(company, "ben", "PUT", "Berlin", "b1", notify=False)).ok()
    first, second = await company.world.said("sharing", DashboardShared)
    assert (first.data["mails"], second.data["mails"]) == (1, 0)


async def test_a_dashboard_with_another_title_moves_in_every_list(company: Company) -> None:
    """The order that is kept with a group follows the title, whatever was shared when."""
    for n in range(4):
        await company.register("ben", f"board-{n}", f"Board {n}")
        (await company.share("ben", f"board-{n}", "groups", "Sales")).ok()
    group_id = company.groups["Sales"].group_id

    async def listed() -> list[str]:
        """By the Admin's list of the group, which is also what Dan, who is in it, sees."""
        found: list[str] = []
        cursor = ""
        while True:
            page = (await company.ask("ana", "GET", f"/v1/groups/{group_id}/dashboards?limit=2{cursor}")).ok()
            found += [row["id"] for row in page["data"]]
            if page["page"]["next_cursor"] is None:
                assert found == await company.sees("dan")
                return found
            cursor = f"&cursor={page['page']['next_cursor']}"

    assert await listed() == ["board-0", "board-1", "board-2", "board-3"]
    (await company.ask("ben", "PATCH", "/v1/dashboards/board-0", {"title": "Zebra"})).ok()
    (await company.ask("ben", "PATCH", "/v1/dashboards/board-3", {"title": "aardvark"})).ok()
    assert await listed() == ["board-3", "board-1", "board-2", "board-0"]
    found = (await company.ask("dan", "GET", "/v1/dashboards?q=zEBR")).ok()["data"]
    assert [row["id"] for row in found] == ["board-0"]
    assert (await company.ask("dan", "GET", "/v1/dashboards?q=board")).ok()["data"][0]["id"] == "board-1"
