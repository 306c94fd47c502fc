"""Loading an organization from files: people with roles and groups, dashboards with who they are shared with."""

from __future__ import annotations

import asyncio
import csv
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from shared.cli.demo.api import PASSWORD, Gateway, Person, expect, sign_up
from shared.cli.demo.narrator import Narrator
from shared.cli.demo.story import set_sharing
from shared.cli.place import Refused

ROLES = ("admin", "analyst", "viewer")
AT_ONCE = 4
BATCH = 200


@dataclass(frozen=True)
class RosterRow:
    email: str
    name: str
    role: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class DashboardRow:
    id: str
    title: str
    owner: str
    shared_with: tuple[str, ...]


def sample(name: str) -> Path:
    return Path(__file__).parent / name


def read_roster(file: Path) -> list[RosterRow]:
    """Reads a roster; every bad row is named at once. `sample` stands for the one that comes with Tenantry."""
    faults, rows, seen = [], [], set()
    for number, row in _rows(
        file if file.name != "sample" else sample("people.csv"), ("email", "name", "role", "groups")
    ):
        email, role = row["email"].strip().lower(), row["role"].strip().lower() or "viewer"
        if "@" not in email:
            faults.append(f"line {number}: {row['email']!r} is no e-mail address")
        elif email in seen:
            faults.append(f"line {number}: {email} is there twice")
        if role not in ROLES:
            faults.append(f"line {number}: the role {row['role']!r} is none of {', '.join(ROLES)}")
        seen.add(email)
        rows.append(RosterRow(email, row["name"].strip(), role, _several(row["groups"])))
    if not any(row.role == "admin" for row in rows):
        faults.append("nobody is an admin: the first admin signs up and invites the others")
    _complain(file, faults)
    return rows


def read_dashboards(file: Path, people: Sequence[RosterRow]) -> list[DashboardRow]:
    """Reads dashboards; owners must be in the roster. `shared_with`: `nobody`, `all_users`, `all_analysts`, or group names separated by `;`."""
    owners = {person.email for person in people if person.role != "viewer"}
    groups = {group for person in people for group in person.groups}
    faults, rows = [], []
    for number, row in _rows(
        file if file.name != "sample" else sample("dashboards.csv"), ("id", "title", "owner", "shared_with")
    ):
        shared = _several(row["shared_with"]) or ("nobody",)
        if row["owner"].strip().lower() not in owners:
            faults.append(f"line {number}: the owner {row['owner']!r} is no admin or analyst of the roster")
        faults += [
            f"line {number}: there is no group {name!r}"
            for name in shared
            if name not in groups | {"nobody", "all_users", "all_analysts"}
        ]
        rows.append(DashboardRow(row["id"].strip(), row["title"].strip(), row["owner"].strip().lower(), shared))
    _complain(file, faults)
    return rows


def _rows(file: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise Refused(
                    f"{file} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; the first line names them."
                )
            return [(reader.line_num, {column: row[column] or "" for column in columns}) for row in reader]
    except OSError as why:
        raise Refused(f"{file} can't be read: {why.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{file} isn't UTF-8. Save it as CSV (UTF-8).") from None


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _complain(file: Path, faults: list[str]) -> None:
    if faults:
        raise Refused(f"{file} isn't right; nothing was loaded:\n" + "\n".join(f"  {fault}" for fault in faults[:20]))


async def load_organization(
    gateway: Gateway, narrator: Narrator, people: Sequence[RosterRow], dashboards: Sequence[DashboardRow]
) -> None:
    """Signs up the first admin, invites the others in batches, lets them accept, registers and shares the dashboards."""
    began = time.perf_counter()
    first = next(row for row in people if row.role == "admin")
    narrator.step(f"{first.name} signs up, and the Business trial starts")
    admin = await sign_up(gateway, first.email, first.name, first.email.rpartition("@")[2].partition(".")[0].title())
    (await admin.write("POST", "/v1/subscription/trial", after=admin.last_change[-1])).ok()
    group_names = sorted({group for row in people for group in row.groups})
    group_ids = {}
    for name in group_names:
        reply = await admin.write("POST", "/v1/groups", {"name": name}, after=admin.last_change[-1])
        group_ids[name] = reply.ok()["id"]
    narrator.say(f"{len(group_ids)} groups")
    persons = {first.email: admin}
    for name in first.groups:
        (await admin.write("PUT", f"/v1/groups/{group_ids[name]}/members/{admin.user_id}")).ok()
    narrator.step(f"{len(people) - 1} people are invited and accept")
    await _invite(admin, [row for row in people if row is not first], group_ids)
    persons |= await _accept(gateway, narrator, [row for row in people if row is not first])
    last = max((p.last_change[-1] for p in persons.values() if p.last_change), default="")
    narrator.step(f"{len(dashboards)} dashboards are registered and shared")
    await _register(persons, dashboards, group_ids, last)
    users = (await admin.ask("GET", "/v1/users?limit=1", after=last)).ok()
    narrator.say(
        f"{users['page']['total']} members, {len(group_ids)} groups, {len(dashboards)} dashboards in {time.perf_counter() - began:.1f} s"
    )
    expect(users["page"]["total"] == len(people), f"there are {users['page']['total']} members, not {len(people)}")
    narrator.say(f"Sign in as {first.email}, or anybody of the roster; the password is {PASSWORD}")
    narrator.end()


async def _invite(admin: Person, rows: Sequence[RosterRow], group_ids: dict[str, str]) -> None:
    for begin in range(0, len(rows), BATCH):
        invitations = [
            {"email": row.email, "role": row.role, "group_ids": [group_ids[name] for name in row.groups]}
            for row in rows[begin : begin + BATCH]
        ]
        answer = (await admin.write("POST", "/v1/invitations/batches", {"invitations": invitations})).ok()
        refused = [row for row in answer["results"] if row.get("problem")]
        expect(not refused, f"{len(refused)} invitations were refused, the first: {refused[:1]}")


async def _accept(gateway: Gateway, narrator: Narrator, rows: Sequence[RosterRow]) -> dict[str, Person]:
    persons: dict[str, Person] = {}
    gate = asyncio.Semaphore(AT_ONCE)
    tokens = await _mailed_tokens(gateway, {row.email for row in rows})
    with Progress(console=narrator.console, transient=True) as progress:
        task = progress.add_task("   accepting", total=len(rows))

        async def one(row: RosterRow) -> None:
            async with gate:
                person = Person(gateway, row.email, row.name)
                await person.accept(tokens[row.email], quietly=True)
                persons[row.email] = person
                progress.advance(task)

        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                tasks.create_task(one(row))
    return persons


async def _mailed_tokens(gateway: Gateway, emails: set[str]) -> dict[str, str]:
    return {email: await gateway.mailed_token(email) for email in sorted(emails)}


async def _register(
    persons: dict[str, Person], dashboards: Sequence[DashboardRow], group_ids: dict[str, str], after: str
) -> None:
    for board in dashboards:
        owner = persons[board.owner]
        dashboard_id = f"{board.id}-{secrets.token_hex(2)}" if board.id == "" else board.id
        (
            await owner.write(
                "POST", "/v1/dashboards", {"id": dashboard_id, "title": board.title}, after=after, quietly=True
            )
        ).ok()
        mode = board.shared_with[0]
        if mode in ("all_users", "all_analysts"):
            await set_sharing(owner, dashboard_id, {"mode": mode, "group_ids": []})
        elif mode != "nobody":
            await set_sharing(
                owner, dashboard_id, {"mode": "groups", "group_ids": [group_ids[name] for name in board.shared_with]}
            )
