"""Who else keeps a copy of who may see what can drop it and make it again from what was said: the two are the same."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from shared.events.sharing import (
    DashboardChanged,
    DashboardRegistered,
    DashboardRemoved,
    DashboardShared,
    DashboardTransferred,
    LinkChanged,
    LinkCreated,
    LinkRemoved,
    LinkTokenRotated,
)
from tests.sharing.company import Company
from tests.sharing.test_histories import History
from tests.world import World

OF_A_DASHBOARD = (DashboardRegistered, DashboardChanged, DashboardShared, DashboardTransferred)
OF_A_LINK = (LinkCreated, LinkChanged, LinkTokenRotated)


def copy_of(told: list[Any]) -> dict[str, Any]:
    """A subscriber's copy, made by nothing but events: each holds the whole state of its thing."""
    dashboards: dict[str, Any] = {}
    links: dict[str, Any] = {}
    for event in told:
        if event.type in {kind.TYPE for kind in OF_A_DASHBOARD}:
            state = event.data["dashboard"]
            kept = dashboards.setdefault(state["dashboard_id"], {"shared_with": {"mode": "nobody", "group_ids": []}})
            kept |= state | ({"shared_with": event.data["shared_with"]} if "shared_with" in event.data else {})
        elif event.type == DashboardRemoved.TYPE:
            gone = event.data["dashboard"]["dashboard_id"]
            del dashboards[gone]
            links = {link_id: link for link_id, link in links.items() if link["dashboard_id"] != gone}
        elif event.type in {kind.TYPE for kind in OF_A_LINK}:
            links[event.data["link"]["link_id"]] = event.data["link"]
        elif event.type == LinkRemoved.TYPE:
            del links[event.data["link"]["link_id"]]
    return {"dashboards": dashboards, "links": links}


async def truth(world: World) -> dict[str, Any]:
    """The same of what sharing itself holds."""
    async with world.started["sharing"].env.database.read("*") as read:
        boards = await read.rows(
            "select dashboard_id, title, owner_id, parameters, mode, array(select group_id from dashboard_groups dg"
            " where dg.org_id = d.org_id and dg.dashboard_id = d.dashboard_id order by group_id) as group_ids from dashboards d"
        )
        links = await read.rows("select link_id, dashboard_id, name, paused, csv, token_version from links")
    return {
        "dashboards": {
            row["dashboard_id"]: {
                "dashboard_id": row["dashboard_id"],
                "title": row["title"],
                "owner_id": row["owner_id"],
                "parameters": row["parameters"],
                "shared_with": {"mode": row["mode"], "group_ids": row["group_ids"]},
            }
            for row in boards
        },
        "links": {row["link_id"]: dict(row) for row in links},
    }


def digest(state: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(state, option=orjson.OPT_SORT_KEYS)).hexdigest()


@pytest.mark.parametrize("seed", range(2))
async def test_a_copy_made_from_events_is_what_sharing_holds_and_can_be_made_again(world: World, seed: int) -> None:
    history = History(Company(world), 900 + seed)
    await history.begin()
    company, made = history.company, history.random
    links: list[tuple[str, str]] = []
    for _ in range(20):
        await made.choice(history.steps)()
        board_id = made.choice(list(history.model.boards))
        owner = history.model.boards[board_id].owner
        reply = await company.ask(owner, "POST", f"/v1/dashboards/{board_id}/links", {"name": "L"})
        if reply.status == 201:
            links.append((owner, reply.json["id"]))
        if links:
            owner, link_id = made.choice(links)
            path = f"/v1/links/{link_id}"
            await company.ask(owner, "PATCH", path, {"paused": made.random() < 0.5, "csv": made.random() < 0.5})
            if made.random() < 0.3:
                await company.ask(owner, "POST", f"{path}/token-rotations")
            if made.random() < 0.2:
                await company.ask("ana", "DELETE", path)
    gone = made.choice(list(history.model.boards))
    await company.ask(history.model.boards[gone].owner, "DELETE", f"/v1/dashboards/{gone}")
    told = await world.said("sharing")
    live = copy_of(told)
    again = copy_of(await world.said("sharing"))
    assert digest(live) == digest(again)
    holds = await truth(world)
    shown = {
        "dashboards": live["dashboards"],
        "links": {key: {name: link[name] for name in holds["links"][key]} for key, link in live["links"].items()},
    }
    for state in (shown, holds):
        for board in state["dashboards"].values():
            board["shared_with"]["group_ids"] = sorted(board["shared_with"]["group_ids"])
    assert digest(shown) == digest(holds)
