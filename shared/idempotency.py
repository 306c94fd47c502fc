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

KEPT = timedelta(days=7)
KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Kept:
    """An answer as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class IdempotentRequest:
    """One request under its key. `scope` is principal + method + path."""

    scope: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, actor: Actor, method: str, path: str, key: str, body: bytes) -> IdempotentRequest:
        if not KEY.fullmatch(key):
            raise Problem("malformed_request", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
        return cls(f"{actor.id} {actor.org_id} {method} {path}", key, hashlib.sha256(body).hexdigest())

    async def earlier(self, tx: Tx) -> Kept | None:
        """The kept answer, or None when this is the first; from then on this transaction holds the key."""
        if not await tx.value("select pg_try_advisory_xact_lock($1)", lock_key(f"{self.scope} {self.key}")):
            raise Problem("idempotency_running", retry_after=1)
        row = await tx.row("select * from idempotent_requests where scope = $1 and key = $2", self.scope, self.key)
        if row is None:
            return None
        if row["fingerprint"] != self.fingerprint:
            raise Problem("idempotency_key_reused")
        return Kept(row["status"], orjson.loads(row["headers"]), row["body"])

    async def keep(self, tx: Tx, answer: Kept) -> None:
        await tx.run(
            "insert into idempotent_requests (scope, key, fingerprint, status, headers, body) values ($1, $2, $3, $4, $5, $6)",
            self.scope,
            self.key,
            self.fingerprint,
            answer.status,
            orjson.dumps(answer.headers).decode(),
            answer.body,
        )
