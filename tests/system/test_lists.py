"""Every list of the document, page by page, and what cursors of other lists do to it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shared.cli.demo.api import Person
from tests.system.whole import Cast, WholeProduct, a_cast, a_told_webhook

SORTS = ("name", "-name", "email", "joined_at", "-joined_at", "-last_active_at", "deactivated_at&status=inactive")


@pytest.fixture(scope="module")
async def cast(product: WholeProduct) -> Cast:
    cast = await a_cast(product.gateway)
    admin = cast.admin
    for number in range(3):
        (await admin.write("POST", "/v1/groups", {"name": f"Group {number}"})).ok()
        (await admin.write("POST", "/v1/dashboards", {"id": f"dsh-{number}", "title": f"Board {number}"})).ok()
        (await admin.write("POST", f"/v1/dashboards/dsh-{number}/links", {"name": f"Link {number}"})).ok()
        guest = {"email": f"guest{number}@{admin.email.partition('@')[2]}", "role": "viewer", "group_ids": []}
        (await admin.write("POST", "/v1/invitations", guest)).ok()
        await Person(product.gateway, admin.email, "again").sign_in()
    return cast


@pytest.fixture(scope="module")
async def lists(product: WholeProduct, cast: Cast) -> list[str]:
    """The paths of all lists, and of the list of users in each of its orders."""
    document: Any = (await product.gateway.send("GET", "/openapi.json")).ok()
    group = (await cast.admin.ask("GET", "/v1/groups?limit=1")).ok()["data"][0]["id"]
    webhook, _ = await a_told_webhook(cast)
    known = {"webhook_id": webhook, "group_id": group, "user_id": cast.admin.user_id, "dashboard_id": "dsh-1"}
    paths = [
        re.sub(r"{(\w+)}", lambda name: known.get(name[1], name[0]), path)
        for path, methods in document["paths"].items()
        if any(one["name"] == "cursor" for one in methods.get("get", {}).get("parameters", []))
    ]
    assert not [path for path in paths if "{" in path]
    return [*(f"{path}?" for path in paths), *(f"/v1/users?sort={sort}&" for sort in SORTS)]


async def test_every_list_shows_each_row_once_page_by_page(cast: Cast, lists: list[str]) -> None:
    several = set()
    for path in lists:
        whole, before = await whole_list(cast.admin, path), None
        while whole != before:  # the audit log may still grow
            pages = await every_page(cast.admin, path)
            whole, before = await whole_list(cast.admin, path), whole
        assert [key_of(row) for row in pages] == whole, path
        several |= {path} if len(whole) > 1 else set()
    assert several >= {
        "/v1/me/sessions?",
        "/v1/groups?",
        "/v1/users?",
        "/v1/dashboards?",
        "/v1/invitations?",
        "/v1/links?",
        "/v1/legal/acceptances?",
        "/v1/audit-entries?",
    }


async def test_a_cursor_is_good_for_its_own_list_alone(cast: Cast, lists: list[str]) -> None:
    cursors = {path: (await cast.admin.ask("GET", f"{path}limit=1")).ok()["page"]["next_cursor"] for path in lists}
    for path in lists:
        for other, cursor in cursors.items():
            if cursor is not None and other != path and {path, other} != {"/v1/users?", "/v1/users?sort=name&"}:
                reply = await cast.admin.ask("GET", f"{path}limit=1&cursor={cursor}")
                assert (reply.status, reply.code) == (422, "invalid"), f"{other} at {path}: {reply}"


def key_of(row: Any) -> str:
    """A row's own id, or of whom or what it tells."""
    return str(row.get("id") or row.get("user_id") or row["dashboard_id"])


async def whole_list(person: Person, path: str) -> list[str]:
    return [key_of(row) for row in (await person.ask("GET", f"{path}limit=200")).ok()["data"]]


async def every_page(person: Person, path: str) -> list[Any]:
    data: list[Any] = []
    cursor = ""
    while len(data) < 200:
        page = (await person.ask("GET", f"{path}limit=1{cursor}")).ok()
        data += page["data"]
        if page["page"]["next_cursor"] is None:
            break
        cursor = f"&cursor={page['page']['next_cursor']}"
    return data
