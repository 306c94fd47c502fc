"""How far something is that takes longer than two seconds: a line with its rate and the time left, on the terminal's own line where there is one."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

QUIET_SECONDS = 2.0
TERMINAL_SECONDS, LOG_SECONDS = 0.2, 5.0
MEBIBYTE = 1 << 20


class Progress:
    """Counts up to a total, which may be an estimate. `unit` is a word, or `bytes`, which are told in MiB.

    Silent for the first two seconds; then a line that is rewritten on a terminal, and one every five seconds elsewhere.
    """

    def __init__(self, doing: str, total: int, unit: str = "bytes", out: TextIO | None = None) -> None:
        self._doing = doing
        self._total = total
        self._unit = unit
        self._out = out or sys.stderr
        self._done = 0
        self._began = time.monotonic()
        self._next = self._began + QUIET_SECONDS
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width and self._out.isatty():
            self._out.write(f"\r{' ' * self._width}\r")
            self._out.flush()

    def advance(self, count: int = 1) -> None:
        self._done += count
        now = time.monotonic()
        if now >= self._next:
            self._next = now + (TERMINAL_SECONDS if self._out.isatty() else LOG_SECONDS)
            self._show(self.line(now - self._began))

    def line(self, seconds: float) -> str:
        """What is shown after so many seconds."""
        done = min(self._done, self._total) if self._total else self._done
        rate = done / seconds if seconds > 0 else 0.0
        share = f" {done * 100 // self._total} %," if self._total else ""
        left = f", {_span((self._total - done) / rate)} left" if self._total and rate else ""
        return f"{self._doing}:{share} {self._counted(done)}, {self._counted(rate)}/s{left}"

    def _counted(self, number: float) -> str:
        if self._unit == "bytes":
            return f"{number / MEBIBYTE:.1f} MiB"
        return f"{number:,.{0 if number >= 10 or number == int(number) else 1}f} {self._unit}"

    def _show(self, line: str) -> None:
        if self._out.isatty():
            self._out.write(f"\r{line:{self._width}}")
            self._width = max(self._width, len(line))
        else:
            self._out.write(f"{line}\n")
        self._out.flush()


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
