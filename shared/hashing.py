"""Passwords as Argon2id hashes, worked out off the event loop by few threads with a short line before them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
import threading
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
NICE = 10  # a tenth of a core where others want it, all of it where they don't

GUESSABLE_SCORE = 3  # zxcvbn: below it, fewer than 10^8 guesses
LOOKED_AT = 32
LETTER_LIKE = frozenset(sign for signs in L33T_TABLE.values() for sign in signs)
MOST_LETTER_LIKE = 12


class Hasher:
    """Threads that work on passwords, and the line before them. Who comes when the line is full is sent away at once."""

    def __init__(self, threads: int, parameters: PasswordHasher) -> None:
        self._hashing = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_stand_back)
        # In Python, under the interpreter's lock: whoever stands back must not hold that, or all wait for them.
        self._reading = ThreadPoolExecutor(threads, thread_name_prefix="zxcvbn")
        self._most = threads * (1 + LINE_PER_THREAD)
        self._parameters = parameters
        self._stranger = parameters.hash(secrets.token_urlsafe(24))
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
        return await self._work(self._hashing, self._parameters.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hash's. Without a hash the same work is done on a stranger's, and the answer is no."""
        fits = await self._work(self._hashing, _fits, password_hash or self._stranger, password)
        return fits and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._parameters.check_needs_rehash(password_hash)

    async def is_guessable(self, password: str) -> bool:
        return await self._work(self._reading, is_guessable, password)

    async def _work(self, threads: ThreadPoolExecutor, work: Callable[P, T], *given: P.args, **_: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *given)

    def close(self) -> None:
        for threads in (self._hashing, self._reading):
            threads.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def hashing(parameters: PasswordHasher = PARAMETERS) -> AsyncIterator[Hasher]:
    """One thread per core, but for the one that the event loop needs."""
    hasher = Hasher(max((os.cpu_count() or 2) - 1, 1), parameters)
    try:
        yield hasher
    finally:
        hasher.close()


def _stand_back() -> None:
    """A flood of sign-ins takes the time that everybody else leaves. Linux alone gives threads a priority of their own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


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
