"""People who wait for an Admin: who they are comes from the persons that identity told of."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.db import Read, Row, Tx
from shared.events import org_approvals as said

Reason = Literal["approval", "slots", "plan", "removed"]
WAITING = (
    "select a.user_id, p.email, p.name, a.role, a.group_ids, a.connection_id, a.reason, a.requested_at"
    " from approvals a join persons p using (user_id) where a.org_id = $1 and a.declined_at is null"
)


@dataclass(frozen=True)
class Approval:
    """An approval that waits, as stored."""

    user_id: str
    email: str
    name: str
    role: Literal["viewer", "analyst"]
    group_ids: tuple[str, ...]
    connection_id: str
    reason: Reason
    requested_at: datetime

    def state(self) -> said.Approval:
        return said.Approval(**{**vars(self), "group_ids": list(self.group_ids)})


async def ask(tx: Tx, org_id: str, approval: Approval) -> bool:
    """False when the person waits already, or was declined."""
    return bool(
        await tx.run(
            "insert into approvals (org_id, user_id, role, group_ids, connection_id, reason, requested_at)"
            " values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
            org_id,
            approval.user_id,
            approval.role,
            list(approval.group_ids),
            approval.connection_id,
            approval.reason,
            approval.requested_at,
        )
    )


async def waiting(read: Read, org_id: str, user_id: str) -> Approval | None:
    return _approval(await read.row(f"{WAITING} and a.user_id = $2", org_id, user_id))


async def exists(read: Read, org_id: str, user_id: str) -> bool:
    return await waiting(read, org_id, user_id) is not None


async def listed(read: Read, org_id: str, after: str, limit: int) -> Sequence[Approval]:
    """By person, which is about the order in which they came."""
    rows = await read.rows(f"{WAITING} and a.user_id > $2 order by a.user_id limit $3", org_id, after, limit)
    return [found for row in rows if (found := _approval(row))]


async def counted(read: Read, org_id: str, cap: int) -> int:
    return int(await read.value(f"select count(*) from ({WAITING} limit {int(cap) + 1}) as found", org_id))


async def end(tx: Tx, org_id: str, user_id: str) -> None:
    await tx.run("delete from approvals where org_id = $1 and user_id = $2", org_id, user_id)


async def decline(tx: Tx, org_id: str, user_id: str, now: datetime) -> None:
    await tx.run("update approvals set declined_at = $3 where org_id = $1 and user_id = $2", org_id, user_id, now)


async def forget_person(tx: Tx, user_id: str) -> None:
    """Needs a look across organizations."""
    await tx.run("delete from approvals where user_id = $1", user_id)


async def was_removed(read: Read, org_id: str, user_id: str) -> bool:
    """Whether the person was a member once, until somebody took them out."""
    return bool(
        await read.value(
            "select true from members where org_id = $1 and user_id = $2 and status = 'removed'", org_id, user_id
        )
    )


def _approval(row: Row | None) -> Approval | None:
    return Approval(**{**dict(row), "group_ids": tuple(row["group_ids"])}) if row is not None else None
