"""Organizations and what hangs on them once: domains, plan facts; and the persons that identity told."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from services.org.rules import Author, Overlay, Plan, overlay
from services.org.rules.domains import is_registered
from services.org.store import domains
from shared.db import Read, Row, Tx
from shared.errors import Problem
from shared.events import org as said
from shared.events.billing import Entitlements

CHANGEABLE = (
    "name",
    "contact_email",
    "product_mails",
    "time_zone",
    "week_start",
    "country",
    "number_format",
    "date_format",
)
CHANGES_SHOWN = 20


@dataclass(frozen=True)
class Organization:
    """An organization as stored."""

    org_id: str
    name: str
    location: Literal["eu", "us"]
    contact_email: str
    product_mails: bool
    time_zone: str
    week_start: Literal["monday", "saturday", "sunday"]
    dpa: Literal["undecided", "accepted", "not_applicable"]
    created_by: str
    created_at: datetime
    version: int
    changed_by: str | None
    changed_at: datetime
    country: str | None
    number_format: str
    date_format: str
    closed_at: datetime | None
    erased_at: datetime | None

    def state(self) -> said.Organization:
        return said.Organization(
            name=self.name,
            location=self.location,
            contact_email=self.contact_email,
            product_mails=self.product_mails,
            time_zone=self.time_zone,
            week_start=self.week_start,
            country=self.country,
            number_format=self.number_format,
            date_format=self.date_format,
        )


async def add(tx: Tx, org_id: str, state: said.Organization, created_by: str, now: datetime) -> None:
    await tx.run(
        "insert into organizations (org_id, name, location, contact_email, product_mails, created_by, created_at, changed_at,"
        " time_zone, week_start, country, number_format, date_format)"
        " values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12)",
        org_id,
        state.name,
        state.location,
        state.contact_email,
        state.product_mails,
        created_by,
        now,
        state.time_zone,
        state.week_start,
        state.country,
        state.number_format,
        state.date_format,
    )


async def find(read: Read, org_id: str) -> Organization | None:
    row = await read.row("select * from organizations where org_id = $1", org_id)
    return Organization(**dict(row)) if row else None


async def one(read: Read, org_id: str) -> Organization:
    found = await find(read, org_id)
    if found is None:
        raise Problem("not_found")
    return found


async def lock(tx: Tx, org_id: str) -> Organization | None:
    """From here on every other writer of this organization waits."""
    row = await tx.row("select * from organizations where org_id = $1 for update", org_id)
    return Organization(**dict(row)) if row else None


async def change(tx: Tx, org_id: str, changed: Mapping[str, Any], by: str, now: datetime) -> Organization:
    """Gives the named columns their new values, and keeps which ones they were."""
    names = [name for name in CHANGEABLE if name in changed]
    values = ", ".join(f"{name} = ${place}" for place, name in enumerate(names, 4))
    row = await tx.row(
        f"update organizations set {values}, version = version + 1, changed_by = $2, changed_at = $3"
        " where org_id = $1 returning *",
        org_id,
        by,
        now,
        *(changed[name] for name in names),
    )
    assert row is not None
    await tx.run(
        "insert into organization_changes (org_id, version, changed_by, changed_at, fields) values ($1, $2, $3, $4, $5)",
        org_id,
        row["version"],
        by,
        now,
        names,
    )
    return Organization(**dict(row))


async def changes(read: Read, org_id: str, since: int) -> list[Row]:
    """What was changed after a version, the newest first."""
    return await read.rows(
        "select version, changed_by, changed_at, fields from organization_changes where org_id = $1 and version > $2"
        " order by version desc limit $3",
        org_id,
        since,
        CHANGES_SHOWN,
    )


async def is_time_zone(read: Read, name: str) -> bool:
    return bool(await read.value("select exists (select from pg_timezone_names where name = $1)", name))


# -- domains


async def registered_domains(read: Read, org_id: str) -> frozenset[str]:
    """Where addresses can be invited: what the organization has, as far as its plan goes."""
    plan_now = await plan(read, org_id)
    return frozenset(domain.name for domain in await domains.every(read, org_id) if is_registered(domain, plan_now))


# -- what the plan allows


async def plan(read: Read, org_id: str) -> Plan:
    row = await read.row(
        "select body, groups_lost_at, proven_lost_at, affirmed_lost_at from entitlements where org_id = $1", org_id
    )
    return Plan(Entitlements.model_validate_json(row["body"]), *list(row)[1:]) if row else Plan()


async def keep_plan(tx: Tx, org_id: str, plan: Plan) -> bool:
    """Keeps what is newer than what is known. False when it isn't."""
    return bool(
        await tx.run(
            "insert into entitlements as known (org_id, version, body, groups_lost_at, proven_lost_at, affirmed_lost_at)"
            " values ($1, $2, $3, $4, $5, $6) on conflict (org_id) do update set version = excluded.version,"
            " body = excluded.body, groups_lost_at = excluded.groups_lost_at, proven_lost_at = excluded.proven_lost_at,"
            " affirmed_lost_at = excluded.affirmed_lost_at"
            " where excluded.version > known.version",
            org_id,
            plan.entitlements.version,
            plan.entitlements.model_dump_json(),
            plan.groups_lost_at,
            plan.proven_lost_at,
            plan.affirmed_lost_at,
        )
    )


async def overlay_of(read: Read, org_id: str, plan_now: Plan | None = None) -> Overlay:
    """What the plan (or the one given) makes of the facts."""
    plan_now = plan_now or await plan(read, org_id)
    if plan_now.entitlements.author_slots is None or not plan_now.known:
        return overlay(plan_now, ())
    return overlay(plan_now, await authors(read, org_id))


async def authors(read: Read, org_id: str) -> list[Author]:
    """The active Admins and Analysts, by role."""
    rows = await read.rows(
        "select user_id, role, joined_at from members where org_id = $1 and status = 'active' and role in ('admin', 'analyst')",
        org_id,
    )
    return [Author(**dict(row)) for row in rows]


# -- persons


@dataclass(frozen=True)
class Person:
    """Somebody with an account, in this organization or not."""

    user_id: str
    email: str
    name: str


async def keep_person(tx: Tx, user_id: str, email: str, name: str) -> None:
    await tx.run(
        "insert into persons (user_id, email, name) values ($1, $2, $3)"
        " on conflict (user_id) do update set email = excluded.email, name = excluded.name",
        user_id,
        email,
        name,
    )


async def knows_person(read: Read, user_id: str) -> bool:
    return bool(await read.value("select true from persons where user_id = $1", user_id))


async def hold_person(tx: Tx, user_id: str) -> Person:
    """The person, who goes by this name until the transaction ends."""
    row = await tx.row("select user_id, email, name from persons where user_id = $1 for share", user_id)
    if row is None:
        raise Problem("session_ended", "This account was closed.", meta={"because": "account_closed"})
    return Person(**dict(row))


async def meet_person(tx: Tx, person: Person) -> None:
    """Keeps a person whom nobody has told of yet; what was told stays."""
    await tx.run(
        "insert into persons (user_id, email, name) values ($1, $2, $3) on conflict do nothing",
        person.user_id,
        person.email,
        person.name,
    )


async def keep_two_factor(tx: Tx, user_id: str, on: bool) -> None:
    await tx.run("update persons set two_factor = $2 where user_id = $1", user_id, on)


async def addresses_of(read: Read, user_id: str) -> Sequence[str]:
    """At which addresses organizations knew a person."""
    rows = await read.rows("select distinct email from members where user_id = $1", user_id)
    return [row["email"] for row in rows]


async def forget_person(tx: Tx, user_id: str) -> None:
    await tx.run("delete from persons where user_id = $1", user_id)


async def admins(read: Read, org_id: str) -> Sequence[Person]:
    """The active Admins: whom a mail about the organization goes to."""
    rows = await read.rows(
        "select user_id, email, name from members where org_id = $1 and status = 'active' and role = 'admin' order by user_id",
        org_id,
    )
    return [Person(**dict(row)) for row in rows]


async def organizations_of(read: Read, user_id: str) -> Sequence[str]:
    """Where the person is a member, in one fixed order, so that those who lock several never wait for each other in a ring."""
    rows = await read.rows(
        "select org_id from members where user_id = $1 and status <> 'removed' order by org_id", user_id
    )
    return [row["org_id"] for row in rows]
