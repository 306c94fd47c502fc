"""An organization of any size, made up: the same seed gives the same people, groups, dashboards and links. Pure."""

# ruff: noqa: SIM905 - names in prose read better than a name a line
from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from shared.cli.demo.roster import DashboardRow, RosterRow, read_dashboards, read_roster, sample

FIRST_NAMES = (
    "Amara, Anneke, Aylin, Bo, Camille, Chidi, Daria, Dilan, Eero, Elif, Fatima, Femke, Giulia, Hana, Ilse, Ines, Ivo, Jakub, Joana,"
    " Kofi, Lars, Leyla, Linnea, Malik, Maren, Mateo, Mei, Milan, Nadia, Niamh, Oskar, Petra, Priya, Quinn, Ravi, Rosa, Samir, Sanne,"
    " Tariq, Tove, Yara, Zofia"
)
LAST_NAMES = (
    "Abe, Almeida, Andersson, Bakker, Becker, Bianchi, Byrne, Castro, Chen, Dubois, Eriksen, Farkas, Ferreira, Fischer, Fontaine, Garcia,"
    " Haddad, Hansen, Horvath, Huber, Iversen, Jansen, Kaya, Keller, Kovacs, Lange, Larsen, Leclerc, Lindgren, Maier, Marin, Meyer, Moreau,"
    " Mueller, Nagy, Nielsen, Okafor, Olsen, Peeters, Petrov, Rahman, Ricci, Romero, Santos, Sato, Schmid, Silva, Sorensen, Stein, Torres,"
    " Vogel, Weber, Yilmaz, Zhang"
)
COMPANIES = (
    "Alder Foods, Beacon Logistics, Cobalt Energy, Delta Retail, Ember Insurance, Fjord Shipping, Granite Bank, Harbor Health,"
    " Juniper Telecom, Kestrel Mobility, Lumen Media, Meridian Travel"
).split(", ")
TEAMS = (
    "Finance, Controlling, Engineering, Product, Marketing, Support, Logistics, Partners, Legal, Procurement, Quality, Research,"
    " Treasury, Field Sales, Inside Sales, People & Culture, Customer Success"
).split(", ")
REGIONS = "North, South, East, West, DACH, Nordics, Benelux, Iberia, UK & Ireland, France, Italy".split(", ")
PLACES = (
    ("DE", "Hafenstraße 12", "20457 Hamburg"),
    ("FR", "14 rue des Tanneurs", "69002 Lyon"),
    ("NL", "Keizersgracht 221", "1016 DV Amsterdam"),
    ("AT", "Lindengasse 8", "1070 Wien"),
)
FILTERS = ("region", "country", "team", "segment", "product", "channel")
LINKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("for the board", {"tv_mode": False, "toolbar": False}),
    ("in the lobby", {"tv_mode": True, "dark_mode": True, "toolbar": False}),
    ("for the auditors", {"password": "made-up-passphrase-7", "csv": True, "excel": True}),
    ("in the office only", {"networks": ["203.0.113.0/24"]}),
    ("in the customer portal", {"requires_secret": True, "origins": ["https://portal.{domain}"]}),
    ("for partners", {"csv": True}),
)
AUTHORS, ADMINS = 0.08, 0.01
MOST_AUTHORS, MOST_ADMINS = 400, 12
INACTIVE, PENDING = 0.02, 0.025


@dataclass(frozen=True)
class Size:
    """How much there is to be. `None` follows from the number of people."""

    people: int
    groups: int | None = None
    dashboards: int | None = None
    links: int | None = None

    @property
    def group_count(self) -> int:
        return min(6 + self.people // 40, len(TEAMS) * (len(REGIONS) + 1)) if self.groups is None else self.groups

    @property
    def dashboard_count(self) -> int:
        return min(8 + self.people // 8, 2000) if self.dashboards is None else self.dashboards

    @property
    def link_count(self) -> int:
        return min(4 + self.people // 25, 500) if self.links is None else self.links


@dataclass(frozen=True)
class LinkRow:
    """A sharing link: what it is made with, and how often somebody opens it."""

    dashboard_id: str
    wanted: dict[str, Any]
    opened: int


@dataclass(frozen=True)
class Invented:
    """The whole of it. `people` begin with who founds it; `leaving` are those of them who are deactivated; `invited` never answer."""

    company: str
    domain: str
    address: tuple[str, ...]
    country: str
    groups: tuple[str, ...]
    people: tuple[RosterRow, ...]
    leaving: frozenset[str]
    invited: tuple[RosterRow, ...]
    dashboards: tuple[DashboardRow, ...]
    parameters: dict[str, list[str]] = field(hash=False)
    links: tuple[LinkRow, ...] = ()

    @property
    def founder(self) -> RosterRow:
        return self.people[0]

    @property
    def authors(self) -> int:
        return sum(row.role != "viewer" for row in (*self.people, *self.invited))


def invent(size: Size, seed: int) -> Invented:
    """Makes it up; nothing but size and seed decides what."""
    chance = Random(seed)  # noqa: S311 nothing secret is made up
    company = COMPANIES[seed % len(COMPANIES)]
    domain = f"{_plain(company).replace(' ', '-')}-{seed}.example"
    country, *address = chance.choice(PLACES)
    groups = _groups(size.group_count)
    names = _names(chance, size.people + round(size.people * PENDING))
    rows = [
        RosterRow(f"{local}@{domain}", name, _role(place, size.people), _some_groups(chance, groups))
        for place, (name, local) in enumerate(names)
    ]
    people, invited = rows[: size.people], rows[size.people :]
    viewers = [row.email for row in people if row.role == "viewer"]
    leaving = frozenset(chance.sample(viewers, round(len(viewers) * INACTIVE)))
    boards = _dashboards(chance, size.dashboard_count, people, groups)
    return Invented(
        company,
        domain,
        tuple(address),
        country,
        groups,
        tuple(people),
        leaving,
        tuple(invited),
        boards,
        {board.id: sorted(chance.sample(FILTERS, chance.randint(0, 4))) for board in boards},
        _links(chance, size.link_count, boards, domain),
    )


def _names(chance: Random, count: int) -> list[tuple[str, str]]:
    """Names, and what stands before the @: whose name another has too gets a number."""
    known = read_roster(sample("people.csv"))
    first = sorted({row.name.split()[0] for row in known} | set(FIRST_NAMES.split(", ")))
    last = sorted({row.name.split()[-1] for row in known} | set(LAST_NAMES.split(", ")))
    found, taken = [], dict[str, int]()
    for _ in range(count):
        name = f"{chance.choice(first)} {chance.choice(last)}"
        local = _plain(name).replace(" ", ".")
        taken[local] = taken.get(local, 0) + 1
        found.append((name, local if taken[local] == 1 else f"{local}{taken[local]}"))
    return found


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9 -]", "", letters)


def _role(place: int, people: int) -> str:
    """Who comes first founds it, and authors come before readers, as in life."""
    if place < min(1 + round(people * ADMINS), MOST_ADMINS):
        return "admin"
    return "analyst" if place < min(1 + round(people * AUTHORS), MOST_AUTHORS) else "viewer"


def _groups(count: int) -> tuple[str, ...]:
    every = [*TEAMS, *(f"{team} {region}" for region in REGIONS for team in TEAMS)]
    every += [f"Project {number}" for number in range(1, max(count - len(every), 0) + 1)]
    return tuple(every[:count])


def _some_groups(chance: Random, groups: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(chance.sample(groups, min(chance.choice((0, 1, 1, 1, 2, 3)), len(groups)))))


def _dashboards(
    chance: Random, count: int, people: Sequence[RosterRow], groups: Sequence[str]
) -> tuple[DashboardRow, ...]:
    authors = [row.email for row in people if row.role != "viewer"]
    known = read_dashboards(sample("dashboards.csv"), read_roster(sample("people.csv")))
    titles = list(dict.fromkeys(re.sub(r" 20\d\d$", "", board.title) for board in known))
    boards = []
    for number in range(count):
        title = titles[number % len(titles)]
        if number >= len(titles):
            title = f"{title}, {REGIONS[number // len(titles) % len(REGIONS)]}"
        if number >= len(titles) * (len(REGIONS) + 1):
            title = f"{title} {number}"
        shared: tuple[str, ...] = (chance.choice(("nobody", "all_users", "all_analysts")),)
        if groups and chance.random() < 0.65:
            shared = tuple(sorted(chance.sample(groups, min(chance.randint(1, 3), len(groups)))))
        boards.append(DashboardRow(f"dsh-{number + 1:04}", title, chance.choice(authors), shared))
    return tuple(boards)


def _links(chance: Random, count: int, boards: Sequence[DashboardRow], domain: str) -> tuple[LinkRow, ...]:
    links = []
    for _ in range(count if boards else 0):
        board = chance.choice(boards)
        what, wanted = chance.choice(LINKS)
        told = {
            name: [each.format(domain=domain) for each in value] if name == "origins" else value
            for name, value in wanted.items()
        }
        opens = not wanted.keys() & {"password", "networks", "requires_secret"}
        links.append(
            LinkRow(board.id, {"name": f"{board.title}: {what}", **told}, chance.randint(0, 6) if opens else 0)
        )
    return tuple(links)
