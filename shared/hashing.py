"""Passwords as Argon2id hashes, worked out off the event loop by few threads with a short line before them."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn
from zxcvbn.matching import L33T_TABLE

from shared.errors import Problem

P = ParamSpec("P")
T = TypeVar("T")

# OWASP's recommendation for Argon2id; every hash records the parameters that it was made with.
PARAMETERS = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
LINE_PER_THREAD = 24  # about a second of work

GUESSABLE_SCORE = 3  # zxcvbn: below it, fewer than 10^8 guesses
LOOKED_AT = 32
LETTER_LIKE = frozenset(sign for signs in L33T_TABLE.values() for sign in signs)
MOST_LETTER_LIKE = 12


class Hasher:
    """Threads that work on passwords, and the line before them. Who comes when the line is full is sent away at once."""

    def __init__(self, threads: int, stranger: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._most = threads * (1 + LINE_PER_THREAD)
        self._stranger = stranger
        self._inside = 0

    @contextmanager
    def place(self) -> Iterator[Hasher]:
        """A place in the line, taken before an attempt is paid for: who is sent away has lost nothing."""
        if self._inside >= self._most:
            raise Problem("overloaded", "Too many passwords are being looked at right now.", retry_after=2)
        self._inside += 1
        try:
            yield self
        finally:
            self._inside -= 1

    async def hash(self, password: str) -> str:
        return await self._work(PARAMETERS.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hash's. Without a hash the same work is done on a stranger's, and the answer is no."""
        fits = await self._work(_fits, password_hash or self._stranger, password)
        return fits and password_hash is not None

    async def is_guessable(self, password: str) -> bool:
        return await self._work(is_guessable, password)

    async def _work(self, work: Callable[P, T], *given: P.args, **_: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def hashing() -> AsyncIterator[Hasher]:
    """One thread per core, but for the one that the event loop needs."""
    hasher = Hasher(max((os.cpu_count() or 2) - 1, 1), PARAMETERS.hash(secrets.token_urlsafe(24)))
    try:
        yield hasher
    finally:
        hasher.close()


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return PARAMETERS.check_needs_rehash(password_hash)


def is_guessable(password: str) -> bool:
    """Whether a password is a common one, or close to one: zxcvbn's lists of 30,000 passwords and of words, names and key rows.

    Its time grows with length and with letter-like signs ("p4$$w0rd"), so it is shown a bounded part; a password that is written
    with more than a dozen different such signs is on nobody's list.
    """
    part = password[:LOOKED_AT]
    if len(LETTER_LIKE.intersection(part)) > MOST_LETTER_LIKE:
        return False
    return int(zxcvbn(part)["score"]) < GUESSABLE_SCORE


def _fits(password_hash: str, password: str) -> bool:
    try:
        return PARAMETERS.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
