"""Idempotency keys: the record commits with the effect, and a lock that dies with its holder says "still running".

Only answers that committed something are kept: a refusal had no effect, so repeating the request may well succeed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta

import orjson

from shared.auth import Actor
from shared.db import Tx
from shared.errors import Problem
from shared.outbox import lock_key
from shared.service import Ctx

KEPT = timedelta(days=7)
KEY = re.compile(r"[\x21-\x7e]{1,255}")

# Takes the lock and looks, in one statement. Its snapshot may be older than the lock: then `keep` finds the key taken.
HOLD = """
select held, kept.* from (select pg_try_advisory_xact_lock($1) as held) as tried
left join idempotent_requests as kept on kept.scope = $2 and kept.key = $3
"""


@dataclass(frozen=True)
class Kept:
    """An answer as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True)
class IdempotentRequest:
    """One request under its key. `scope` is a digest of principal + method + path (a path may hold a mailed token)."""

    scope: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, actor: Actor, method: str, path: str, key: str, body: bytes) -> IdempotentRequest:
        if not KEY.fullmatch(key):
            raise Problem("malformed_request", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
        scope = hashlib.sha256(f"{actor.id} {actor.org_id} {method} {path}".encode()).hexdigest()
        return cls(scope, key, hashlib.sha256(body).hexdigest())

    async def earlier(self, tx: Tx) -> Kept | None:
        """The kept answer, or None when this is the first; from then on this transaction holds the key."""
        row = await tx.row(HOLD, lock_key(f"{self.scope} {self.key}"), self.scope, self.key)
        if row is None or not row["held"]:
            raise Problem("idempotency_running", retry_after=1)
        if row["fingerprint"] is None:
            return None
        if row["fingerprint"] != self.fingerprint:
            raise Problem("idempotency_key_reused")
        return Kept(row["status"], orjson.loads(row["headers"]), row["body"])

    async def keep(self, tx: Tx, answer: Kept) -> None:
        kept = await tx.run(
            "insert into idempotent_requests (scope, key, fingerprint, status, headers, body) values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
            self.scope,
            self.key,
            self.fingerprint,
            answer.status,
            orjson.dumps(answer.headers).decode(),
            answer.body,
        )
        if not kept:
            raise Problem("idempotency_running", retry_after=1)


async def forget_old_answers(ctx: Ctx) -> None:
    """Answers are kept for seven days."""
    async with ctx.tx() as tx:
        await tx.run("delete from idempotent_requests where answered_at < $1", ctx.now - KEPT)
