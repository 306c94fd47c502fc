"""Stand-ins for org and sharing: they answer what a plan would do, as a test wants them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import Problem
from shared.fields import Message
from shared.ids import new_id
from shared.service import Ctx, Environment, Service, post, service

NO_TABLES = Path(__file__).parent


def _nothing_of_org() -> dict[str, Any]:
    return {
        "groups_suspended": [],
        "groups_suspended_count": 0,
        "groups_resumed": [],
        "groups_resumed_count": 0,
        "author_slots": {"used": 1, "limit": 2},
        "viewer_slots": {"used": 0, "limit": None},
        "losing_author_slot": [],
    }


def _nothing_of_sharing() -> dict[str, Any]:
    return {"dashboards": [], "dashboards_count": 0, "gaining": [], "gaining_count": 0}


@dataclass
class Neighbours:
    """What org and sharing answer next; `asked` is what they were asked."""

    org: dict[str, Any] = field(default_factory=_nothing_of_org)
    sharing: dict[str, Any] = field(default_factory=_nothing_of_sharing)
    states: dict[str, int] = field(default_factory=lambda: {"org": 7, "sharing": 3})
    trouble: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hung: asyncio.Event = field(default_factory=asyncio.Event)

    def lose_a_group(self) -> None:
        self.org["groups_suspended"] = [{"group_id": new_id("grp"), "name": "Finance", "members": 2}]
        self.org["groups_suspended_count"] = 1
        vera = {"user_id": new_id("usr"), "name": "Vera Holm", "email": "vera@northwind.example"}
        cash = {"dashboard_id": "dsh-cash", "title": "Cash flow", "through": ["Finance"]}
        self.sharing |= {"dashboards": [{**cash, "losing": [vera], "losing_count": 1}], "dashboards_count": 1}

    def services(self) -> list[Service]:
        @asynccontextmanager
        async def opens(env: Environment) -> AsyncIterator[Neighbours]:
            yield self

        routes = [post("/internal/plan-effects", plan_effects, service("plan_effects.read"))]
        return [
            Service(name=name, migrations=NO_TABLES, routes=routes, sources=("billing",), opens=opens)
            for name in ("org", "sharing")
        ]


class Question(Message):
    org_id: str
    entitlements: dict[str, Any]


async def plan_effects(ctx: Ctx, question: Question) -> dict[str, Any]:
    """What would be."""
    name = ctx.env.service.name
    answers: Neighbours = ctx.own
    answers.asked.append((name, question.model_dump()))
    trouble = answers.trouble.get(name)
    if trouble == "hangs":
        await answers.hung.wait()
    elif trouble:
        raise Problem(trouble)
    return {**getattr(answers, name), "state": answers.states[name]}
