"""Users: lists, role and groups, deactivation, removal, and the Admin that always stays."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from shared.ids import new_id
from tests.org.house import House, a_person, at_once, founded
from tests.world import World


async def test_users_are_found_sorted_and_paged(world: World) -> None:
    house = await founded(world)
    for name in ("Bea Ölm", "Čeněk", "dora", "Émile", "Zoe"):
        person = name.encode("ascii", "ignore").decode().split()[0].lower() or "x"
        invitation = (await house.invite(f"{person}@{house.domain}")).ok()
        (await house.accept(house.token(invitation), await a_person(world, f"{person}@{house.domain}", name))).ok()

    async def names(query: str) -> list[str]:
        return [user["name"] for user in (await house.ask("GET", f"/v1/users?{query}")).ok()["data"]]

    assert await names("sort=name") == ["Ana Ruiz", "Bea Ölm", "dora", "Zoe", "Émile", "Čeněk"]
    assert await names("sort=-name") == list(reversed(await names("sort=name")))
    assert await names("sort=joined_at") == ["Ana Ruiz", "Bea Ölm", "Čeněk", "dora", "Émile", "Zoe"]
    assert await names("q=%C3%96LM") == ["Bea Ölm"]
    assert await names("q=zoe@") == ["Zoe"]
    assert await names("role=admin") == ["Ana Ruiz"]
    for sort in ("name", "-name", "email", "-email", "joined_at", "-joined_at"):
        walked, cursor = [], ""
        while True:
            page = (await house.ask("GET", f"/v1/users?limit=2&sort={sort}{cursor}")).ok()
            walked += [user["name"] for user in page["data"]]
            assert (page["page"]["total"], page["page"]["total_capped"]) == (6, False)
            if page["page"]["next_cursor"] is None:
                break
            cursor = f"&cursor={page['page']['next_cursor']}"
        assert walked == await names(f"sort={sort}")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "sort=role",
        "status=removed",
        "cursor=x",
        "q=",
        "role=owner",
        "group_id=1",
        "sort=deactivated_at",
        "x=1",
    ],
)
async def test_a_list_refuses_what_it_does_not_know(world: World, query: str) -> None:
    house = await founded(world)
    assert (await house.ask("GET", f"/v1/users?{query}")).status == 422


async def test_a_cursor_belongs_to_its_filter(world: World) -> None:
    house = await founded(world)
    await house.member()
    cursor = (await house.ask("GET", "/v1/users?limit=1")).ok()["page"]["next_cursor"]
    assert (await house.ask("GET", f"/v1/users?limit=1&sort=email&cursor={cursor}")).json["errors"][0][
        "code"
    ] == "cursor_of_another_list"


async def test_the_group_filter_is_the_plans_and_knows_built_in_groups(world: World) -> None:
    house = await founded(world)
    ben, cleo = await house.member("analyst", "Ben"), await house.member("viewer", "Cleo")
    finance = await house.group("Finance", cleo)
    groups = {g["kind"]: g["id"] for g in (await house.ask("GET", "/v1/groups")).ok()["data"]}

    async def ids(group_id: str) -> list[str]:
        return [u["id"] for u in (await house.ask("GET", f"/v1/users?group_id={group_id}")).ok()["data"]]

    assert await ids(finance) == [cleo.user_id]
    assert await ids(groups["all_analysts"]) == [house.admin.user_id, ben.user_id]
    assert await ids(groups["all_users"]) == [house.admin.user_id, ben.user_id, cleo.user_id]
    missing = await house.ask("GET", f"/v1/users?group_id={new_id('grp')}")
    assert missing.status == 404
    await house.on("pro")
    refused = await house.ask("GET", f"/v1/users?group_id={finance}")
    assert (refused.code, refused.json["meta"]["plan"]) == ("plan_required", "business")


async def test_role_and_groups_change_in_one_step(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    finance, board, sales = [await house.group(name) for name in ("Finance", "Board", "Sales")]
    (await house.give(ben, "viewer", [finance, board])).ok()
    said = await house.since(house.give(ben, "analyst", [board, sales]))
    assert said == ["member.role_changed", "group.member_added", "group.member_removed"]
    user = await house.user(ben)
    assert (user["role"], user["effective_role"]) == ("analyst", "analyst")
    assert [g["name"] for g in user["groups"]] == ["All Users", "All Analysts", "Board", "Sales"]
    assert await house.since(house.give(ben, "analyst", [sales, board])) == []


async def test_a_refused_change_changes_neither_role_nor_groups(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    finance = await house.group("Finance")
    before = await house.user(ben)
    for group_ids, code in (
        ([finance, new_id("grp")], "invalid"),
        ([finance, before["groups"][0]["id"]], "built_in"),
    ):
        assert (await house.give(ben, "analyst", group_ids)).code == code
    assert await house.user(ben) == before


async def test_changing_role_and_groups_needs_the_version_that_was_read(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    path = f"/v1/users/{ben.user_id}/role-and-groups"
    etag = (await house.ask("GET", f"/v1/users/{ben.user_id}")).headers["etag"]
    assert (await house.ask("PUT", path, {"role": "analyst", "group_ids": []})).code == "precondition_required"
    await house.group("Finance", ben)  # somebody else adds a group meanwhile, which this would undo
    late = await house.ask("PUT", path, {"role": "analyst", "group_ids": []}, headers={"If-Match": etag})
    assert (late.code, late.json["meta"]["current_version"]) == ("precondition_failed", 2)


async def test_deactivation_keeps_everything_and_reactivation_gives_it_back(world: World) -> None:
    house = await founded(world)
    ben = await house.member("analyst", "Ben")
    finance = await house.group("Finance", ben)
    assert await house.since(house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")) == ["member.deactivated"]
    assert await house.since(house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")) == []
    inactive = (await house.ask("GET", "/v1/users?status=inactive&sort=-deactivated_at")).ok()["data"]
    assert [(u["id"], u["role"], [g["name"] for g in u["groups"]]) for u in inactive] == [
        (ben.user_id, "analyst", ["Finance"])
    ]
    assert inactive[0]["deactivated_at"]
    assert (await house.ask("GET", f"/v1/groups/{finance}")).ok()["members"] == 0
    assert await house.since(house.ask("POST", f"/v1/users/{ben.user_id}/reactivation")) == ["member.reactivated"]
    user = await house.user(ben)
    assert (user["status"], user["role"], user["deactivated_at"]) == ("active", "analyst", None)
    assert (await house.ask("GET", f"/v1/groups/{finance}")).ok()["members"] == 1


async def test_a_removed_user_is_gone_and_may_come_back_as_somebody_new(world: World) -> None:
    house = await founded(world)
    ben = await house.member("analyst", "Ben")
    await house.group("Finance", ben)
    assert await house.since(house.ask("DELETE", f"/v1/users/{ben.user_id}")) == ["member.removed"]
    assert (await house.ask("GET", f"/v1/users/{ben.user_id}")).status == 404
    assert (await house.ask("DELETE", f"/v1/users/{ben.user_id}")).status == 404
    again = (await house.invite(f"ben@{house.domain}", "viewer")).ok()
    (await house.accept(house.token(again), ben)).ok()
    user = await house.user(ben)
    assert (user["role"], [g["name"] for g in user["groups"]]) == ("viewer", ["All Users"])


async def lose_by(house: House, how: str, admin_id: str | None) -> int:
    if how == "demotion":
        etag = (await house.ask("GET", f"/v1/users/{admin_id}")).headers["etag"]
        body = {"role": "viewer", "group_ids": []}
        reply = await house.ask("PUT", f"/v1/users/{admin_id}/role-and-groups", body, headers={"If-Match": etag})
    elif how == "deactivation":
        reply = await house.ask("POST", f"/v1/users/{admin_id}/deactivation")
    else:
        reply = await house.ask("DELETE", f"/v1/users/{admin_id}")
    assert reply.code in (None, "last_admin")
    return reply.status


@pytest.mark.parametrize("how", ["demotion", "deactivation", "removal"])
async def test_the_last_admin_cannot_be_lost(world: World, how: str) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")  # an inactive Admin doesn't count
    said = len(await house.said())
    assert await lose_by(house, how, house.admin.user_id) == 409
    assert len(await house.said()) == said
    assert (await house.ask("POST", f"/v1/users/{ben.user_id}/reactivation")).status == 200
    assert await lose_by(house, how, house.admin.user_id) < 300


async def test_of_two_admins_who_demote_each_other_exactly_one_succeeds(world: World) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    for _ in range(25):
        match = {
            a.user_id: (await house.ask("GET", f"/v1/users/{a.user_id}")).headers["etag"] for a in (house.admin, ben)
        }

        async def demote(by: object, whom: object, match: dict[str | None, str] = match) -> object:
            return await house.ask(
                "PUT",
                f"/v1/users/{whom.user_id}/role-and-groups",  # type: ignore[attr-defined]
                {"role": "viewer", "group_ids": []},
                by=by,  # type: ignore[arg-type]
                headers={"If-Match": match[whom.user_id]},  # type: ignore[attr-defined]
            )

        replies = await asyncio.gather(demote(house.admin, ben), demote(ben, house.admin))
        assert sorted(r.status for r in replies) == [200, 403]  # type: ignore[attr-defined]
        winner, loser = (house.admin, ben) if replies[0].status == 200 else (ben, house.admin)  # type: ignore[attr-defined]
        assert (await house.give(loser, "admin", by=winner)).status in (200, 403)
        reread = await house.ask("GET", f"/v1/users/{loser.user_id}", by=winner)
        restored = await house.ask(
            "PUT",
            f"/v1/users/{loser.user_id}/role-and-groups",
            {"role": "admin", "group_ids": []},
            by=winner,
            headers={"If-Match": reread.headers["etag"]},
        )
        assert restored.status == 200


async def test_of_two_admins_who_leave_at_once_one_stays(world: World) -> None:
    for how in ("deactivation", "removal"):
        house = await founded(world)
        ben = await house.member("admin", "Ben")

        async def leave(actor: object, how: str = how, house: House = house) -> object:
            path = f"/v1/users/{actor.user_id}"  # type: ignore[attr-defined]
            method, path = ("POST", f"{path}/deactivation") if how == "deactivation" else ("DELETE", path)
            return await house.ask(method, path, by=actor)  # type: ignore[arg-type]

        replies = await asyncio.gather(leave(house.admin), leave(ben))
        assert sorted(r.code or "" for r in replies) == ["", "last_admin"]  # type: ignore[attr-defined]


async def test_the_database_itself_refuses_to_lose_the_last_admin(world: World) -> None:
    house = await founded(world)
    database = world.started["org"].env.database
    with pytest.raises(Exception, match="would have no active admin"):
        async with database.tx(house.org_id, lambda event: event) as tx:
            await tx.run("update members set role = 'viewer' where org_id = $1", house.org_id)
    assert (await house.user(house.admin))["role"] == "admin"


async def test_a_token_that_says_admin_is_not_enough(world: World) -> None:
    house = await founded(world)
    ben, cleo = await house.member("viewer", "Ben"), await house.member("viewer", "Cleo")
    for stale in (replace(ben, role="admin"), replace(house.admin, user_id=new_id("usr"))):
        refused = await house.ask("POST", f"/v1/users/{cleo.user_id}/deactivation", by=stale)
        assert refused.code == "forbidden"
        assert (await house.ask("POST", "/v1/groups", {"name": "G"}, by=stale)).code == "forbidden"
        assert (
            await house.ask("POST", "/v1/invitations", {"email": f"x@{house.domain}", "role": "viewer"}, by=stale)
        ).code == "forbidden"
    assert (await house.user(cleo))["status"] == "active"


async def test_who_is_demoted_while_their_write_waits_is_refused(world: World) -> None:
    house = await founded(world)
    ben, cleo = await house.member("admin", "Ben"), await house.member("viewer", "Cleo")
    database = world.started["org"].env.database
    async with database.tx(house.org_id, lambda event: event) as tx:
        await tx.run("select from organizations where org_id = $1 for update", house.org_id)
        slow = asyncio.create_task(house.ask("POST", f"/v1/users/{cleo.user_id}/deactivation", by=ben))
        async with asyncio.timeout(60):
            while not await tx.value("select count(*) from pg_locks where not granted"):
                await tx.value("select pg_sleep(0.005)")
        await tx.run("update members set role = 'viewer' where org_id = $1 and user_id = $2", house.org_id, ben.user_id)
    assert (await slow).code == "forbidden"
    assert (await house.user(cleo))["status"] == "active"


@pytest.mark.parametrize("role", ["analyst", "viewer"])
async def test_administration_is_for_admins(world: World, role: str) -> None:
    house = await founded(world)
    someone = await house.member(role)  # type: ignore[arg-type]
    group = await house.group("Finance")
    may_read = {"/v1/groups", f"/v1/groups/{group}"} if role == "analyst" else set()
    paths = (
        "organization",
        "legal/dpa",
        "legal/acceptances",
        "domains",
        "users",
        f"users/{house.admin.user_id}",
        "invitations",
        "groups",
        f"groups/{group}",
        f"groups/{group}/members",
    )
    for path in paths:
        reply = await house.ask("GET", f"/v1/{path}", by=someone)
        assert (reply.status == 200) == (f"/v1/{path}" in may_read), path
    for method, path, body in (
        ("PATCH", "organization", {}),
        ("POST", "groups", {"name": "x"}),
        ("PATCH", f"groups/{group}", {}),
        ("DELETE", f"groups/{group}", None),
        ("PUT", f"groups/{group}/members/{someone.user_id}", None),
        ("DELETE", f"groups/{group}/members/{someone.user_id}", None),
        ("POST", "invitations", {}),
        ("POST", "invitations/batches", {}),
        ("POST", f"users/{house.admin.user_id}/deactivation", None),
        ("POST", f"users/{someone.user_id}/reactivation", None),
        ("DELETE", f"users/{house.admin.user_id}", None),
        ("PUT", f"users/{someone.user_id}/role-and-groups", {"role": "admin", "group_ids": []}),
    ):
        reply = await house.ask(method, f"/v1/{path}", body, by=someone)
        assert (reply.status, reply.code) == (403, "forbidden"), path
        assert json.loads(reply.body)["meta"]["because"] == "role"


async def test_racing_changes_of_one_user_are_told_apart(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    etag = (await house.ask("GET", f"/v1/users/{ben.user_id}")).headers["etag"]
    path = f"/v1/users/{ben.user_id}/role-and-groups"

    def change(role: str) -> object:
        return lambda: house.ask("PUT", path, {"role": role, "group_ids": []}, headers={"If-Match": etag})

    replies = await at_once(*(change(role) for role in ("analyst", "admin", "analyst", "admin")))
    assert sorted(r.status for r in replies) == [200, 412, 412, 412]
