"""Sharing links and the switch for all of them."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.sharing.rules.access import Board, Plan
from services.sharing.rules.link_policy import LinkPolicy
from services.sharing.rules.links import Link, State, Terms
from services.sharing.store.access import BOARD, board_of, order_key
from shared.db import Read, Row, Tx
from shared.errors import Problem

TERMS = (
    "name", "description", "expires_at", "networks", "origins", "requires_secret", "allow_parameters",
    "tv_mode", "dark_mode", "toolbar", "csv", "excel", "frozen_filters", "paused",
)  # fmt: skip
FOUND = f"""
select l.*, {BOARD}, d.parameters, creator.name as creator_name, coalesce(creator.status = 'active', false) as creator_active,
    coalesce(s.switched_off, 0) as switched_off, coalesce(s.on_since is not null, false) as switch_on,
    coalesce(p.links_allowed, true) as links_allowed, coalesce(p.password_required, false) as password_required, p.longest_days
from links l join dashboards d on d.org_id = l.org_id and d.dashboard_id = l.dashboard_id
left join members creator on creator.org_id = l.org_id and creator.user_id = l.created_by
left join link_switches s on s.org_id = l.org_id
left join link_policies p on p.org_id = l.org_id
"""
# `rules.links.state`, said once more, to find links by it
STATE = """case
        when l.switches_seen < coalesce(s.switched_off, 0) then 'switched_off'
        when not {links} or (l.allow_parameters and not {interactive}) then 'suspended'
        when not {allowed} or ({password} and l.password_hash is null) then 'not_allowed'
        when l.paused then 'paused'
        when least(l.expires_at, l.token_at + {days} * interval '24 hours') <= {now} then 'expired'
        else 'open' end"""
BY_POLICY = {
    "allowed": "coalesce(p.links_allowed, true)",
    "password": "coalesce(p.password_required, false)",
    "days": "p.longest_days",
}
ONE = f"{FOUND} where l.org_id = $1 and l.link_id = $2"
OF_DASHBOARD = f"{FOUND} where l.org_id = $1 and l.dashboard_id = $2 order by l.link_id desc"
LISTED = f"""
{FOUND}
where l.org_id = $1 and ($2::text is null or d.owner_id = $2) and ($3::text is null or l.dashboard_id = $3)
    and ($4 = '' or l.name_key like $4 or d.title_key like $4) and ($5 = '' or l.link_id < $5)
    and (not $6 or coalesce(creator.status, '') <> 'active')
    and (not $7 or (l.password_hash is null and l.networks = '{{}}' and not l.requires_secret))
    and ($8::timestamptz is null or coalesce(l.last_opened_at, l.created_at) < $8)
    and ($9::text is null or $9 = {STATE.format(links="$10", interactive="$11", now="$12", **BY_POLICY)})
order by l.link_id desc limit $13
"""
INSERT = f"""
insert into links (org_id, link_id, dashboard_id, report_id, name_key, password_hash, token_at, switches_seen, created_by, created_at,
    updated_by, updated_at, {", ".join(TERMS)})
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $7, $9, $7, {", ".join(f"${10 + place}" for place in range(len(TERMS)))})
"""
UPDATE = f"""
update links set name_key = $3, updated_by = $4, updated_at = $5, version = version + 1,
    password_hash = case when $6 then $7 else password_hash end,
    password_version = password_version + case when $6 then 1 else 0 end,
    {", ".join(f"{name} = ${8 + place}" for place, name in enumerate(TERMS))}
where org_id = $1 and link_id = $2
"""


@dataclass(frozen=True)
class Wanted:
    """Which links are listed. `state` as `rules.links.state` says it."""

    owner_id: str | None
    dashboard_id: str | None
    like: str
    creator_left: bool
    unrestricted: bool
    unused_since: datetime | None
    state: State | None


@dataclass(frozen=True)
class Kept:
    """A link as stored, with the dashboard that it opens and who made it. `switched_off` is how often all links were turned off."""

    link: Link
    board: Board
    parameters: tuple[str, ...]
    creator_name: str | None
    creator_active: bool
    switched_off: int
    switch_on: bool
    policy: LinkPolicy
    password_hash: str | None
    password_version: int
    token_at: datetime
    opens: int
    last_opened_at: datetime | None
    version: int
    created_at: datetime
    updated_by: str
    updated_at: datetime


@dataclass(frozen=True)
class Switch:
    """The switch for all links; `on_since` is null while links are possible."""

    switched_off: int = 0
    on_since: datetime | None = None
    on_by: str | None = None
    version: int = 1

    @property
    def on(self) -> bool:
        return self.on_since is not None


async def link(read: Read, org_id: str, link_id: str) -> Kept | None:
    row = await read.row(ONE, org_id, link_id)
    return _kept(row) if row is not None else None


async def lock_link(tx: Tx, org_id: str, link_id: str) -> Kept:
    """The link, held until the end of the transaction; 404 when there is none."""
    row = await tx.row(f"{ONE} for update of l", org_id, link_id)
    if row is None:
        raise Problem("not_found")
    return _kept(row)


async def links_of_dashboard(read: Read, org_id: str, dashboard_id: str) -> list[Kept]:
    """The newest first."""
    return [_kept(row) for row in await read.rows(OF_DASHBOARD, org_id, dashboard_id)]


async def links(
    read: Read, org_id: str, wanted: Wanted, plan: Plan | None, now: datetime, *, after: str, limit: int
) -> list[Kept]:
    """The links that are wanted, the newest first."""
    rows = await read.rows(
        LISTED,
        org_id,
        wanted.owner_id,
        wanted.dashboard_id,
        wanted.like,
        after,
        wanted.creator_left,
        wanted.unrestricted,
        wanted.unused_since,
        wanted.state,
        plan is not None and plan.sharing_links,
        plan is not None and plan.interactive_embedding,
        now,
        limit,
    )
    return [_kept(row) for row in rows]


async def add_link(tx: Tx, org_id: str, made: Link, password_hash: str | None, at: datetime) -> None:
    terms = made.terms
    await tx.run(
        INSERT,
        org_id,
        made.link_id,
        made.dashboard_id,
        made.report_id,
        order_key(terms.name),
        password_hash,
        at,
        made.switches_seen,
        made.created_by,
        *_values(terms),
    )


async def change_link(
    tx: Tx, org_id: str, link_id: str, terms: Terms, by: str, at: datetime, *, password: tuple[bool, str | None]
) -> None:
    """`password` says whether there is another one, and its hash."""
    await tx.run(UPDATE, org_id, link_id, order_key(terms.name), by, at, *password, *_values(terms))


async def rotate_token(tx: Tx, org_id: str, link_id: str, switches_seen: int, by: str, at: datetime) -> None:
    await tx.run(
        "update links set token_version = token_version + 1, token_at = $5, switches_seen = $3, updated_by = $4, updated_at = $5,"
        " version = version + 1 where org_id = $1 and link_id = $2",
        org_id,
        link_id,
        switches_seen,
        by,
        at,
    )


async def remove_link(tx: Tx, org_id: str, link_id: str) -> None:
    await tx.run("delete from links where org_id = $1 and link_id = $2", org_id, link_id)


async def switch(read: Read, org_id: str) -> Switch:
    row = await read.row("select switched_off, on_since, on_by, version from link_switches where org_id = $1", org_id)
    return Switch(**dict(row)) if row is not None else Switch()


async def hold_switch(tx: Tx, org_id: str, *, to_change: bool = False) -> Switch:
    """The switch as it is until the end of the transaction: no token is made while it is being turned."""
    await tx.run("insert into link_switches (org_id) values ($1) on conflict do nothing", org_id)
    row = await tx.row(
        "select switched_off, on_since, on_by, version from link_switches where org_id = $1"
        f" for {'update' if to_change else 'share'}",
        org_id,
    )
    assert row is not None
    return Switch(**dict(row))


async def set_switch(tx: Tx, org_id: str, on_by: str | None, at: datetime) -> None:
    """On: everything that was made until now is dead for good. `on_by` None: links can be made again."""
    await tx.run(
        "update link_switches set switched_off = switched_off + case when $2::text is null then 0 else 1 end,"
        " on_by = $2, on_since = case when $2::text is null then null else $3::timestamptz end, version = version + 1"
        " where org_id = $1",
        org_id,
        on_by,
        at,
    )


def _values(terms: Terms) -> list[Any]:
    frozen = orjson.dumps(dict(terms.frozen_filters)).decode() if terms.frozen_filters is not None else None
    given: dict[str, Any] = {"frozen_filters": frozen}
    return [given.get(name, getattr(terms, name)) for name in TERMS]


def _kept(row: Row) -> Kept:
    board = board_of(row)
    assert board is not None
    terms = {name: row[name] for name in TERMS} | {
        "has_password": row["password_hash"] is not None,
        "networks": tuple(row["networks"]),
        "origins": tuple(row["origins"]),
        "frozen_filters": orjson.loads(row["frozen_filters"]) if row["frozen_filters"] is not None else None,
    }
    made = Link(
        row["link_id"],
        row["dashboard_id"],
        row["report_id"],
        Terms(**terms),
        row["created_by"],
        row["token_version"],
        row["switches_seen"],
    )
    same = (
        "creator_name", "creator_active", "switched_off", "switch_on", "password_hash", "password_version", "token_at",
        "opens", "last_opened_at", "version", "created_at", "updated_by", "updated_at",
    )  # fmt: skip
    policy = LinkPolicy(row["links_allowed"], row["password_required"], row["longest_days"])
    return Kept(made, board, tuple(row["parameters"]), policy=policy, **{name: row[name] for name in same})
