"""Other organizations' things are indistinguishable from things that don't exist, twice over."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.db import Read
from shared.ids import new_id
from tests.org.house import House, founded
from tests.org.provider import Provider
from tests.org.test_arrivals import arrives
from tests.world import World

TABLES = (
    "organizations",
    "organization_changes",
    "legal_acceptances",
    "legal_receipts",
    "domains",
    "entitlements",
    "members",
    "member_blocks",
    "member_counts",
    "groups",
    "group_members",
    "invitations",
    "deleted_groups",
    "slot_entries",
    "security_policies",
    "closures",
    "digests",
    "legal_news",
    "erasure_confirmations",
    "approvals",
    "scim_users",
    "scim_invitations",
    "scim_removals",
    "scim_settings",
    "scim_requests",
)


@pytest.fixture(scope="module")
async def two(world: World) -> tuple[House, House]:
    """Two organizations, each with everything."""
    houses = []
    for _ in range(2):
        house = await founded(world, name="Canary Bird")
        ben = await house.member("viewer", "Canary Ben")
        await house.group("Canary", ben)
        (await house.ask("DELETE", f"/v1/groups/{await house.group('Deleted canary', ben)}")).ok()
        (await house.invite(f"bird@{house.domain}")).ok()
        proven = replace(house.admin, amr=("pwd", "mfa"))
        asked = {"two_factor_required": True}
        (await house.ask("PATCH", "/v1/security-policy", asked, by=proven, headers={"If-Match": "*"})).ok()
        country = {"country": "DE"}
        (await house.ask("PATCH", "/v1/organization/preferences", country, headers={"If-Match": "*"})).ok()
        (await house.ask("PATCH", "/v1/provisioning", {"removals_per_hour": 0}, headers={"If-Match": "*"})).ok()
        off = {"op": "replace", "value": {"active": False, "title": "Canary"}}
        (await Provider(house).patches(f"/Users/{ben.user_id}", off)).ok()
        await note_closure(house)
        await arrives(house, new_users="approval")
        houses.append(house)
    return houses[0], houses[1]


async def note_closure(house: House) -> None:
    """What a closing would leave, without closing; and somebody whom an identity provider described, and wants inactive."""
    async with house.world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
        await tx.run(
            "insert into closures (org_id, closed_by, email, name, next_at) values ($1, 'usr_x', 'canary', 'Canary', 'infinity')",
            house.org_id,
        )
        await tx.run(
            "insert into scim_invitations (org_id, user_id, email, email_key, name, user_name, user_name_key, resource, wanted, created_at, changed_at)"
            " values ($1, 'usr_canary', 'canary', 'canary', 'Canary', 'canary', 'canary', '{}', false, now(), now())",
            house.org_id,
        )
        await tx.run("insert into legal_news values ($1, 'terms', '2020-01', now())", house.org_id)
        await tx.run("insert into legal_receipts values ($1, 'acc_canary', 'canary')", house.org_id)
        await tx.run("insert into erasure_confirmations values ($1, 'audit', 1, now())", house.org_id)


@pytest.fixture(params=["both", "queries alone"])
async def held_by(request: pytest.FixtureRequest, world: World) -> AsyncIterator[str]:
    """Isolation is held twice, and each has to do alone: here row-level security is off; further down, the queries' own filter."""
    database = world.started["org"].env.database
    off = request.param == "queries alone"
    try:
        if off:
            async with database.tx("", lambda event: event) as tx:
                for table in TABLES:
                    await tx.run(f"alter table {table} no force row level security")
        yield request.param
    finally:
        if off:
            async with database.tx("", lambda event: event) as tx:
                for table in TABLES:
                    await tx.run(f"alter table {table} force row level security")


async def ids(house: House) -> dict[str, str]:
    users = (await house.ask("GET", "/v1/users?q=ben")).ok()["data"]
    groups = (await house.ask("GET", "/v1/groups?q=canary")).ok()["data"]
    invitations = (await house.ask("GET", "/v1/invitations")).ok()["data"]
    return {"usr": users[0]["id"], "grp": groups[0]["id"], "inv": invitations[0]["id"]}


async def rows_of(house: House) -> list[object]:
    async with house.world.started["org"].env.database.read(house.org_id) as read:
        return [
            await read.rows(f"select * from {table} where org_id = $1 order by 1, 2", house.org_id) for table in TABLES
        ]


PATHS: list[tuple[str, str, object]] = [
    ("GET", "/v1/users/{usr}", None),
    ("PUT", "/v1/users/{usr}/role-and-groups", {"role": "admin", "group_ids": []}),
    ("POST", "/v1/users/{usr}/deactivation", None),
    ("POST", "/v1/users/{usr}/reactivation", None),
    ("DELETE", "/v1/users/{usr}", None),
    ("POST", "/v1/invitations/{inv}/resends", None),
    ("DELETE", "/v1/invitations/{inv}", None),
    ("GET", "/v1/groups/{grp}", None),
    ("PATCH", "/v1/groups/{grp}", {"name": "Mine"}),
    ("DELETE", "/v1/groups/{grp}", None),
    ("GET", "/v1/groups/{grp}/members", None),
    ("PUT", "/v1/groups/{grp}/members/{usr}", None),
    ("DELETE", "/v1/groups/{grp}/members/{usr}", None),
    ("GET", "/v1/users?group_id={grp}", None),
    ("POST", "/v1/invitations", {"email": "x@{domain}", "role": "viewer", "group_ids": ["{grp}"]}),
]


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_a_foreign_id_answers_like_one_that_never_was(
    two: tuple[House, House], held_by: str, method: str, path: str, body: object
) -> None:
    mine, theirs = two
    before = await rows_of(theirs)
    foreign = await ids(theirs)
    missing = {kind: new_id(kind) for kind in foreign}

    async def ask(known: dict[str, str]) -> tuple[int, str]:
        def fill(value: object) -> object:
            if isinstance(value, str):
                return re.sub(r"{(\w+)}", lambda m: {**known, "domain": mine.domain}[m[1]], value)
            if isinstance(value, list):
                return [fill(item) for item in value]
            return {k: fill(v) for k, v in value.items()} if isinstance(value, dict) else value

        reply = await mine.ask(method, str(fill(path)), fill(body), headers={"If-Match": '"1"'})
        shown = {k: v for k, v in reply.json.items() if k != "instance"}
        return reply.status, str(shown)

    assert await ask(foreign) == await ask(missing)
    assert (await ask(foreign))[0] in (404, 422)
    assert await rows_of(theirs) == before


async def test_a_mix_of_own_group_and_foreign_user_is_refused(two: tuple[House, House]) -> None:
    mine, theirs = two
    own, foreign = await ids(mine), await ids(theirs)
    for group, user in ((own["grp"], foreign["usr"]), (foreign["grp"], own["usr"])):
        for method in ("PUT", "DELETE"):
            assert (await mine.ask(method, f"/v1/groups/{group}/members/{user}")).status == 404


async def test_no_answer_mentions_another_organization(two: tuple[House, House], held_by: str) -> None:
    mine, theirs = two
    secrets = [theirs.domain, theirs.org_id, theirs.admin.user_id or "", *(await ids(theirs)).values()]
    for path in (
        "organization",
        "legal/acceptances",
        "domains",
        "users",
        "users?q=canary",
        "invitations",
        "invitations?q=bird",
        "groups",
        "groups?q=canary",
    ):
        body = (await mine.ask("GET", f"/v1/{path}")).body.decode()
        assert not [secret for secret in secrets if secret in body], path
    assert (await mine.ask("GET", "/v1/users?q=canary")).ok()["page"]["total"] == 2


async def test_row_level_security_holds_when_a_query_forgets_its_organization(
    world: World, two: tuple[House, House]
) -> None:
    mine, theirs = two
    database = world.started["org"].env.database
    for table in TABLES:
        async with database.read(mine.org_id) as read:
            found = {row["org_id"] for row in await read.rows(f"select org_id from {table}")}
        assert found == {mine.org_id}, table
        async with database.read("") as read:
            assert await read.rows(f"select org_id from {table}") == [], table
        async with database.tx(mine.org_id, lambda event: event) as tx:
            assert await tx.run(f"delete from {table} where org_id = $1", theirs.org_id) == 0, table
    with pytest.raises(Exception, match="row-level security"):
        async with database.tx(mine.org_id, lambda event: event) as tx:
            await tx.run(
                "insert into domains (org_id, domain_id, name, status, created_at) values ($1, 'dom_x', 'evil.com', 'claimed', now())",
                theirs.org_id,
            )


async def test_every_table_of_an_organization_is_under_row_level_security(world: World) -> None:
    async with world.started["org"].env.database.read("") as read:
        rows = await read.rows(
            "select relname, relrowsecurity and relforcerowsecurity as held from pg_class join pg_attribute on attrelid = pg_class.oid"
            " where relkind = 'r' and attname = 'org_id' and relnamespace = 'public'::regnamespace"
        )
    kernel = {"outbox", "inbox", "operations", "operation_files", "refusals"}
    assert {row["relname"] for row in rows} - kernel == set(TABLES)
    assert all(row["held"] for row in rows if row["relname"] not in kernel)


async def test_the_store_without_its_filters_still_shows_nothing_foreign(
    world: World, two: tuple[House, House]
) -> None:
    """Every read of the running service with `org_id = $1` made true for everybody: the mutated query layer of the matrix."""
    mine, theirs = two
    filtered = Read.rows, Read.row, Read.value

    def without_filter(sql: str) -> str:
        return re.sub(r"\b(\w+\.)?org_id = \$1\b", "($1::text is not null)", sql)

    async def rows(self: Read, sql: str, *args: object) -> object:
        return await filtered[0](self, without_filter(sql), *args)

    async def row(self: Read, sql: str, *args: object) -> object:
        return await filtered[1](self, without_filter(sql), *args)

    async def value(self: Read, sql: str, *args: object) -> object:
        return await filtered[2](self, without_filter(sql), *args)

    foreign = await ids(theirs)
    Read.rows, Read.row, Read.value = rows, row, value  # type: ignore[method-assign,assignment]
    try:
        assert (await mine.ask("GET", f"/v1/users/{foreign['usr']}")).status == 404
        assert (await mine.ask("GET", f"/v1/groups/{foreign['grp']}")).status == 404
        assert (await mine.ask("DELETE", f"/v1/groups/{foreign['grp']}")).status == 404
        assert {u["email"].partition("@")[2] for u in (await mine.ask("GET", "/v1/users")).ok()["data"]} == {
            mine.domain
        }
        assert (await mine.ask("GET", "/v1/groups")).ok()["page"]["total"] == 3
        assert {i["email"] for i in (await mine.ask("GET", "/v1/invitations")).ok()["data"]} == {f"bird@{mine.domain}"}
        assert [d["name"] for d in (await mine.ask("GET", "/v1/domains")).ok()["data"]] == [mine.domain]
        assert (await mine.ask("GET", "/v1/organization")).ok()["contact_email"] == f"ana@{mine.domain}"
    finally:
        Read.rows, Read.row, Read.value = filtered  # type: ignore[method-assign]
