"""API keys through the gateway, with every service behind it: what a program does with one, and how fast it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from shared.cli.demo.api import Gateway, Reply, until
from tests.system.whole import Cast, WholeProduct, a_cast


@pytest.fixture(scope="module")
async def cast(product: WholeProduct) -> Cast:
    return await a_cast(product.gateway)


@dataclass
class Program:
    """What holds a key."""

    gateway: Gateway
    key: dict[str, Any]

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self.key['token']}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        return await self.gateway.send(method, path, body, sent)


async def a_program(cast: Cast, access: str, *areas: str) -> Program:
    wanted = {"name": " and ".join(areas), "access": access, "areas": areas}
    made = await cast.admin.write("POST", "/v1/api-keys", wanted, after=cast.trial)
    return Program(cast.admin.gateway, made.ok())


async def test_the_analytics_product_keeps_the_registry_of_dashboards_with_a_key(cast: Cast) -> None:
    program = await a_program(cast, "manage", "dashboards", "access")
    owner = cast.analyst.user_id
    wanted = {"id": "dsh-key", "title": "Revenue"}
    refused = await program.ask("POST", "/v1/dashboards", wanted)
    assert (refused.code, refused.json["errors"][0]["pointer"]) == ("invalid", "/owner_id")
    made = (await program.ask("POST", "/v1/dashboards", {**wanted, "owner_id": owner})).ok()
    assert (made["owner"]["user_id"], made["my_access"], made["shared_with"]) == (owner, [], None)
    changed = (await program.ask("PATCH", "/v1/dashboards/dsh-key", {"title": "Revenue by region"})).ok()
    assert changed["title"] == "Revenue by region"
    assert [one["id"] for one in (await program.ask("GET", "/v1/dashboards?q=region")).ok()["data"]] == ["dsh-key"]
    taken = await program.ask("POST", "/v1/dashboards/dsh-key/transfer", {"owner_id": cast.admin.user_id})
    assert (taken.code, taken.json["meta"]["because"]) == ("forbidden", "ownership"), "nothing is taken from its owner"
    for path in ("sharing", "links"):
        closed = await program.ask("GET", f"/v1/dashboards/dsh-key/{path}")
        assert (closed.code, closed.json["meta"]["because"]) == ("forbidden", "scope")
    question = {
        "subject": {"type": "user", "id": owner},
        "action": {"name": "dashboard.view"},
        "resource": {"type": "dashboard", "id": "dsh-key"},
    }
    assert (await program.ask("POST", "/access/v1/evaluation", question)).ok()["decision"] is True
    nobody = await program.ask("POST", "/v1/access-explanations", {"dashboard_id": "dsh-key"})
    assert (nobody.code, nobody.json["errors"][0]["pointer"]) == ("invalid", "/subject_id")
    why = {"dashboard_id": "dsh-key", "subject_id": cast.viewer.user_id}
    assert (await program.ask("POST", "/v1/access-explanations", why)).ok()["decision"] is False
    assert (await program.ask("DELETE", "/v1/dashboards/dsh-key")).status == 204
    assert (await program.ask("GET", "/v1/dashboards/dsh-key")).code == "not_found"


async def test_a_program_manages_users_and_groups_but_makes_no_admin(cast: Cast) -> None:
    program = await a_program(cast, "manage", "users", "groups")
    group = (await program.ask("POST", "/v1/groups", {"name": "By a program"})).ok()
    member = f"/v1/groups/{group['id']}/members/{cast.viewer.user_id}"
    assert (await program.ask("PUT", member)).status == 204
    user = f"/v1/users/{cast.viewer.user_id}"
    assert "By a program" in [one["name"] for one in (await program.ask("GET", user)).ok()["groups"]]
    wanted = {"role": "admin", "group_ids": []}
    refused = await program.ask("PUT", f"{user}/role-and-groups", wanted, If_Match="*")
    assert (refused.code, refused.json["meta"]["because"]) == ("forbidden", "role")
    assert (
        await program.ask("PUT", f"{user}/role-and-groups", {**wanted, "role": "viewer"}, If_Match="*")
    ).status == 200
    last = await program.ask("POST", f"/v1/users/{cast.admin.user_id}/deactivation")
    assert last.code == "last_admin"
    assert (await program.ask("POST", f"/v1/users/{cast.deactivated.user_id}/reactivation")).status == 200
    gone = await program.ask("POST", f"/v1/users/{cast.deactivated.user_id}/deactivation")
    assert gone.status == 200
    log = (
        await cast.admin.ask(
            "GET", f"/v1/audit-entries?actor={program.key['id']}", after=gone.headers["tenantry-change"]
        )
    ).ok()
    assert "org.member.deactivated.v1" in [entry["action"] for entry in log["data"]]


async def test_a_program_follows_its_own_changes_and_reads_events(cast: Cast) -> None:
    program = await a_program(cast, "manage", "groups", "events")
    made = await program.ask("POST", "/v1/groups", {"name": "Followed"})
    change = made.headers["tenantry-change"]
    assert (await program.ask("GET", f"/v1/changes/{change}")).ok()["type"] == "org.group.created.v1"
    events = (await program.ask("GET", "/v1/events?types=org.group.created")).ok()["data"]
    assert events[-1]["actorid"] == program.key["id"]
    assert (await program.ask("GET", "/v1/me")).json["meta"]["because"] == "scope"


async def test_a_revoked_key_is_refused(cast: Cast) -> None:
    """How soon, `bench/revocation.py` measures."""
    program = await a_program(cast, "view", "users")
    assert (await program.ask("GET", "/v1/users")).status == 200
    assert (await cast.admin.write("DELETE", f"/v1/api-keys/{program.key['id']}")).status == 204
    await until(lambda: program.ask("GET", "/v1/users"), lambda reply: reply.status == 401)
