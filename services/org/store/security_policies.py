"""What organizations ask of their members' accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.db import Read, Tx
from shared.events.org import SecurityPolicy


@dataclass(frozen=True)
class Policy:
    """Version 0: nobody has decided anything yet."""

    two_factor_required: bool = False
    two_factor_deadline: datetime | None = None
    version: int = 0
    changed_by: str | None = None
    changed_at: datetime | None = None

    def state(self) -> SecurityPolicy:
        return SecurityPolicy(
            two_factor_required=self.two_factor_required, two_factor_deadline=self.two_factor_deadline
        )


async def one(read: Read, org_id: str) -> Policy:
    row = await read.row(
        "select two_factor_required, two_factor_deadline, version, changed_by, changed_at from security_policies where org_id = $1",
        org_id,
    )
    return Policy(**dict(row)) if row else Policy()


async def keep(tx: Tx, org_id: str, policy: Policy) -> None:
    await tx.run(
        "insert into security_policies (org_id, two_factor_required, two_factor_deadline, version, changed_by, changed_at)"
        " values ($1, $2, $3, $4, $5, $6) on conflict (org_id) do update set two_factor_required = excluded.two_factor_required,"
        " two_factor_deadline = excluded.two_factor_deadline, version = excluded.version, changed_by = excluded.changed_by,"
        " changed_at = excluded.changed_at",
        org_id,
        policy.two_factor_required,
        policy.two_factor_deadline,
        policy.version,
        policy.changed_by,
        policy.changed_at,
    )
