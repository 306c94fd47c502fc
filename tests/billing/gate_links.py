"""The rows of the gate that are about sharing links: each restriction a link can have, and who comes to its door."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from typing import Any

from tests.sharing.company import Company
from tests.sharing.embedding import Embedder

PASSWORD = "correct horse battery"
FROM_INSIDE, FROM_OUTSIDE = "198.51.100.9", "203.0.113.7"

LINKS: dict[str, dict[str, Any]] = {
    "without a restriction": {},
    "with a password": {"password": PASSWORD},
    "for an IP network": {"networks": ["198.51.100.0/24"]},
    "that expires": {"expires_at": timedelta(days=200)},
    "for frames of one site": {"origins": ["https://a.example"]},
    "that requires a secret": {"requires_secret": True},
    "that allows parameters": {"requires_secret": True, "allow_parameters": True},
    "frozen at filters": {"frozen_filters": {"region": ["EU"]}},
    "for one report, without CSV": {"report_id": "r-1", "toolbar": False},
    "that is paused": {},
    "with all of that": {
        "password": PASSWORD,
        "networks": ["198.51.100.0/24"],
        "origins": ["https://a.example"],
        "requires_secret": True,
        "frozen_filters": {"region": ["EU"]},
    },
}


@dataclass
class Doors:
    """One link under each restriction, and everybody who tries to come in by it."""

    embedder: Embedder
    links: dict[str, Any] = field(default_factory=dict)

    @classmethod
    async def of(cls, company: Company) -> Doors:
        doors = cls(await Embedder.of(company))
        now = company.world.clock.now()
        for name, options in LINKS.items():
            wanted = {k: (now + v).isoformat() if isinstance(v, timedelta) else v for k, v in options.items()}
            doors.links[name] = await doors.embedder.link(**wanted)
        await doors.embedder.change(doors.links["that is paused"], paused=True)
        return doors

    async def who_comes_in(self, name: str) -> set[str]:
        """Each visitor who does, with what they are shown: seeing more than before is coming in as somebody else."""
        link, has, found = self.links[name], LINKS[name], set()
        passes: list[dict[str, str]] = [{}]
        if "password" in has:
            reply = await self.embedder.unlock(link, PASSWORD, source=FROM_INSIDE)
            passes += [{"unlock": reply.json["unlock"]}] if reply.status == 200 else []
        tokens: dict[str, str | None] = {"nothing": None}
        if "requires_secret" in has:
            tokens["a secret"] = self.embedder.token(link)
        if "allow_parameters" in has:
            tokens["a fixed secret"] = self.embedder.token(link, fixed_parameters={"region": ["EU"]})
        sources = (FROM_INSIDE, FROM_OUTSIDE) if "networks" in has else (FROM_OUTSIDE,)
        for (brings, token), source, knows in product(tokens.items(), sources, passes):
            reply = await self.embedder.open(link, token, source=source, region="US", **knows)
            if reply.status == 200:
                shown = {k: v for k, v in reply.json.items() if k != "expires_at"}
                visitor = f"{brings}, {source}, {'password' if knows else 'no password'}"
                found.add(f"{visitor}: {json.dumps(shown, sort_keys=True)}")
        return found
