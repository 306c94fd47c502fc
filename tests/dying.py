"""A process that dies in the middle of its work: at one statement its connection is cut, and nothing after it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import pytest

from shared.db import _Connection

STATEMENTS = ("execute", "executemany", "fetch", "fetchrow", "fetchval")

_inside: ContextVar[bool] = ContextVar("inside the work that dies", default=False)


@contextmanager
def dying(module: Any, function: str, when: Literal["before", "after"], statement: int) -> Iterator[None]:
    """Whoever calls `module.function` is dead at the n-th statement counted from there: before PostgreSQL gets it, or after it did it.

    To PostgreSQL that is what `kill -9` looks like. The commit is a statement like any other, and the last one.
    """
    left = statement

    def dies(name: str) -> Any:
        original = getattr(_Connection, name)

        async def run(self: _Connection, *args: Any, **options: Any) -> Any:
            nonlocal left
            left -= _inside.get()
            if not _inside.get() or left != 0:
                return await original(self, *args, **options)
            if when == "after":
                await original(self, *args, **options)
            self.terminate()
            raise ConnectionResetError("this process was killed")

        return run

    entered = getattr(module, function)

    async def enter(*args: Any, **options: Any) -> Any:
        _inside.set(True)
        return await entered(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, function, enter)
        for name in STATEMENTS:
            patch.setattr(_Connection, name, dies(name))
        yield
