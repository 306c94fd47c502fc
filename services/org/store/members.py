"""Members: who belongs to an organization, in which order, and which slots they take."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import asyncpg

from services.org.rules import GroupKind, Kind, Member, Role, Status, key_of
from services.org.store.organizations import Person
from shared.db import Read, Row, Tx
from shared.errors import Problem
from shared.fields import canonical_email

COLUMNS = (
    "user_id, email, name, role, status, joined_at, deactivated_at, version, changed_by, changed_at, last_active_at,"
    " two_factor, seen"
)
LETTERS_IN_A_ROW = 3  # as blocks of members keep them
BLOCKS_SEARCHED = 100
SORT_KEYS = {
    "name": "name_key",
    "email": "email_key",
    "joined_at": "joined_at",
    "deactivated_at": "deactivated_at",
    "last_active_at": "last_active_at",
}

Sort = Literal["name", "email", "joined_at", "deactivated_at", "last_active_at"]


async def find(read: Read, org_id: str, user_id: str) -> Member | None:
    row = await read.row(
        f"select {COLUMNS} from members where org_id = $1 and user_id = $2 and status <> 'removed'", org_id, user_id
    )
    return Member(**dict(row)) if row else None


async def one(read: Read, org_id: str, user_id: str) -> Member:
    found = await find(read, org_id, user_id)
    if found is None:
        raise Problem("not_found")
    return found


async def some(read: Read, org_id: str, user_ids: Sequence[str]) -> list[Member]:
    rows = await read.rows(
        f"select {COLUMNS} from members where org_id = $1 and user_id = any($2) and status <> 'removed' order by user_id",
        org_id,
        list(user_ids),
    )
    return [Member(**dict(row)) for row in rows]


async def exists(read: Read, org_id: str, user_id: str) -> bool:
    return await find(read, org_id, user_id) is not None


async def join(tx: Tx, org_id: str, person: Person, role: Role, by: str | None, now: datetime) -> Member:
    """A new member, or one who was removed and comes back: with this role and from now. Who makes themselves one is here."""
    try:
        row = await tx.row(
            "insert into members as known (org_id, user_id, email, email_key, name, name_key, role, status, joined_at, changed_by, changed_at, last_active_at, seen, two_factor)"
            " values ($1, $2, $3, $4, $5, $6, $7, 'active', $8, $9, $8, $8, $10, coalesce((select two_factor from persons where user_id = $2), false))"
            " on conflict (org_id, user_id) do update set email = excluded.email, email_key = excluded.email_key, name = excluded.name,"
            " name_key = excluded.name_key, role = excluded.role, status = 'active', joined_at = excluded.joined_at, deactivated_at = null, last_active_at = excluded.last_active_at, seen = excluded.seen, two_factor = excluded.two_factor,"
            " version = known.version + 1, changed_by = excluded.changed_by, changed_at = excluded.changed_at where known.status = 'removed'"
            f" returning {COLUMNS}",
            org_id,
            person.user_id,
            person.email,
            canonical_email(person.email),
            person.name,
            key_of(person.name),
            role,
            now,
            by,
            by == person.user_id,
        )
    except asyncpg.UniqueViolationError:
        row = None
    if row is None:
        raise Problem("already_exists", "This person is a member already.", meta={"because": "member"})
    return Member(**dict(row))


async def set_role(tx: Tx, org_id: str, user_id: str, role: Role, by: str, now: datetime) -> Member:
    """Also counts as a change when only the groups are others: role and groups have one version."""
    return await _changed(tx, org_id, user_id, "role = $5", by, now, role)


async def deactivate(tx: Tx, org_id: str, user_id: str, by: str, now: datetime) -> Member:
    """An identity provider that waits for just that has got it."""
    await tx.run(
        "delete from scim_removals where org_id = $1 and user_id = $2 and kind = 'deactivation'", org_id, user_id
    )
    return await _changed(tx, org_id, user_id, "status = 'inactive', deactivated_at = $4", by, now)


async def reactivate(tx: Tx, org_id: str, user_id: str, by: str, now: datetime) -> Member:
    return await _changed(tx, org_id, user_id, "status = 'active', deactivated_at = null", by, now)


async def remove(tx: Tx, org_id: str, user_id: str, by: str | None, now: datetime) -> Member:
    """The row stays, so that the record keeps its names; the group memberships go, and what an identity provider said of them."""
    await tx.run("delete from scim_users where org_id = $1 and user_id = $2", org_id, user_id)
    await tx.run("delete from scim_removals where org_id = $1 and user_id = $2", org_id, user_id)
    await tx.run("delete from group_members where org_id = $1 and user_id = $2", org_id, user_id)
    return await _changed(tx, org_id, user_id, "status = 'removed'", by, now)


async def rename(tx: Tx, org_id: str, user_id: str, name: str, now: datetime) -> Member:
    return await _changed(tx, org_id, user_id, "name = $5, name_key = $6", user_id, now, name, key_of(name))


async def set_email(tx: Tx, org_id: str, user_id: str, email: str, now: datetime) -> Member:
    return await _changed(
        tx, org_id, user_id, "email = $5, email_key = $6", user_id, now, email, canonical_email(email)
    )


async def note_activity(tx: Tx, org_id: str, user_id: str, at: datetime) -> None:
    """No change of the member: whoever has them open needn't notice."""
    await tx.run(
        "update members set last_active_at = greatest(last_active_at, $3), seen = true"
        " where org_id = $1 and user_id = $2 and (last_active_at < $3 or not seen)",
        org_id,
        user_id,
        at,
    )


async def keep_two_factor(tx: Tx, org_id: str, user_id: str, on: bool) -> None:
    """No change of the member, either."""
    await tx.run("update members set two_factor = $3 where org_id = $1 and user_id = $2", org_id, user_id, on)


async def _changed(
    tx: Tx, org_id: str, user_id: str, change: str, by: str | None, now: datetime, *values: object
) -> Member:
    row = await tx.row(
        f"update members set {change}, version = version + 1, changed_by = $3, changed_at = $4"
        f" where org_id = $1 and user_id = $2 returning {COLUMNS}",
        org_id,
        user_id,
        by,
        now,
        *values,
    )
    assert row is not None
    return Member(**dict(row))


async def other_admins(read: Read, org_id: str, user_id: str) -> int:
    """How many active Admins there are besides this member."""
    return int(
        await read.value(
            "select count(*) from members where org_id = $1 and user_id <> $2 and role = 'admin' and status = 'active'",
            org_id,
            user_id,
        )
    )


async def first_admin(read: Read, org_id: str, rather: str) -> Member | None:
    """An active Admin: this one if they are, or the one who has been it longest."""
    row = await read.row(
        f"select {COLUMNS} from members where org_id = $1 and role = 'admin' and status = 'active'"
        " order by user_id <> $2, joined_at, user_id limit 1",
        org_id,
        rather,
    )
    return Member(**dict(row)) if row else None


async def known_addresses(read: Read, org_id: str, email_keys: Sequence[str]) -> dict[str, Status]:
    rows = await read.rows(
        "select email_key, status from members where org_id = $1 and email_key = any($2) and status <> 'removed'",
        org_id,
        list(email_keys),
    )
    return {row["email_key"]: row["status"] for row in rows}


# -- slots


async def slots_used(read: Read, org_id: str, now: datetime) -> dict[Kind, int]:
    """Active members and open invitations, by the kind of slot that they take."""
    row = await read.row(
        "select coalesce(sum(how_many) filter (where role <> 'viewer'), 0) as author, coalesce(sum(how_many) filter (where role = 'viewer'), 0) as viewer from ("
        " select role, how_many from member_counts where org_id = $1 and status = 'active'"
        " union all select role, 1 from invitations where org_id = $1 and status = 'open' and expires_at > $2) as taken",
        org_id,
        now,
    )
    assert row is not None
    return {"author": int(row["author"]), "viewer": int(row["viewer"])}


async def members_of_kind(read: Read, org_id: str, kind: Kind) -> int:
    """Active members who take a slot of this kind, invitations aside."""
    return await _how_many(read, org_id, "active", ["viewer"] if kind == "viewer" else ["admin", "analyst"])


# -- lists


@dataclass(frozen=True)
class Wanted:
    """Which members, in which order. `in_group` is a group's id and kind; `slotless` decides who isn't among All Analysts.

    `among` are the only members who can be found: those whom `q` can find, when they are few (`narrowed`).
    """

    status: Status = "active"
    q: str | None = None
    among: tuple[str, ...] | None = None
    role: Role | None = None
    in_group: tuple[str, GroupKind] | None = None
    slotless: frozenset[str] = field(default_factory=frozenset)
    two_factor: bool | None = None
    seen: bool | None = None
    active_after: datetime | None = None
    active_until: datetime | None = None
    sort: Sort = "name"
    descending: bool = False


async def narrowed(read: Read, org_id: str, wanted: Wanted) -> Wanted:
    """A search that says whom alone it can find, unless these may be many: then they are met by walking through everybody."""
    if wanted.q is None or wanted.among is not None or len(key_of(wanted.q)) < LETTERS_IN_A_ROW:
        return wanted
    rows = await read.rows(
        "select user_ids from member_blocks cross join ("
        "  select letters_of($2) as sought, array(select letter_places($2)) as places offset 0"
        " ) asked where org_id = $1"  # asking for a bit costs a tenth of comparing all of them: most blocks lack one of three
        " and get_bit(letters, places[1]) = 1 and get_bit(letters, places[cardinality(places) / 2 + 1]) = 1"
        " and get_bit(letters, places[cardinality(places)]) = 1 and (letters & sought) = sought limit $3",
        org_id,
        key_of(wanted.q),
        BLOCKS_SEARCHED + 1,
    )
    if len(rows) > BLOCKS_SEARCHED:
        return wanted
    return replace(wanted, among=tuple(user_id for row in rows for user_id in row["user_ids"]))


async def listed(read: Read, org_id: str, wanted: Wanted, after: Sequence[Any] | None, limit: int) -> list[Member]:
    """Members after a position (the value sorted by, and the user's id)."""
    where, values = _conditions(org_id, wanted, after)
    key, direction = SORT_KEYS[wanted.sort], "desc" if wanted.descending else "asc"
    page = f"from members where {where} order by {key} {direction}, user_id {direction} limit {int(limit)}"
    if wanted.q:  # whom it finds is seen in an index that has names and addresses; only they are read
        order = f"order by found.{key} {direction}, user_id {direction}"
        statement = f"select {COLUMNS} from (select {key}, user_id {page}) found join members using (user_id) where org_id = $1 {order}"
    else:
        statement = f"select {COLUMNS} {page}"
    rows = await read.rows(statement, *values)
    return [Member(**dict(row)) for row in rows]


async def counted(read: Read, org_id: str, wanted: Wanted, cap: int, first: Sequence[Member] = ()) -> int:
    """How many there are, no further than one past the cap. Only a search or several filters at once have to be counted.

    `first`: those that were listed from the beginning on; counting goes on behind them instead of meeting everybody before them again.
    """
    everybody = wanted.in_group is None or (wanted.in_group[1] == "all_users" and wanted.status == "active")
    all_alike = (wanted.two_factor, wanted.seen, wanted.active_after, wanted.active_until) == (None, None, None, None)
    if wanted.q is None and everybody and all_alike and wanted.among is None:
        roles: Sequence[Role] = ("admin", "analyst", "viewer") if wanted.role is None else (wanted.role,)
        return min(await _how_many(read, org_id, wanted.status, roles), cap + 1)
    where, values = _conditions(org_id, wanted, position(wanted, first[-1]) if first else None)
    left = max(int(cap) + 1 - len(first), 0)
    more = await read.value(f"select count(*) from (select from members where {where} limit {left}) as found", *values)
    return len(first) + int(more)


async def facets(read: Read, org_id: str, status: Status, moments: Sequence[datetime]) -> Row:
    """How many members there are, with a second factor, and last active after each of four moments, the latest first, and not after the one before."""
    row = await read.row(
        "select count(*) as users, count(*) filter (where two_factor) as two_factor, count(*) filter (where not seen) as never,"
        " count(*) filter (where seen and last_active_at > $3) as day,"
        " count(*) filter (where seen and last_active_at <= $3 and last_active_at > $4) as week,"
        " count(*) filter (where seen and last_active_at <= $4 and last_active_at > $5) as month,"
        " count(*) filter (where seen and last_active_at <= $5 and last_active_at > $6) as quarter,"
        " count(*) filter (where seen and last_active_at <= $6) as longer"
        " from members where org_id = $1 and status = $2",
        org_id,
        status,
        *moments,
    )
    assert row is not None
    return row


def position(wanted: Wanted, member: Member) -> tuple[Any, str]:
    """Where the next page begins: after this member."""
    if wanted.sort == "name":
        return key_of(member.name), member.user_id
    if wanted.sort == "email":
        return canonical_email(member.email), member.user_id
    return getattr(member, wanted.sort), member.user_id


def _conditions(org_id: str, wanted: Wanted, after: Sequence[Any] | None = None) -> tuple[str, list[Any]]:
    """Who is wanted; of these only who stands behind a position (the value sorted by, and the user's id)."""
    where, values = ["org_id = $1", "status = $2"], list[Any]([org_id, wanted.status])

    def add(condition: str, value: Any) -> None:
        values.append(value)
        where.append(condition.replace("$", f"${len(values)}"))

    if wanted.among is not None:
        add("user_id = any($)", list(wanted.among))
    if wanted.q:
        add("(strpos(name_key, $) > 0 or strpos(email_key, $) > 0)", key_of(wanted.q))
    if wanted.role:
        add("role = $", wanted.role)
    if wanted.two_factor is not None:
        where.append("two_factor" if wanted.two_factor else "not two_factor")
    if wanted.seen is not None:
        where.append("seen" if wanted.seen else "not seen")
    if wanted.active_after is not None:
        add("last_active_at > $", wanted.active_after)
    if wanted.active_until is not None:
        add("last_active_at <= $", wanted.active_until)
    if wanted.in_group is not None and wanted.in_group[1] == "custom":
        add(
            "exists (select from group_members as held where held.org_id = members.org_id"
            " and held.group_id = $ and held.user_id = members.user_id)",
            wanted.in_group[0],
        )
    elif wanted.in_group is not None:
        where.append("status = 'active'")
        if wanted.in_group[1] == "all_analysts":
            where.append("role <> 'viewer'")
            add("user_id <> all($)", list(wanted.slotless))
    if after is not None:
        is_text = isinstance(after[0], str) and wanted.sort.endswith("_at")
        values += [datetime.fromisoformat(after[0]) if is_text else after[0], after[1]]
        beyond = "<" if wanted.descending else ">"
        where.append(f"({SORT_KEYS[wanted.sort]}, user_id) {beyond} (${len(values) - 1}, ${len(values)})")
    return " and ".join(where), values


# -- across organizations, for standings


async def memberships(read: Read, user_id: str) -> list[Row]:
    """Everywhere the person belongs or belonged, first joined first."""
    return await read.rows(
        "select org_id, organizations.name as org_name, members.role, members.status, members.joined_at,"
        " organizations.closed_at is not null as closed, closures.asked_at is not null as erasing"
        " from members join organizations using (org_id) left join closures using (org_id)"
        " where user_id = $1 order by organizations.closed_at is not null, joined_at, org_id",
        user_id,
    )


async def active(read: Read, org_id: str) -> int:
    return await _how_many(read, org_id, "active")


async def _how_many(
    read: Read, org_id: str, status: Status, roles: Sequence[Role] = ("admin", "analyst", "viewer")
) -> int:
    """As it is kept with every change, so that nobody has to be counted."""
    return int(
        await read.value(
            "select coalesce(sum(how_many), 0) from member_counts where org_id = $1 and status = $2 and role = any($3)",
            org_id,
            status,
            list(roles),
        )
    )
