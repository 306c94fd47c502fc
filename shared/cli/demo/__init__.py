"""`tenantry demo`: the whole story, from sign-up to a downgrade and back, played through the public API alone."""

from __future__ import annotations

from pathlib import Path

from shared.cli.demo.api import Gateway, PatientGateway
from shared.cli.demo.narrator import Narrator
from shared.cli.demo.roster import load_organization, read_dashboards, read_roster, sample
from shared.cli.demo.story import tell


async def play(url: str, roster: Path | None, dashboards: Path | None) -> None:
    """Plays the story, or, with a roster, loads an organization. Raises `Unexpected` at the first thing that isn't as it should be."""
    narrator = Narrator()
    async with Gateway(url) as once:
        await once.send("GET", "/v1/me", quietly=True)  # who isn't there at all is told of at once
    async with PatientGateway(url) as gateway:
        if roster is None and dashboards is None:
            await tell(gateway, narrator)
        else:
            people = read_roster(roster or sample("people.csv"))
            boards = (
                read_dashboards(dashboards or sample("dashboards.csv"), people)
                if dashboards or roster is None or roster.name == "sample"
                else []
            )
            await load_organization(gateway, narrator, people, boards)
