"""Many at once: a list of invitations as long work, users as a file, one action on many users; each row is answered."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import pytest

from services.org.usecases.importing import MOST_ROWS, ROWS_AT_ONCE, rows_of
from shared.auth import Actor
from shared.errors import Problem
from shared.ids import new_id
from shared.spreadsheets import csv_lines, read_csv
from tests.org.house import House, at_once, founded
from tests.world import Reply, World

GATEWAY = Actor("service", service="gateway")


async def finished(house: House, reply: Reply) -> Any:
    """The operation once it is over."""
    assert reply.status == 202, reply.body
    path = f"/internal/operations/{reply.ok()['id']}?org_id={house.org_id}"
    async with asyncio.timeout(30):
        while (now := (await house.world.ask("org", "GET", path, actor=GATEWAY)).ok())["finished_at"] is None:
            await asyncio.sleep(0.02)
    return now


async def file_of(house: House, operation: Any) -> list[dict[str, str]]:
    path = f"/internal/operations/{operation['id']}/result?org_id={house.org_id}"
    reply = await house.world.ask("org", "GET", path, actor=GATEWAY)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


async def imported(house: House, text: str, key: str = "k", by: Actor | None = None) -> Reply:
    return await house.ask("POST", "/v1/invitations/imports", {"csv": text}, by=by, headers={"Idempotency-Key": key})


async def act(house: House, body: dict[str, Any], by: Actor | None = None) -> Reply:
    key = new_id("key")
    return await house.ask("POST", "/v1/users/bulk-actions", body, by=by, headers={"Idempotency-Key": key})


async def test_every_row_of_a_long_list_is_invited_or_answered(world: World) -> None:
    house = await founded(world)
    finance, board = await house.group("Finance"), await house.group("Board")
    lines = [f"p{n}@{house.domain},," for n in range(2 * ROWS_AT_ONCE)]
    lines[0] = f"p0@{house.domain},Analyst,finance | BOARD"
    lines[ROWS_AT_ONCE] = f"P1@{house.domain},viewer,"
    lines[ROWS_AT_ONCE + 1] = "b@gmail.com,viewer,"
    lines[ROWS_AT_ONCE + 2] = f"q@{house.domain},viewer,Nobody's"
    lines[ROWS_AT_ONCE + 3] = f"r@{house.domain},boss,"
    lines[ROWS_AT_ONCE + 4] = "=cmd|' /C calc'!A0,viewer,"
    reply = await imported(house, "\r\n".join(["Email,Role,Groups", *lines, ""]))
    over = await finished(house, reply)
    assert (over["state"], over["done"], over["total"]) == ("done", len(lines), len(lines))
    assert over["result"] == {"created": len(lines) - 5, "refused": 5}
    rows = await file_of(house, over)
    assert [row["row"] for row in rows] == [str(n + 2) for n in range(len(lines))]  # below the head
    refused = {int(row["row"]) - 1 - ROWS_AT_ONCE: row["code"] for row in rows if row["outcome"] == "refused"}
    assert refused == {1: "already_exists", 2: "invalid", 3: "invalid", 4: "invalid", 5: "invalid"}
    assert rows[ROWS_AT_ONCE + 4]["email"] == "'=cmd|' /C calc'!A0"
    (first,) = (await house.ask("GET", f"/v1/invitations?q=p0@{house.domain}")).ok()["data"]
    assert (first["role"], set(first["group_ids"])) == ("analyst", {finance, board})
    assert (await house.slots())["viewer"]["used"] == len(lines) - 6
    again = await imported(house, "\r\n".join(["Email,Role,Groups", *lines, ""]))
    assert again.ok()["id"] == reply.ok()["id"]


async def test_a_row_with_more_cells_than_columns_is_refused_instead_of_half_read(world: World) -> None:
    """Addresses beside each other, or a role where no head says that it is one."""
    house = await founded(world)
    text = f"a@{house.domain},b@{house.domain}\nc@{house.domain},admin\nd@{house.domain},\n"
    over = await finished(house, await imported(house, text))
    rows = await file_of(house, over)
    assert [(row["outcome"], row["detail"]) for row in rows] == [
        ("refused", f"There is no column for b@{house.domain}."),
        ("refused", "There is no column for admin."),
        ("invited", ""),
    ]
    assert over["result"] == {"created": 1, "refused": 2}


async def test_a_long_list_never_exceeds_the_slots(world: World) -> None:
    house = await founded(world, "free")
    text = "\n".join(f"p{n}@{house.domain}" for n in range(20))
    replies = [await imported(house, text, "one"), await imported(house, text.replace("p", "q"), "two")]
    results = [(await finished(house, reply))["result"] for reply in replies]
    assert sum(result["created"] for result in results) == 5
    assert (await house.slots())["viewer"] == {"used": 5, "limit": 5}


async def test_a_list_stops_when_who_sent_it_is_no_longer_an_admin(world: World) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    rows = "\n".join(f"p{n}@{house.domain}" for n in range(5 * ROWS_AT_ONCE))

    async def demoted() -> Reply:
        return await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")

    reply = await imported(house, rows, by=ben)
    (await at_once(demoted))[0].ok()
    over = await finished(house, reply)
    sent = (await house.slots())["viewer"]["used"]
    assert sent == over["done"]
    assert over["state"] == "done" or over["problem"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a@x.example\nb@x.example", [{"row": "1", "email": "a@x.example"}, {"row": "2", "email": "b@x.example"}]),
        ("\ufeffEMAIL;Role\na@x.example;admin\n\n", [{"row": "2", "email": "a@x.example", "role": "admin"}]),
        ("groups\temail\nA|B\ta@x.example", [{"row": "2", "groups": "A|B", "email": "a@x.example"}]),
        ('email,groups\na@x.example,"A, B"', [{"row": "2", "email": "a@x.example", "groups": "A, B"}]),
        ("Role,E-Mail\nadmin,a@x.example", [{"row": "2", "role": "admin", "email": "a@x.example"}]),
        ("sep=;\r\nemail;role\r\na,b@x.example;admin", [{"row": "2", "email": "a,b@x.example", "role": "admin"}]),
        ("sep=\t\na@x.example", [{"row": "1", "email": "a@x.example"}]),
    ],
)
def test_lists_are_read_as_spreadsheets_write_them(text: str, rows: list[dict[str, str]]) -> None:
    assert rows_of(text) == rows


def test_each_row_has_the_number_that_a_spreadsheet_shows_beside_it() -> None:
    text = 'email,groups\n\na@x.example,"Two\nlines"\n,\nb@x.example,\n'
    assert [(one["row"], one["email"]) for one in rows_of(text)] == [("3", "a@x.example"), ("5", "b@x.example")]


async def test_a_group_with_a_line_in_its_name_is_named_as_it_is(world: World) -> None:
    house = await founded(world)
    groups = [await house.group(name) for name in ("North|South", "North", "East")]
    over = await finished(
        house,
        await imported(house, f"email;groups\nben@{house.domain};north|south\neve@{house.domain};North|East"),
    )
    assert over["result"] == {"created": 2, "refused": 0}
    sent = {one["email"]: one["group_ids"] for one in (await house.ask("GET", "/v1/invitations")).ok()["data"]}
    assert sent == {f"ben@{house.domain}": groups[:1], f"eve@{house.domain}": groups[1:]}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("email,boss\na,b", "unknown_column"),
        ("email,role", "no_rows"),
        ("\n\n", "no_rows"),
        ("a\n" * (MOST_ROWS + 1), "too_many_rows"),
        ("email\n" + "a\n" * (MOST_ROWS + 1), "too_many_rows"),
        ('"' + "x" * 200_000 + '"', "unreadable"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_whole(text: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        rows_of(text)
    assert refused.value.errors[0].code == code


def test_ten_thousand_rows_are_a_list() -> None:
    assert len(rows_of("email\n" + "a@x.example\n" * MOST_ROWS)) == MOST_ROWS


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x", "plain", 'a"b,c', "", "'", "a\nb"],
)
def test_no_cell_is_a_formula_and_everything_can_be_read_back(cell: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_lines([[cell, "x"]]).decode(), newline=""))
    assert row == [f"'{cell}" if cell[:1] in tuple("=+-@\t\r\n＝＋－＠") and cell else cell, "x"]
    assert read_csv(csv_lines([["x", "y"]]).decode(), 9) == [(1, ["x", "y"])]


async def test_users_are_written_into_a_file_as_the_list_shows_them(world: World) -> None:
    house = await founded(world)
    finance = await house.group("Finance")
    ben = await house.member("analyst", "Ben", [finance])
    cleo = await house.member("viewer", "Cleo", [finance])
    eve = await house.member("viewer", "Eve")
    (await house.ask("POST", f"/v1/users/{cleo.user_id}/deactivation")).ok()
    over = await finished(house, await house.ask("POST", "/v1/users/exports", {}))
    assert (over["result"], over["total"]) == ({"users": 4}, 4)
    rows = await file_of(house, over)
    assert [(row["name"], row["role"], row["status"], row["groups"]) for row in rows] == [
        ("Ana Ruiz", "admin", "active", ""),
        ("Ben", "analyst", "active", "Finance"),
        ("Eve", "viewer", "active", ""),
        ("Cleo", "viewer", "inactive", "Finance"),
    ]
    assert rows[3]["deactivated_at"] != ""
    over = await finished(
        house, await house.ask("POST", "/v1/users/exports", {"status": "active", "group_id": finance})
    )
    assert [row["email"] for row in await file_of(house, over)] == [f"ben@{house.domain}"]
    over = await finished(house, await house.ask("POST", "/v1/users/exports", {"role": "viewer", "q": "eve"}))
    assert [row["name"] for row in await file_of(house, over)] == ["Eve"]
    assert (await house.ask("POST", "/v1/users/exports", {"group_id": new_id("grp")})).status == 404
    for person in (ben, eve):
        assert (await house.ask("POST", "/v1/users/exports", {}, by=person)).status == 403


CROWD = """
insert into members (org_id, user_id, email, email_key, name, name_key, role, status, joined_at, changed_at)
select $1, 'usr_' || lpad(n::text, 26, '0'), 'c' || n || '@x.example', 'c' || n || '@x.example', '=C' || lpad(n::text, 4, '0'), '=c' || lpad(n::text, 4, '0'), 'viewer', 'active', $2, $2
from generate_series(1, 1200) as n
"""


async def test_a_large_organization_is_written_page_by_page_each_user_once(world: World) -> None:
    house = await founded(world)
    async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
        await tx.run(CROWD, house.org_id, world.clock.now())
    over = await finished(house, await house.ask("POST", "/v1/users/exports", {}))
    rows = await file_of(house, over)
    assert (over["result"], len(rows), len({row["email"] for row in rows})) == ({"users": 1201}, 1201, 1201)
    assert [row["name"] for row in rows[:2]] == ["'=C0001", "'=C0002"]


async def test_one_action_on_many_answers_each_and_refuses_only_whom_it_must(world: World) -> None:
    house = await founded(world)
    ben, cleo, dan = [await house.member("viewer", name) for name in ("Ben", "Cleo", "Dan")]
    (await house.ask("POST", f"/v1/users/{dan.user_id}/deactivation")).ok()
    other = await founded(world)
    missing = new_id("usr")
    ids = [ben.user_id, house.admin.user_id, dan.user_id, other.admin.user_id, missing, cleo.user_id]
    result = (await act(house, {"action": "deactivate", "user_ids": ids})).ok()
    told = [(r["user_id"], r["changed"], (r["problem"] or {}).get("code")) for r in result["results"]]
    assert told == [
        (ben.user_id, True, None),
        (house.admin.user_id, False, "last_admin"),
        (dan.user_id, False, None),
        (other.admin.user_id, False, "not_found"),
        (missing, False, "not_found"),
        (cleo.user_id, True, None),
    ]
    foreign, absent = (result["results"][place]["problem"] for place in (3, 4))
    assert foreign == absent
    assert (result["changed"], result["refused"]) == (2, 3)
    assert len((await house.ask("GET", "/v1/users?status=inactive")).ok()["data"]) == 3


async def test_reactivating_many_takes_as_many_as_there_are_slots(world: World) -> None:
    house = await founded(world, "free")
    people = [await house.member("viewer") for _ in range(5)]
    ids = [person.user_id for person in people]
    assert (await act(house, {"action": "deactivate", "user_ids": ids})).ok()["changed"] == 5
    for number in range(2):
        (await house.invite(f"late{number}@{house.domain}")).ok()
    result = (await act(house, {"action": "reactivate", "user_ids": ids})).ok()
    assert [r["changed"] for r in result["results"]] == [True, True, True, False, False]
    assert {r["problem"]["code"] for r in result["results"][3:]} == {"slots_exhausted"}
    assert (await house.slots())["viewer"] == {"used": 5, "limit": 5}


async def test_many_get_a_role_a_group_or_leave_in_one_step(world: World) -> None:
    house = await founded(world)
    people = [await house.member("viewer") for _ in range(3)]
    ids = [person.user_id for person in people]
    finance = await house.group("Finance", people[0])
    said = await house.since(act(house, {"action": "add_to_group", "user_ids": ids, "group_id": finance}))
    assert said == ["group.member_added"] * 2
    assert (
        await house.since(act(house, {"action": "set_role", "user_ids": ids, "role": "analyst"}))
        == ["member.role_changed"] * 3
    )
    assert (await house.ask("GET", f"/v1/groups/{finance}")).ok()["members"] == 3
    await house.on("pro")
    suspended = (await act(house, {"action": "add_to_group", "user_ids": ids, "group_id": finance})).ok()
    assert {r["problem"]["code"] for r in suspended["results"]} == {"suspended"}
    assert (await act(house, {"action": "remove", "user_ids": ids})).ok()["changed"] == 3
    assert [u["id"] for u in (await house.ask("GET", "/v1/users")).ok()["data"]] == [house.admin.user_id]


async def test_an_action_on_many_is_refused_whole_when_it_is_not_understood(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben = await house.member("viewer", "Ben")
    for body in (
        {"action": "set_role", "user_ids": [ben.user_id]},
        {"action": "deactivate", "user_ids": [ben.user_id], "role": "admin"},
        {"action": "add_to_group", "user_ids": [ben.user_id]},
        {"action": "add_to_group", "user_ids": [ben.user_id], "group_id": await other.group("Theirs")},
        {"action": "deactivate", "user_ids": []},
        {"action": "dance", "user_ids": [ben.user_id]},
    ):
        assert (await act(house, body)).code == "invalid"
    assert (await act(house, {"action": "deactivate", "user_ids": [ben.user_id]}, by=ben)).status == 403
    stale = await act(house, {"action": "remove", "user_ids": [house.admin.user_id]}, by=house.acting(ben, "admin"))
    assert stale.status == 403
