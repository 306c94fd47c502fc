"""Work on passwords stands back behind everything else that the process does."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from shared import hashing
from shared.hashing import NICE


@pytest.mark.skipif(sys.platform != "linux", reason="only there threads have priorities of their own")
async def test_hashing_leaves_the_core_to_whoever_else_wants_it_and_what_holds_the_interpreter_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, int] = {}

    def noted(name: str) -> int:
        seen[name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return seen[name]

    monkeypatch.setattr(hashing, "_fits", lambda *_: bool(noted("hashing")))
    monkeypatch.setattr(hashing, "is_guessable", lambda _: bool(noted("reading")))
    async with hashing.hashing() as hasher:
        await hasher.verify(None, "a password")
        await hasher.is_guessable("a password")
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert seen == {"hashing": NICE, "reading": mine}
    assert mine < NICE
